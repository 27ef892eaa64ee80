// A studio from its first account to a purge with its receipt, and an album that it shares.

import { correct } from "./people.mjs";
import { asked, assert, checked, close, looked, open, pause, somebody, told, until, visit } from "./harness.mjs";

const browser = await open("none");
const page = await somebody(browser);
const visible = (selector) => page.waitForSelector(`${selector}:visible`);

for (const [path, name] of [["/invitation", "invitation"], ["/reset", "reset"], ["/email", "email"], ["/sign-in", "sign-in"]]) {
  await visit(page, path);
  await looked(page, name);
}
await visit(page, `/setup#${told.setup}`);
await looked(page, "setup");
const me = { studio: "First Light", name: "Nora", email: "nora@mail.example", password: "battery staple horse" };
for (const [field, text] of Object.entries(me)) await page.fill(`#${field}`, text);
await page.click("[type=submit]");
await page.waitForURL("**/studio");
await page.waitForSelector("main:not([inert])");
await page.waitForSelector("#no-events:visible");
await looked(page, "studio-empty");

// An event, with photos that are dropped on it.
await page.fill("#name", "Asha & Ben");
await page.click("#new-event [type=submit]");
await page.waitForURL("**/studio/events/*");
await page.waitForSelector("main:not([inert])");
const event = page.url().split("/").at(-1);
await page.setInputFiles("#files", told.photos);
await until("the upload", async () => /added/.test(await page.textContent("#upload-state")));
await until("the search for faces", async () => (await page.textContent("#index-state")).startsWith(`${told.photos.length} of ${told.photos.length} photos searched`));
await until("the photos", async () => (await page.$$("#photos img")).length === told.photos.length);
await looked(page, "event");
await page.setInputFiles("#selfie", told.photos[0]);
await page.waitForSelector("#found img");

// A link for guests, its code, and the card to print.
await visit(page, `/studio/events/${event}/guests`);
await page.waitForSelector("#no-guests:visible");
await page.fill("#link-name", "At the entrance");
await page.click("#new-link [type=submit]");
await visible("#made");
await until("the code", () => page.$eval("#made-qr", (code) => code.complete && code.naturalWidth > 0));
const link = await page.getAttribute("#made-url", "href");
await looked(page, "event-guests");
await page.emulateMedia({ media: "print" });
await page.waitForFunction(() => document.getElementById("card-qr").complete);
await page.screenshot({ path: `${told.pictures}/card-print.png` });
assert.equal(await page.isVisible("#links"), false, "the card is printed alone");
assert.equal(await page.isVisible("#card-event"), true);
await page.pdf({ path: `${told.pictures}/card.pdf`, format: "A5" });
await page.emulateMedia({ media: null });
const guest = await somebody(browser);
assert.equal((await guest.goto(new URL(link).pathname)).status(), 200);
await page.click("#links button");
await page.click("#ask-yes");
await until("the link's end", async () => (await page.$$("#links li")).length === 0);
assert.equal((await guest.goto(new URL(link).pathname)).status(), 404);

// People.
await visit(page, `/studio/events/${event}/people`);
await page.waitForSelector("#people canvas");
await until("the faces", () => page.$eval("#people canvas", (face) => face.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0));
await pause(300);
await looked(page, "event-people");
await page.click("#people button.face");
await page.waitForSelector("#found img");
await correct(page, visible);

// How strictly faces are matched: tried, chosen, given back.
await visit(page, `/studio/events/${event}/matching`);
await page.waitForSelector("#chart svg");
await checked(page, "event-matching");
assert.match(await page.textContent("#now"), /, the default for/);
await page.focus("#stricter");
for (let step = 0; step < 20; step++) await page.keyboard.press("ArrowRight");
await until("the preview", async () => /instead of|the same/.test(await page.textContent("#would")));
assert.equal(await page.textContent("#stricter-says"), "0.20");
await page.click("#table-box summary");
if (await page.isVisible("#gone"))
  await until("the faces", () => page.$eval("#dropped canvas", (face) => face.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0));
