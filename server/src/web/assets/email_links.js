// The pages that e-mail links open. A press of the button sends the token in the link's fragment.

import { byId, call } from "./api.js";
import { word } from "./strings.js";

const token = location.hash.slice(1);
if (token) history.replaceState(null, "", location.pathname);
const button = byId("use");
const paths = { enter: "/guest/session", notify: "/guest/notifications/confirm", undo: "/guest/erasure-undo" };

button.addEventListener("click", async () => {
  button.disabled = true;
  const outcome = byId("outcome");
  outcome.classList.remove("bad");
  outcome.textContent = "";
  try {
    await call("POST", paths[button.dataset.what], { token }, { signIn: false });
    if (button.dataset.what === "enter") return location.assign("/g");
    outcome.textContent = word(button.dataset.what === "undo" ? "undone" : "notified");
    button.hidden = true;
    byId("on").hidden = button.dataset.what === "undo";
  } catch (problem) {
    outcome.classList.add("bad");
    outcome.textContent = word({ 0: "no_line", 410: "gone", 422: "gone" }[problem.status] ?? "failed");
    button.disabled = problem.status === 410;
  }
});
