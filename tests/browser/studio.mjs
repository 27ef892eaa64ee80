// A studio from its first account to the purge of an event with its receipt, including a shared album.

import { correct } from "./people.mjs";
import { assert, checked, checkedBothSchemes, close, fetchApi, newPage, open, params, pause, until, visit } from "./harness.mjs";

const browser = await open("none");
const page = await newPage(browser);
const visible = (selector) => page.waitForSelector(`${selector}:visible`);

for (const [path, name] of [["/invitation", "invitation"], ["/reset", "reset"], ["/email", "email"], ["/sign-in", "sign-in"]]) {
  await visit(page, path);
  await checkedBothSchemes(page, name);
}
await visit(page, `/setup#${params.setup}`);
await checkedBothSchemes(page, "setup");
const me = { studio: "First Light", name: "Nora", email: "nora@mail.example", password: "battery staple horse" };
for (const [field, text] of Object.entries(me)) await page.fill(`#${field}`, text);
await page.click("[type=submit]");
await page.waitForURL("**/studio");
await page.waitForSelector("main:not([inert])");
await page.waitForSelector("#no-events:visible");
await checkedBothSchemes(page, "studio-empty");

// An event with uploaded photos.
await page.fill("#name", "Asha & Ben");
await page.selectOption("#legal-basis", "consent");
await page.click("#new-event [type=submit]");
await page.waitForURL("**/studio/events/*");
await page.waitForSelector("main:not([inert])");
const event = page.url().split("/").at(-1);
await page.setInputFiles("#files", params.photos);
await until("the upload", async () => /added/.test(await page.textContent("#upload-state")));
await until("the search for faces", async () => (await page.textContent("#index-state")).startsWith(`${params.photos.length} of ${params.photos.length} photos searched`));
await until("the photos", async () => (await page.$$("#photos img")).length === params.photos.length);
await checkedBothSchemes(page, "event");
await page.setInputFiles("#selfie", params.photos[0]);
await page.waitForSelector("#found img");

// A link for guests, its QR code, and the card to print.
await visit(page, `/studio/events/${event}/guests`);
await page.waitForSelector("#no-guests:visible");
await page.fill("#link-name", "At the entrance");
await page.click("#new-link [type=submit]");
await visible("#made");
await until("the QR code", () => page.$eval("#made-qr", (code) => code.complete && code.naturalWidth > 0));
const link = await page.getAttribute("#made-url", "href");
await checkedBothSchemes(page, "event-guests");
await page.emulateMedia({ media: "print" });
await page.waitForFunction(() => document.getElementById("card-qr").complete);
await page.screenshot({ path: `${params.pictures}/card-print.png` });
assert.equal(await page.isVisible("#links"), false, "only the card is printed");
assert.equal(await page.isVisible("#card-event"), true);
await page.pdf({ path: `${params.pictures}/card.pdf`, format: "A5" });
await page.emulateMedia({ media: null });
const guest = await newPage(browser);
assert.equal((await guest.goto(new URL(link).pathname)).status(), 200);
await page.click("#links button");
await page.click("#ask-yes");
await until("the link's end", async () => (await page.$$("#links li")).length === 0);
assert.equal((await guest.goto(new URL(link).pathname)).status(), 404);

// The studio corrects people.
await visit(page, `/studio/events/${event}/people`);
await page.waitForSelector("#people canvas");
await until("the faces", () => page.$eval("#people canvas", (face) => face.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0));
await pause(300);
await checkedBothSchemes(page, "event-people");
await page.click("#people button.face");
await page.waitForSelector("#found img");
await correct(page, visible);

// The studio previews, sets and resets the threshold offset.
await visit(page, `/studio/events/${event}/matching`);
await page.waitForSelector("#chart svg");
await checked(page, "event-matching");
assert.match(await page.textContent("#now"), /, the default for/);
await page.focus("#threshold-offset");
for (let step = 0; step < 20; step++) await page.keyboard.press("ArrowRight");
await until("the preview", async () => /instead of|the same/.test(await page.textContent("#would")));
assert.equal(await page.textContent("#threshold-offset-value"), "0.20");
await page.click("#table-box summary");
if (await page.isVisible("#gone"))
  await until("the faces", () => page.$eval("#dropped canvas", (face) => face.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0));
