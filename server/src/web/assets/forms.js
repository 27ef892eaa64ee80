// The pages with one form. The token of a link is in the address's fragment; the script removes the fragment
// immediately, so that the token is not in the browser's history.

import { call, onSubmit, ready } from "./api.js";

const token = location.hash.slice(1);
if (token) history.replaceState(null, "", location.pathname);
const form = document.querySelector("form");
const options = { signIn: false };

const actions = {
  async setup(given) {
    await call("POST", "/setup", { token, ...given }, options);
    location.assign("/studio");
  },
  async "sign-in"({ email, password, code }) {
    await call("POST", "/session", { email, password, ...(code ? { code } : {}) }, options);
    location.assign("/studio");
  },
  async invitation(given) {
    await call("POST", "/invitations/accept", { token, ...given }, options);
    location.assign("/sign-in");
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

onSubmit(form, actions[form.dataset.action]);
ready();
