// Somebody's own account: a name, another address, a second factor, a new password, sessions that end.

import { createHmac } from "node:crypto";
import { readdirSync } from "node:fs";
import { assert, close, looked, mailed, open, signIn, somebody, told, until, visit } from "./harness.mjs";

const browser = await open("none");
const page = await somebody(browser);
const outcome = (form) => page.textContent(`#${form} .outcome`);
const said = (form, text) => until(`${form}: ${text}`, async () => (await outcome(form)).includes(text));

// The codes of RFC 6238, each used once: of the step before, of now, or of the one to come.
const STEP_S = 30;
let used = 0;
async function code(secret) {
  const now = () => Math.floor(Date.now() / 1000 / STEP_S);
  await until("a code that was not used", () => used <= now());
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
await looked(page, "account");

await page.fill("#name", "Asha Rao");
await page.click("#naming [type=submit]");
await said("naming", "Saved.");
assert.equal(await page.textContent("#who"), "Asha Rao");

// Another address, with the password, by the link of a mail.
await page.fill("#new-email", "asha.rao@mail.example");
await page.fill("#email-password", "not the password");
await page.click("#mailing [type=submit]");
await said("mailing", "password is wrong");
await page.fill("#email-password", told.password);
await page.click("#mailing [type=submit]");
await said("mailing", "on its way to asha.rao@mail.example");
const link = await until("the mail", () => {
  const files = readdirSync(told.outbox).filter((name) => name.endsWith(".eml"));
  return mailed(told.outbox, files).map((mail) => mail.match(/\/email#ppe_[\w-]+/)?.[0]).find(Boolean);
});
await visit(page, link);
await page.click("[type=submit]");
await page.waitForURL("**/studio");
told.email = "asha.rao@mail.example";
await visit(page, "/studio/me");
assert.equal(await page.textContent("#address"), told.email);

// A second factor: the code's picture, the secret by hand, and a code that proves the app has it.
assert.equal(await page.isVisible("#password-code"), false, "nobody is asked for a code there is not");
await page.click("#factor-begin");
await page.waitForSelector("#factor-new:visible");
await until("the picture", () => page.$eval("#factor-qr", (one) => one.complete && one.naturalWidth > 0));
await looked(page, "account-factor");
const secret = (await page.textContent("#factor-secret")).replaceAll(" ", "");
assert.match(secret, /^[A-Z2-7]{32}$/);
await page.fill("#confirm-code", "000000");
await page.click("#factor-confirm [type=submit]");
await said("factor-confirm", "not the app's");
await page.fill("#confirm-code", await code(secret));
await page.click("#factor-confirm [type=submit]");
await until("the factor", async () => (await page.textContent("#factor-said")) === "Turned on.");
assert.equal(await page.textContent("#factor-secret"), "", "the secret is shown once");

// A new password asks for both.
const fresh = "a horse of another colour";
const change = async (current, code) => {
  await page.fill("#current", current);
  await page.fill("#new", fresh);
  await page.fill("#password-code", code);
  await page.click("#password [type=submit]");
};
await change(told.password, "000000");
await said("password", "not the app's");
await looked(page, "account-refused");
await change(told.password, await code(secret));
await said("password", "Password changed.");

// Off again, and sessions elsewhere.
await page.fill("#remove-code", await code(secret));
await page.click("#factor-remove [type=submit]");
await until("the factor", async () => (await page.textContent("#factor-said")) === "Turned off.");
const [phone, tablet] = [await somebody(browser), await somebody(browser)];
for (const elsewhere of [phone, tablet]) await signIn(elsewhere, fresh);
await visit(page, "/studio/me");
await until("the sessions", async () => (await page.$$("#sessions li")).length === 3);
await page.click("#sessions li:has(button) button");
await until("one less", async () => (await page.$$("#sessions li")).length === 2);
await page.click("#end-others");
await page.click("#ask-yes");
await until("this one alone", async () => (await page.$$("#sessions li")).length === 1);
for (const elsewhere of [phone, tablet]) {
  await elsewhere.goto("/studio");
  await elsewhere.waitForURL("**/sign-in");
}
const [kept] = await Promise.all([page.waitForEvent("download"), page.click("a[download]")]);
assert.equal(kept.suggestedFilename(), "about-me.json");
await close(browser);
