// The pages for people in the photos: the public notice and its form, without a script, and the studio's page
// with which it deletes a person's face data, declines, undoes and keeps a log.

import { assert, checked, checkedBothSchemes, close, fetchApi, newPage, open, params, pause, signIn, until, visit } from "./harness.mjs";

const browser = await open("none");
const at = `/events/${params.event}`;

// Anybody reads the notice and asks, without a script and without an account.
{
  const asking = await newPage(browser, { javaScriptEnabled: false });
  await asking.goto(`/privacy/${params.event}`);
  assert.ok((await asking.textContent("main")).includes("Asha & Ben"));
  await asking.click(`a[href$="/request"]`);
  await asking.fill("#name", "Meera");
  await asking.fill("#contact", "no address");
  await asking.click("[type=submit]");
  await asking.waitForSelector("[role=alert]");
  assert.equal(await asking.inputValue("#name"), "Meera", "a refused form keeps what was entered");
  await asking.fill("#contact", "meera@mail.example");
  await asking.fill("#message", "Blue dress, table 4");
  await asking.click("[type=submit]");
  await asking.waitForSelector("[role=status]");
  await asking.goto(`/privacy/${params.event}/request`);
  await asking.fill("#name", "Ravi");
  await asking.fill("#contact", "ravi@mail.example");
  await asking.click("[type=submit]");
  await asking.waitForSelector("[role=status]");
  assert.equal((await asking.goto("/privacy/00000000000000000000000000000000")).status(), 404);
  const seeing = await newPage(browser);
  await seeing.goto(`/privacy/${params.event}`);
  await checked(seeing, "notice");
  await seeing.goto(`/privacy/${params.event}/request`);
  await checked(seeing, "notice-request");
  const hindi = await newPage(browser, { locale: "hi-IN" });
  await hindi.goto(`/privacy/${params.event}`);
  assert.equal(await hindi.getAttribute("html", "lang"), "hi");
}

// The studio sees both requests, deletes one person's face data and declines the other.
const page = await newPage(browser);
await signIn(page);
await visit(page, `/studio${at}/privacy`);
await until("the requests", async () => (await page.$$("#requests li")).length === 2);
await page.waitForSelector("#no-erasures:visible");
await checkedBothSchemes(page, "studio-privacy");
await page.click("#requests li:has-text('Meera') button:text-is('Choose face')");
await page.waitForSelector("#choose-faces canvas");
await pause(500);
assert.match(await page.textContent("#choose-about"), /Blue dress/);
await checked(page, "studio-privacy-choose");
await page.click("#choose button[value=no]");
await pause(200);
assert.equal((await page.$$("#requests li")).length, 2, "Cancel deletes nothing");
await page.click("#requests li:has-text('Meera') button:text-is('Choose face')");
await page.waitForSelector("#choose-faces button");
await page.check("#opt-out");
await page.click("#choose-faces button");
await page.waitForSelector("#ask-sure[open]");
await checked(page, "studio-privacy-sure");
await page.click("#ask-yes");
await until("the receipt", () => page.$("#request-state a"));
await until("the requests", async () => (await page.$$("#requests li")).length === 1);
assert.match(await page.textContent("#erasures li"), /The studio|A person in the photos/);
assert.match(await page.textContent("#erasures li"), /kept out of later photos/);
await page.click("#requests li:has-text('Ravi') button:text-is('Decline')");
await page.click("#ask-yes");
await page.waitForSelector("#no-requests:visible");

// The studio's own words stand on the public page, as text.
await page.fill("#text", "Ask Asha at the door.\n<b>No photos</b> in the garden.");
await page.click("#notice [type=submit]");
await page.waitForSelector("#notice .outcome:not(:empty)");
await checked(page, "studio-privacy-after");
const reading = await newPage(browser);
await reading.goto(await page.getAttribute("#notice-url", "href"));
assert.ok((await reading.textContent("main")).includes("<b>No photos</b> in the garden."));
await checked(reading, "notice-with-text");

// The log names both requests without a name or a contact.
const [file] = await Promise.all([page.waitForEvent("download"), page.click("#log")]);
assert.equal(file.suggestedFilename(), "privacy-log.json");
const { items } = await fetchApi(page, `/studios/${params.studio}/privacy-log`);
assert.ok(items.length >= 2, JSON.stringify(items));
assert.doesNotMatch(JSON.stringify(items), /Meera|Ravi|mail\.example|Blue dress/);
await close(browser);
