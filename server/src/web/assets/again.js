// The page of an ended guest session: leads back to the guest link that this browser remembers.

import { byId } from "./api.js";
import { remembered } from "./link.js";

const link = remembered();
if (link) {
  byId("again").href = link;
  byId("again").hidden = false;
}