await checked(page, "event-matching-offset");
await page.click("#use");
await until("the saved offset", async () => (await page.textContent("#try .outcome")).startsWith("Saved"));
assert.match(await page.textContent("#now"), /0\.20 above the default/);
await page.click("#usual");
await until("the default offset", async () => /, the default for/.test(await page.textContent("#now")));
// The coverage report, and the photos that guests will not find.
await visit(page, `/studio/events/${event}/coverage`);
assert.match(await page.textContent("#sentence"), /^Guests will find about \d+ % of their photos\.$/);
assert.equal(await page.isVisible("[data-what]"), false, "empty lists have no button");
await visit(page, `/studio/events/${event}`);
await page.setInputFiles("#files", params.weak);
const every = params.photos.length + params.weak.length;
await until("the search for weak faces", async () => (await page.textContent("#index-state")).startsWith(`${every} of ${every} photos searched`));
await visit(page, `/studio/events/${event}/coverage`);
assert.match(await page.textContent("#small-count"), /^1 of \d+ faces/);
assert.match(await page.textContent("#without_face-count"), /^1 of \d+ photos/);
assert.equal(await page.textContent("#unreadable-count"), "None");
await page.focus("[data-what=small]");
await page.keyboard.press("Enter");
await page.waitForSelector("#list img");
assert.equal(await page.evaluate(() => document.activeElement.id), "listed-title", "the list has the keyboard focus");
assert.match(await page.textContent("#list"), /small\.jpg · 1 face/);
await until("the face", () => page.$eval("#list canvas", (face) => face.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0));
await until("the photo", () => page.$eval("#list img", (image) => image.complete && image.naturalWidth > 0));
await checked(page, "event-coverage");
await page.click("[data-what=without_face]");
await until("the photo without a face", async () => /landscape\.jpg/.test(await page.textContent("#list")));
assert.equal((await page.$$("#list li")).length, 1);
// A removed photo is not in the report any more.
const weakest = (await page.getAttribute("#list a", "href")).split("/").at(-2);
const gone = await page.evaluate(([event, photo]) => fetch(`/api/v1/events/${event}/photos/${photo}`, { method: "DELETE" }).then((answer) => answer.status), [event, weakest]);
assert.equal(gone, 200);
await visit(page, `/studio/events/${event}/coverage`);
assert.equal(await page.textContent("#without_face-count"), "None");

// Settings and folders.
await visit(page, `/studio/events/${event}/settings`);
await page.waitForSelector("#ends");
await page.selectOption("#downloads", "web");
await page.fill("#watermark", "First Light");
await page.click("#event [type=submit]");
await until("the settings", async () => (await page.textContent("#event .outcome")) === "Saved.");
await page.fill("#folder-name", "Ceremony");
await page.click("#new-folder [type=submit]");
await page.waitForSelector("#folders li");
await page.selectOption("#folders select", "original");
await until("the folder", async () => (await page.textContent("#folders [role=status]")) === "Saved.");
await checkedBothSchemes(page, "event-settings");

// An album behind a PIN.
await visit(page, `/studio/events/${event}/albums`);
await page.waitForSelector("#no-albums:visible");
await page.fill("#name", "For the family");
await page.fill("#view_pin", "482913");
await page.fill("#annotate_pin", "570264");
await page.click("#new-album [type=submit]");
await page.waitForSelector("#albums li");
await page.click("#albums button");
await page.fill("#albums .inside input", "Grandmother");
await page.click("#albums .inside [type=submit]");
await page.waitForSelector("#albums .inside a");
await checkedBothSchemes(page, "event-albums");
const album = new URL(await page.getAttribute("#albums .inside a", "href")).pathname;
const visitor = await newPage(browser);
await visitor.goto(album);
await checked(visitor, "album-door");
await visitor.fill("#pin", "000000");
await visitor.click("[type=submit]");
await visitor.waitForSelector("[role=alert]");
assert.equal(await visitor.$(".grid"), null, "nothing is shown before the PIN");
await visitor.fill("#pin", "482913");
await visitor.click("[type=submit]");
await visitor.waitForSelector(".grid img");
assert.equal((await visitor.$$(".grid img")).length, every - 1);
await checked(visitor, "album");
await visitor.click(".grid a");
await visitor.waitForSelector(".single img");
await checked(visitor, "album-photo");

