// The page of an ended guest session. Links to the guest link that the browser has stored.

import { byId } from "./api.js";
import { remembered } from "./guest_link_storage.js";

const link = remembered();
if (link) {
  byId("again").href = link;
  byId("again").hidden = false;
}
