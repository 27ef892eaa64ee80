// The pages with one form. The token of a link is in the address's fragment; the script removes the fragment
// immediately, so that the token is not in the browser's history.

import { byId, call, onSubmit, ready } from "./api.js";

const fragment = location.hash.slice(1);
if (fragment) history.replaceState(null, "", location.pathname);
const form = document.querySelector("form");
const options = { signIn: false };

// An invitation's token outlives the page of sign-in, in this tab only.
const KEPT_INVITATION = "invitation";
const action = form.dataset.action;
const token = fragment || (action === "invitation" && sessionStorage.getItem(KEPT_INVITATION)) || "";
let me = null;

// Lets a signed-in user join with their account, and offers sign-in to others.
async function beginInvitation() {
  if (token) sessionStorage.setItem(KEPT_INVITATION, token);
  me = await call("GET", "/me", undefined, options).catch(() => null);
  byId("invitation-account").hidden = Boolean(me);
  byId("invitation-own").hidden = !me;
  byId("invitation-fields").hidden = Boolean(me);
  byId("invitation-fields").disabled = Boolean(me);
  if (me) byId("invitation-email").textContent = me.email;
}

const actions = {
  async setup(given) {
    await call("POST", "/setup", { token, ...given }, options);
    location.assign("/studio");
  },
  async "sign-in"({ email, password, code }) {
    await call("POST", "/session", { email, password, ...(code ? { code } : {}) }, options);
    location.assign(sessionStorage.getItem(KEPT_INVITATION) ? "/invitation" : "/studio");
  },
  async invitation(given) {
    if (me) await call("POST", "/me/invitations", { token }, options);
    else await call("POST", "/invitations/accept", { token, ...given }, options);
    sessionStorage.removeItem(KEPT_INVITATION);
    location.assign(me ? "/studio" : "/sign-in");
  },
  async reset({ password }) {
    await call("PUT", "/password-resets", { token, password }, options);
    location.assign("/sign-in");
  },
  async email() {
    await call("POST", "/me/email/confirm", { token }, options);
    location.assign("/studio");
  },
};

if (action === "invitation") await beginInvitation();
onSubmit(form, actions[action]);
ready();
