// The page of an ended guest session: leads back to the guest link that this browser remembers.

import { byId } from "./api.js";
import { remembered } from "./guest_link_storage.js";

const link = remembered();
if (link) {
  byId("again").href = link;
  byId("again").hidden = false;
}