await checked(page, "event-matching-stricter");
await page.click("#use");
await until("the choice", async () => (await page.textContent("#try .outcome")).startsWith("Saved"));
assert.match(await page.textContent("#now"), /0\.20 above the default/);
await page.click("#usual");
await until("the usual", async () => /, the default for/.test(await page.textContent("#now")));
// What guests will find, and the photos that they will not.
await visit(page, `/studio/events/${event}/coverage`);
assert.match(await page.textContent("#sentence"), /^Guests will find about \d+ % of their photos\.$/);
assert.equal(await page.isVisible("[data-what]"), false, "what there is none of is not offered");
await visit(page, `/studio/events/${event}`);
await page.setInputFiles("#files", told.weak);
const every = told.photos.length + told.weak.length;
await until("the search for weak faces", async () => (await page.textContent("#index-state")).startsWith(`${every} of ${every} photos searched`));
await visit(page, `/studio/events/${event}/coverage`);
assert.match(await page.textContent("#small-count"), /^1 of \d+ faces/);
assert.match(await page.textContent("#without_face-count"), /^1 of \d+ photos/);
assert.equal(await page.textContent("#unread-count"), "None");
await page.focus("[data-what=small]");
await page.keyboard.press("Enter");
await page.waitForSelector("#list img");
assert.equal(await page.evaluate(() => document.activeElement.id), "listed-title", "the list is where the keyboard is");
assert.match(await page.textContent("#list"), /small\.jpg · 1 face/);
await until("the face", () => page.$eval("#list canvas", (face) => face.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0));
await until("the photo", () => page.$eval("#list img", (image) => image.complete && image.naturalWidth > 0));
await checked(page, "event-coverage");
await page.click("[data-what=without_face]");
await until("the photo without a face", async () => /landscape\.jpg/.test(await page.textContent("#list")));
assert.equal((await page.$$("#list li")).length, 1);
// Gone from the event, gone from what is told of it.
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
await looked(page, "event-settings");

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
await looked(page, "event-albums");
const album = new URL(await page.getAttribute("#albums .inside a", "href")).pathname;
const visitor = await somebody(browser);
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

// The album is changed, for those inside at once.
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
  await page.fill("#edit-name", "For everybody");
  await page.fill("#edit-downloads_max", "3");
  await page.click("#edit-cover summary");
  await until("the covers", async () => (await page.$$("#edit-covers li")).length === every);
  await until("a picture of one", () => page.$eval("#edit-covers img", (one) => one.complete && one.naturalWidth > 0));
  await looked(page, "event-albums-edit");
  await page.click("#edit-covers li:last-child label");
});
assert.match(await about(), /3 downloads/);
assert.equal(await page.textContent("#albums li strong"), "For everybody");
const [{ id: albumId, cover }] = (await asked(page, `/events/${event}/albums`)).items;
assert.ok(cover, "a cover is chosen");
await visitor.goto(album);
assert.equal(await visitor.textContent("h1"), "For everybody");
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
const changed = await asked(page, `/events/${event}/albums/${albumId}`);
assert.deepEqual([changed.folders, changed.downloads_max, changed.cover, changed.view_pin, changed.annotate_pin], [undefined, undefined, cover, false, true]);
const stranger = await somebody(browser);
await stranger.goto(album);
if (await stranger.$("[type=submit]")) await stranger.click("[type=submit]");
await stranger.waitForSelector(".grid img");
await page.click(`#albums button:text-is("Edit")`);
await page.fill("#edit-annotate_pin", "12345");
await page.click("#edit-album [type=submit]");
assert.equal(await page.isVisible("#edit"), true, "a PIN that is none is not taken");
await page.click("#edit-cancel");
await change("the end", () => page.fill("#edit-ends", "2020-01-01"));
assert.notEqual((await stranger.goto(album)).status(), 200, "it is closed for those inside");
await change("a later end", () => page.fill("#edit-ends", "2099-01-01"));
await page.click(`#albums button:text-is("Delete")`);
await page.click("#ask-sure [value=no]");
assert.equal((await page.$$("#albums > li")).length, 1, "it is asked first");

// Members and records.
await visit(page, "/studio/members");
await page.waitForSelector("#members li");
await page.fill("#email", "ben@mail.example");
await page.click("#invite [type=submit]");
await page.waitForSelector("#invitations li");
await looked(page, "members");
await visit(page, "/studio");
await page.waitForSelector("#events li");
await looked(page, "studio");

// The end.
await visit(page, `/studio/events/${event}`);
await page.waitForSelector("#photos img");
await page.click("#photos li .choose");
await page.click("#remove");
await page.click("#ask-yes");
await page.waitForSelector("#photos-state a[download]");
await page.click("#delete");
await page.click("#ask-yes");
await page.waitForSelector("main > .outcome a[download]");
assert.equal(await page.$("#photos"), null, "nothing of the event stays on the screen");
await looked(page, "event-purged");
assert.equal((await visitor.goto(album)).status(), 404);
await visit(page, "/studio/records");
await page.waitForSelector("#receipts li");
await page.waitForSelector("#audit tr");
await looked(page, "records");
await close(browser);
