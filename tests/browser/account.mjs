// A user's account: name, e-mail address, second factor, password, sessions, export.

import { createHmac } from "node:crypto";
import { assert, checkedBothSchemes, close, mailedLink, newPage, open, params, signIn, until, visit } from "./harness.mjs";

const browser = await open("none");
const page = await newPage(browser);
const outcome = (form) => page.textContent(`#${form} .outcome`);
const waitForOutcome = (form, text) => until(`${form}: ${text}`, async () => (await outcome(form)).includes(text));

// Returns a TOTP code (RFC 6238) that was not used before: of the previous, the current or the next step.
const STEP_S = 30;
let used = 0;
async function code(secret) {
  const now = () => Math.floor(Date.now() / 1000 / STEP_S);
  await until("an unused code", () => used <= now());
  const step = Math.max(used + 1, now() - 1);
  used = step;
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const hash = createHmac("sha1", key).update(counter).digest();
  return String((hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

await signIn(page);
await page.click("#who");
await page.waitForURL("**/studio/me");
await page.waitForSelector("#sessions li");
await checkedBothSchemes(page, "account");

await page.fill("#name", "Asha Rao");
await page.click("#naming [type=submit]");
await waitForOutcome("naming", "Saved.");
assert.equal(await page.textContent("#who"), "Asha Rao");

// A new address requires the password, and a link in an e-mail confirms the change.
await page.fill("#new-email", "asha.rao@mail.example");
await page.fill("#email-password", "not the password");
await page.click("#mailing [type=submit]");
await waitForOutcome("mailing", "password or the code is wrong");
await page.fill("#email-password", params.password);
await page.click("#mailing [type=submit]");
await waitForOutcome("mailing", "on its way to asha.rao@mail.example");
await visit(page, await mailedLink("/email"));
await page.click("[type=submit]");
await page.waitForURL("**/studio");
params.email = "asha.rao@mail.example";
await visit(page, "/studio/me");
assert.equal(await page.textContent("#address"), params.email);

// The setup of a second factor shows the QR code and the secret as text, and requires a code of the app.
assert.equal(await page.isVisible("#password-code"), false, "no code is required without a second factor");
await page.fill("#begin-password", "not the password");
await page.click("#factor-begin [type=submit]");
await waitForOutcome("factor-begin", "password or the code is wrong");
await page.fill("#begin-password", params.password);
await page.click("#factor-begin [type=submit]");
await page.waitForSelector("#factor-new:visible");
await until("the QR code", () => page.$eval("#factor-qr", (one) => one.complete && one.naturalWidth > 0));
await checkedBothSchemes(page, "account-factor");
const secret = (await page.textContent("#factor-secret")).replaceAll(" ", "");
assert.match(secret, /^[A-Z2-7]{32}$/);
await page.fill("#confirm-code", "000000");
await page.click("#factor-confirm [type=submit]");
await waitForOutcome("factor-confirm", "code is wrong");
await page.fill("#confirm-code", await code(secret));
await page.click("#factor-confirm [type=submit]");
await until("the factor", async () => (await page.textContent("#factor-said")) === "Turned on.");
assert.equal(await page.textContent("#factor-secret"), "", "the secret is shown once");
const codes = await page.$$eval("#recovery-codes code", (all) => all.map((one) => one.textContent));
assert.equal(codes.length, 10);
assert.match(await page.textContent("#factor-state"), /Unused recovery codes: 10\./);
await checkedBothSchemes(page, "account-codes");

// A new password requires the current one and a code.
const fresh = "a horse of another colour";
const change = async (current, code) => {
  await page.fill("#current", current);
  await page.fill("#new", fresh);
  await page.fill("#password-code", code);
  await page.click("#password [type=submit]");
};
await change(params.password, "000000");
await waitForOutcome("password", "code is wrong");
await checkedBothSchemes(page, "account-refused");
await change(params.password, await code(secret));
await waitForOutcome("password", "Password changed.");

// The second factor is turned off, and sessions on other devices are ended.
const changeFactor = async (given, choice) => {
  await page.fill("#change-password", fresh);
  await page.fill("#change-code", given);
  await page.click(`#factor-change [value=${choice}]`);
};
await changeFactor(codes[0], "renew");
await until("new codes", async () => (await page.textContent("#factor-said")).includes("no longer work"));
await changeFactor(codes[1], "remove");
await waitForOutcome("factor-change", "password or the code is wrong");
await changeFactor(await page.textContent("#recovery-codes code"), "remove");
await until("the factor", async () => (await page.textContent("#factor-said")) === "Turned off.");
const [phone, tablet] = [await newPage(browser), await newPage(browser)];
for (const elsewhere of [phone, tablet]) await signIn(elsewhere, fresh);
await visit(page, "/studio/me");
await until("the sessions", async () => (await page.$$("#sessions li")).length === 3);
// Sessions end with the password only.
await page.click("#sessions li:has(button) button");
await page.fill("#sessions-password", "not the password");
await page.click("#sessions li:has(button) button");
await until("a refusal", async () => (await page.textContent("#sessions-said")).includes("password is wrong"));
assert.equal((await page.$$("#sessions li")).length, 3);
await page.fill("#sessions-password", fresh);
await page.click("#sessions li:has(button) button");
await until("one session less", async () => (await page.$$("#sessions li")).length === 2);
await page.fill("#sessions-password", fresh);
await page.click("#end-sessions [type=submit]");
await until("only the current session", async () => (await page.$$("#sessions li")).length === 1);
for (const elsewhere of [phone, tablet]) {
  await elsewhere.goto("/studio");
  await elsewhere.waitForURL("**/sign-in");
}
const [saved] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
assert.equal(saved.suggestedFilename(), "about-me.json");
await close(browser);