// Changes of the album take effect at once, also in open sessions.
const change = async (text, work) => {
  await page.click(`#albums button:text-is("Edit")`);
  await visible("#edit");
  await work();
  await page.click("#edit-album [type=submit]");
  await page.waitForSelector("#edit:not([open])", { state: "attached" });
  await until(text, async () => (await page.textContent("#album-state")).includes("saved"));
};
const about = () => page.textContent("#albums li .hint");
await change("a cover, a limit and another name", async () => {
  await page.fill("#edit-name", "For all guests");
  await page.fill("#edit-downloads_max", "3");
  await page.click("#edit-cover summary");
  await until("the covers", async () => (await page.$$("#edit-covers li")).length === every);
  await until("the picture of a cover", () => page.$eval("#edit-covers img", (one) => one.complete && one.naturalWidth > 0));
  await checkedBothSchemes(page, "event-albums-edit");
  await page.click("#edit-covers li:last-child label");
});
assert.match(await about(), /3 downloads/);
assert.equal(await page.textContent("#albums li strong"), "For all guests");
const [{ id: albumId, cover }] = (await fetchApi(page, `/events/${event}/albums`)).items;
assert.ok(cover, "a cover is chosen");
await visitor.goto(album);
assert.equal(await visitor.textContent("h1"), "For all guests");
await change("another PIN", () => page.fill("#edit-view_pin", "918273"));
await visitor.goto(album);
await visitor.fill("#pin", "482913");
await visitor.click("[type=submit]");
await visitor.waitForSelector("[role=alert]");
await visitor.fill("#pin", "918273");
await visitor.click("[type=submit]");
await visitor.waitForSelector(".grid img");
await change("a folder alone", async () => {
  await page.uncheck("[name=edit-all]");
  await page.check("#edit-folders input");
});
await visitor.goto(album);
assert.equal((await visitor.$$(".grid img")).length, 0, "the folder has no photos");
await change("no PIN, no limit, all folders", async () => {
  await page.check("[name=edit-no-view_pin]");
  await page.check("[name=edit-all]");
  await page.fill("#edit-downloads_max", "");
});
assert.match(await about(), /no PIN/);
const changed = await fetchApi(page, `/events/${event}/albums/${albumId}`);
assert.deepEqual([changed.folders, changed.downloads_max, changed.cover, changed.view_pin, changed.annotate_pin], [undefined, undefined, cover, false, true]);
const stranger = await newPage(browser);
await stranger.goto(album);
if (await stranger.$("[type=submit]")) await stranger.click("[type=submit]");
await stranger.waitForSelector(".grid img");
await page.click(`#albums button:text-is("Edit")`);
await page.fill("#edit-annotate_pin", "12345");
await page.click("#edit-album [type=submit]");
assert.equal(await page.isVisible("#edit"), true, "an invalid PIN is rejected");
await page.click("#edit-cancel");
await change("the end", () => page.fill("#edit-ends", "2020-01-01"));
assert.notEqual((await stranger.goto(album)).status(), 200, "the album is closed for open sessions");
await change("a later end", () => page.fill("#edit-ends", "2099-01-01"));
await page.click(`#albums button:text-is("Delete")`);
await page.click("#ask-sure [value=no]");
assert.equal((await page.$$("#albums > li")).length, 1, "the deletion asks for confirmation");

// Members and records.
await visit(page, "/studio/members");
await page.waitForSelector("#members li");
await page.fill("#email", "ben@mail.example");
await page.click("#invite [type=submit]");
await page.waitForSelector("#invitations li");
await checkedBothSchemes(page, "members");
await visit(page, "/studio");
await page.waitForSelector("#events li");
await checkedBothSchemes(page, "studio");

// Removal of photos, and the purge of the event.
await visit(page, `/studio/events/${event}`);
await page.waitForSelector("#photos img");
await page.click("#photos li .choose");
await page.click("#remove");
await page.click("#ask-yes");
await page.waitForSelector("#photos-state a[download]");
await page.click("#delete");
await page.click("#ask-yes");
await page.waitForSelector("main > .outcome a[download]");
assert.equal(await page.$("#photos"), null, "the page shows nothing of the event any more");
await checkedBothSchemes(page, "event-purged");
assert.equal((await visitor.goto(album)).status(), 404);
await visit(page, "/studio/records");
await page.waitForSelector("#receipts li");
await page.waitForSelector("#audit tr");
await checkedBothSchemes(page, "records");
await close(browser);
