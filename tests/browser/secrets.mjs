// Secrets on pages: the PIN of an album after a proof of work, and the password for a new API key.

import { assert, checked, checkedBothSchemes, close, newPage, open, params, signIn, until, visit } from "./harness.mjs";

const browser = await open("none");

// The script solves the challenge while the visitor types; the page says so if it takes longer.
const visitor = await newPage(browser);
await visitor.goto(params.album);
await checked(visitor, "album-door-with-work");
assert.ok(Number(await visitor.getAttribute("form[data-bits]", "data-bits")) >= 19);
for (const pin of ["000000", "482913"]) {
  assert.equal(await visitor.isVisible("[data-work]"), false);
  await visitor.fill("#pin", pin);
  await visitor.click("[type=submit]");
  if (pin === "000000") await visitor.waitForSelector("[role=alert]");
}
await visitor.waitForSelector("#annotate");
assert.equal(await visitor.title(), "Asha & Ben");
await visitor.fill("#name", "Grandmother");
await visitor.fill("#second-pin", "570264");
await visitor.click("#annotate [type=submit]");
await until("the visitor has a name", async () => (await visitor.textContent("#annotate")).includes("Grandmother"));

// Without scripts, the page says what to do.
const plain = await newPage(browser, { javaScriptEnabled: false });
await plain.goto(params.album);
assert.ok((await plain.textContent("form")).includes("turn on JavaScript"));

const page = await newPage(browser);
await signIn(page);
await page.click("details summary");
const outcome = () => page.textContent("#new-key .outcome");
await page.fill("#key-name", "Camera");
await page.fill("#key-password", "not the password");
await page.click("#new-key [type=submit]");
await until("a wrong password is refused", async () => (await outcome()).includes("password or the code is wrong"));
assert.equal(await page.isVisible("#key-code"), false, "no code is required without a second factor");
await page.fill("#key-password", params.password);
await page.click("#new-key [type=submit]");
await page.waitForSelector("#key-shown:visible");
assert.ok((await page.textContent("#key-shown")).includes("ppk_"));
assert.equal(await page.inputValue("#key-password"), "");
await checkedBothSchemes(page, "studio-key");
await close(browser);
