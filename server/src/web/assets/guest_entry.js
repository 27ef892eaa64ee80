// The page of a guest link. Shows one step at a time: entry, name, consent, camera, and, if the API asks for it,
// the code from the e-mail.

import { byId, call } from "./api.js";
import { trouble, word } from "./strings.js";
import { camera } from "./camera.js";
import { remember } from "./guest_link_storage.js";

const steps = ["about", "you", "consent", "camera", "code-step", "queue"];
const open = { signIn: false };
const token = location.pathname.split("/")[2];
const contact = {};
const { stage } = document.querySelector("[data-stage]").dataset;

// Shows one step and moves the focus to its heading, for screen readers.
function show(name, moved = true) {
  for (const step of steps) if (byId(step)) byId(step).hidden = step !== name;
  const title = byId(name).querySelector("h2");
  if (moved) scrollTo(0, 0);
  if (title && moved) title.focus({ preventScroll: true });
  document.body.dataset.step = name;
}

const minutes = (problem) => ({ minutes: Math.max(1, Math.ceil((problem.retryAfter ?? 60) / 60)) });

// Completes the verification. While many guests come, waits as long as the server asks for.
async function finish(waitS = 0) {
  if (waitS > 0) {
    show("queue");
    await new Promise((done) => setTimeout(done, waitS * 1000));
  }
  try {
    await call("POST", "/guest/verification", undefined, open);
    location.assign("/g");
  } catch (problem) {
    if (problem.status === 429) return finish(problem.retryAfter ?? 10);
    // The code is missing, or the server has been restarted and has forgotten the face.
    if (problem.status === 409) return show((await call("GET", "/guest", undefined, open)).face_shown ? "code-step" : "camera");
    if (problem.status === 0) return finish(5);
    throw problem;
  }
}

function passed(answer) {
  if (answer.next === "code") return show("code-step");
  if (answer.next === "wait") return finish(answer.retry_after_s);
  location.assign("/g");
}

camera({ passed });

byId("code-step").addEventListener("submit", async (sent) => {
  sent.preventDefault();
  const [button, bad] = [sent.target.querySelector("[type=submit]"), byId("code-bad")];
  button.disabled = true;
  bad.textContent = byId("code-said").textContent = "";
  try {
    await call("PUT", "/guest/contact-code", { code: byId("code").value }, open);
    await finish();
  } catch (problem) {
    // A session that has ended has the same status as a wrong code.
    if (problem.code === "unauthenticated") return location.assign("/g");
    if (problem.status === 403) {
      bad.textContent = trouble("many_people").join(" ");
      return;
    }
    const name = { 0: "no_line", 401: "code_wrong", 429: "code_too_many" }[problem.status] ?? "failed";
    bad.textContent = word(name, minutes(problem));
    byId("code").focus();
  } finally {
    button.disabled = false;
  }
});

byId("code-again").addEventListener("click", async () => {
  byId("code-bad").textContent = byId("code-said").textContent = "";
  try {
    await call("POST", "/guest/contact-code", undefined, open);
    byId("code-said").textContent = word("code_sent_again");
    byId("code").focus();
  } catch (problem) {
    byId("code-bad").textContent = word({ 0: "no_line", 429: "code_too_soon" }[problem.status] ?? "failed", minutes(problem));
  }
});

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
        byId("you-bad").textContent = word("code" in byId("you").dataset ? "email_wrong" : "contact_wrong");
        byId("contact").focus();
      } else if (problem.status === 409) bad.textContent = word("consent_changed");
      else bad.textContent = word({ 0: "no_line", 410: "closed" }[problem.status] ?? "failed");
    } finally {
      button.disabled = false;
    }
  });

  // A guest who consented on an earlier visit continues with the camera step.
  if (stage === "registered") byId("begin").addEventListener("click", () => show("camera"));
} else if (stage !== "passed") show("camera", false);

// A guest who has passed the challenge before a reload continues after it.
if (stage === "passed") finish().catch(() => show("camera"));
