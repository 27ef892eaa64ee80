// The page of a guest link. Shows one step at a time: entry, name, consent, camera.

import { byId, call } from "./api.js";
import { word } from "./strings.js";
import { camera } from "./camera.js";
import { remember } from "./guest_link_storage.js";

const steps = ["about", "you", "consent", "camera"];
const open = { signIn: false };
const token = location.pathname.split("/")[2];
const contact = {};

// Shows one step and moves the focus to its heading, for screen readers.
function show(name, moved = true) {
  for (const step of steps) if (byId(step)) byId(step).hidden = step !== name;
  const title = byId(name).querySelector("h2");
  if (moved) scrollTo(0, 0);
  if (title && moved) title.focus({ preventScroll: true });
  document.body.dataset.step = name;
}

camera({ passed: () => location.assign("/g") });

if (byId("begin")) {
  byId("begin").hidden = false;
  byId("begin").addEventListener("click", () => show("you"));
  for (const button of document.querySelectorAll("[data-back]"))
    button.addEventListener("click", () => show(button.dataset.back));

  byId("you").addEventListener("submit", (sent) => {
    sent.preventDefault();
    Object.assign(contact, Object.fromEntries(new FormData(sent.target)));
    byId("you-bad").textContent = "";
    show("consent");
  });

  byId("consent").addEventListener("submit", async (sent) => {
    sent.preventDefault();
    const [form, bad] = [sent.target, byId("consent-bad")];
    const fields = new FormData(form);
    if (!fields.get("agree") || !fields.get("adult")) {
      bad.textContent = word("both_needed");
      return;
    }
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    bad.textContent = "";
    try {
      const read = { consent: form.dataset.version, consent_ends_unix_s: Number(form.dataset.ends), consent_purpose: form.dataset.purpose };
      await call("POST", "/guest/registrations", { token, ...contact, ...read, adult: true }, open);
      remember(location.pathname);
      show("camera");
    } catch (problem) {
      if (problem.status === 422) {
        show("you");
        byId("you-bad").textContent = word("contact_wrong");
        byId("contact").focus();
      } else if (problem.status === 409) bad.textContent = word("consent_changed");
      else bad.textContent = word({ 0: "no_line", 410: "closed" }[problem.status] ?? "failed");
    } finally {
      button.disabled = false;
    }
  });

  // A guest who consented on an earlier visit continues with the camera step.
  if (document.querySelector("[data-stage=registered]")) byId("begin").addEventListener("click", () => show("camera"));
} else show("camera", false);
