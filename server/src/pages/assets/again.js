// The page for whoever's visit has ended: leads back to the link they came by.

import { byId } from "./api.js";
import { remembered } from "./link.js";

const link = remembered();
if (link) {
  byId("again").href = link;
  byId("again").hidden = false;
}
