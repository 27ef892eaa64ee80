import { banner, byId, call, element, onSubmit, ready, say } from "./api.js";
import { button, row, showCodeFields } from "./studio_common.js";

await banner();
let me = await call("GET", "/me");
const when = (unixS) => new Date(unixS * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function show() {
  byId("who").textContent = me.name;
  byId("name").value = me.name;
  byId("address").textContent = me.email;
  showCodeFields(me);
  byId("factor-state").textContent = me.second_factor
    ? `Two-step verification is on. Signing in asks for a code from your app. Unused recovery codes: ${me.recovery_codes}.`
    : "Two-step verification is off. Signing in asks for your password only.";
  byId("factor-begin").hidden = me.second_factor;
  byId("factor-change").hidden = !me.second_factor;
}

// Returns the code as a request field; no field if the account has no second factor.
const code = (given) => (me.second_factor ? { code: given } : {});

onSubmit(byId("naming"), async ({ name }) => {
  me = await call("PATCH", "/me", { name });
  show();
  return "Saved.";
});

onSubmit(byId("mailing"), async (given) => {
  await call("PUT", "/me/email", { email: given["new-email"], password: given["email-password"], ...code(given["email-code"]) });
  byId("mailing").reset();
  return `An e-mail is on its way to ${given["new-email"]}. Open its link within 1 hour and confirm the address.`;
});

onSubmit(byId("password"), async (given) => {
  await call("PUT", "/me/password", { current: given.current, new: given.new, ...code(given["password-code"]) });
  byId("password").reset();
  await showSessions();
  return "Password changed. You are signed out on all other devices.";
});

// The second factor is turned on only after a code has proved that the app has the secret.
let picture = "";
onSubmit(byId("factor-begin"), async (given) => {
  say(byId("factor-said"), "");
  const made = await call("POST", "/me/second-factor", { password: given["begin-password"] });
  byId("factor-begin").reset();
  URL.revokeObjectURL(picture);
  // As an image, so that the SVG's markup does not become part of the page.
  byId("factor-qr").src = picture = URL.createObjectURL(new Blob([made.qr_svg], { type: "image/svg+xml" }));
  byId("factor-secret").textContent = new URL(made.otpauth_url).searchParams.get("secret").replace(/.{4}(?=.)/g, "$& ");
  byId("factor-new").hidden = false;
  byId("factor-begin").hidden = true;
  byId("factor-title").focus();
});

function forget() {
  URL.revokeObjectURL(picture);
  byId("factor-qr").removeAttribute("src");
  byId("factor-secret").textContent = "";
  byId("factor-new").hidden = true;
}

function showCodes(codes) {
  byId("recovery-codes").replaceChildren(...codes.map((code) => element("li", {}, element("code", {}, code))));
  byId("factor-codes").hidden = codes.length === 0;
}

// Shows the account as it is after a change of the second factor.
async function changed(form, codes, text) {
  me = await call("GET", "/me");
  form.reset();
  forget();
  show();
  showCodes(codes);
  say(byId("factor-said"), text);
}

onSubmit(byId("factor-confirm"), async (given) => {
  const { recovery_codes: codes } = await call("PUT", "/me/second-factor", { code: given["confirm-code"].replace(/\s/g, "") });
  await changed(byId("factor-confirm"), codes, "Turned on.");
});

let chosen = "remove";
for (const choice of byId("factor-change").querySelectorAll("button")) choice.addEventListener("click", () => (chosen = choice.value));
onSubmit(byId("factor-change"), async (given) => {
  const proof = { password: given["change-password"], code: given["change-code"] };
  if (chosen === "remove") {
    await call("DELETE", "/me/second-factor", proof);
    await changed(byId("factor-change"), [], "Turned off.");
  } else {
    const { recovery_codes: codes } = await call("POST", "/me/recovery-codes", proof);
    await changed(byId("factor-change"), codes, "The earlier recovery codes no longer work.");
  }
});

async function showSessions() {
  const sessions = await call("GET", "/me/sessions");
  const end = (session) => async () => {
    const field = byId("sessions-password");
    if (!field.reportValidity()) return;
    say(byId("sessions-said"), "");
    try {
      await call("DELETE", `/me/sessions/${session.id}`, { password: field.value });
    } catch (problem) {
      // A session that is unknown has ended already.
      if (problem.status !== 404) return say(byId("sessions-said"), problem.message, true);
    }
    byId("end-sessions").reset();
    await showSessions();
  };
  byId("sessions").replaceChildren(
    ...sessions.toReversed().map((session) => {
      const about = session.current ? "this session" : `last used ${when(session.seen_unix_s)}`;
      return row(`Signed in ${when(session.created_unix_s)}`, about, ...(session.current ? [] : [button("End", end(session))]));
    }),
  );
  byId("end-sessions").hidden = sessions.length < 2;
}
onSubmit(byId("end-sessions"), async (given) => {
  await call("DELETE", "/me/sessions", { password: given["sessions-password"] });
  byId("end-sessions").reset();
  await showSessions();
  say(byId("sessions-said"), "All other sessions have ended.");
});

show();
ready();
await showSessions();
