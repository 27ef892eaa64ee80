// The studio uploads photos, also as nested folders, lists them by folder, and moves and deletes many at once.

import { assert, checkedBothSchemes, close, fetchApi, newPage, open, params, pause, signIn, until, visit } from "./harness.mjs";

const browser = await open("none");
const page = await newPage(browser);
const at = `/events/${params.event}`;
const state = () => page.textContent("#upload-state");
const ended = (text) => until(`the upload's end: ${text}`, async () => (await state()).includes(text) && (await page.isHidden("#upload-bar")));
const photos = async (filter = "") => (await fetchApi(page, `${at}/photos?limit=500${filter}`)).items;
const folders = async () => Object.fromEntries((await fetchApi(page, `${at}/folders?limit=500`)).items.map(({ name, id }) => [name, id]));
const shown = () => page.$$eval("#photos > li", (all) => all.map((one) => one.dataset.photo));
const names = async (filter) => (await photos(filter)).map(({ name }) => name).sort();

await signIn(page);
await visit(page, `/studio${at}`);
await page.waitForSelector("#no-photos:visible");
await checkedBothSchemes(page, "photos-none");
// Indexing is not tested here.
await page.click("#pause");
await page.waitForSelector("#pause[data-action=resume]");

// With all eight tabs, missing ones added here, all are visible and large enough to tap on a phone.
await page.evaluate(() => {
  const tabs = document.querySelector(".tabs");
  for (const name of ["Coverage", "Matching"]) if (!tabs.textContent.includes(name)) tabs.append(Object.assign(tabs.lastElementChild.cloneNode(), { textContent: name, className: "more" }));
});
const tabs = await page.$$eval(".tabs a", (all) => all.map((one) => ({ current: one.ariaCurrent, ...one.getBoundingClientRect().toJSON() })));
assert.equal(tabs.length, 8);
for (const { left, right, height } of tabs) assert.ok(left >= 0 && right <= 390 && height >= 40, JSON.stringify(tabs));
assert.deepEqual(tabs.map(({ current }) => current).filter(Boolean), ["page"]);
await page.screenshot({ path: `${params.pictures}/tabs-390.png` });
await page.$$eval(".tabs .more", (all) => all.forEach((one) => one.remove()));

// A folder is created during the upload, and a photo is uploaded into it over a connection that breaks.
await page.selectOption("#into", "new");
await page.fill("#folder-name", "Portraits");
await page.click("#new-folder [type=submit]");
await page.waitForSelector("#new-folder", { state: "hidden" });
const portraits = (await folders()).Portraits;
assert.equal(await page.inputValue("#into"), portraits);
let broken = 0;
await page.route("**/uploads/*", (route) => (route.request().method() === "PATCH" && broken++ < 2 ? route.abort("connectionreset") : route.continue()));
await page.setInputFiles("#files", params.photos.slice(0, 1));
await ended("1 photo added");
assert.ok(broken > 2, "the request failed and was retried");
await page.unroute("**/uploads/*");
assert.equal((await photos(`&folder=${portraits}`)).length, 1);
await page.selectOption("#into", "new");
await page.fill("#folder-name", "Portraits");
await page.click("#new-folder [type=submit]");
await page.waitForSelector("#new-folder .outcome.bad:not(:empty)");
await page.selectOption("#into", "");

// Before it uploads a folder with subfolders, the page shows a question; Cancel uploads nothing.
await page.setInputFiles("#whole", params.tree);
await page.waitForSelector("#ask-folders[open]");
assert.deepEqual(await page.$$eval("#ask-folders-names li", (all) => all.map((one) => one.textContent).sort()), ["Ceremony", "Party / Dance"]);
await checkedBothSchemes(page, "photos-ask");
await page.click("#ask-folders button:text-is('Cancel')");
await ended("Nothing was added");
assert.deepEqual(Object.keys(await folders()), ["Portraits"]);
await page.setInputFiles("#whole", params.tree);
await page.click("#ask-folders-yes");
await ended("3 photos added");
assert.match(await state(), /1 other file skipped/);
const made = await folders();
assert.deepEqual(Object.keys(made).sort(), ["Ceremony", "Party / Dance", "Portraits"]);
assert.deepEqual(await names(`&folder=${made.Ceremony}`), ["c.jpg"]);
assert.deepEqual(await names(`&folder=${made["Party / Dance"]}`), ["d.jpg"]);
assert.deepEqual(await names("&unfiled=true"), ["loose.jpg"]);

// A folder is dropped onto the page, and all its photos are put into the selected folder.
const drop = async (files) => {
  const desk = await page.context().newCDPSession(page);
  const { x, y, width, height } = await (await page.$("#drop")).boundingBox();
  const spot = { x: x + width / 2, y: y + 20, data: { items: [], files, dragOperationsMask: 1 } };
  assert.ok(height > 40);
  for (const type of ["dragEnter", "dragOver", "drop"]) await desk.send("Input.dispatchDragEvent", { type, ...spot });
  await desk.detach();
};
await page.evaluate(() => scrollTo(0, 0));
await page.selectOption("#into", made.Ceremony);
await drop([params.dropped]);
await page.waitForSelector("#ask-folders[open]");
assert.deepEqual(await page.$$eval("#ask-folders-names li", (all) => all.map((one) => one.textContent)), ["Late"]);
assert.equal(await page.textContent("#ask-folders-one"), "Put all in “Ceremony”");
await page.click("#ask-folders-one");
await ended("1 photo added");
assert.deepEqual(await names(`&folder=${made.Ceremony}`), ["c.jpg", "l.jpg"]);
await page.selectOption("#into", "");

// Photos are listed by folder, selected with keyboard, mouse and as a range, and moved.
await until("all photos", async () => (await shown()).length === 5);
await page.selectOption("#shown", made.Ceremony);
await until("one folder", async () => (await shown()).length === 2);
await page.selectOption("#shown", "none");
await until("no folder", async () => (await shown()).length === 1);
await page.selectOption("#shown", "");
await until("all again", async () => (await shown()).length === 5);
await page.focus("#photos li:nth-child(2) input");
await page.keyboard.press("Space");
await page.click("#photos li:nth-child(4) .choose", { modifiers: ["Shift"] });
assert.equal(await page.textContent("#chosen-count"), "3 photos selected");
await until("the thumbnails", () => page.$$eval("#photos img", (all) => all.every((one) => one.complete && one.naturalWidth > 0)));
await checkedBothSchemes(page, "photos-selected");
await page.click("#move");
await page.waitForSelector("#photos-state.bad");
await page.selectOption("#move-to", portraits);
await page.click("#move");
await until("the move", async () => (await page.textContent("#photos-state")).startsWith("3 photos moved to Portraits"));
assert.ok((await photos(`&folder=${portraits}`)).length >= 3);
assert.equal(await page.isHidden("#chosen"), true);

// Photos are deleted after a confirmation.
const [first, second] = await shown();
await page.click("#photos li:nth-child(1) .choose");
await page.click("#photos li:nth-child(2) .choose");
await page.click("#remove");
await page.click("#ask-sure [value=no]");
assert.equal((await photos()).length, 5);
await page.click("#remove");
await page.click("#ask-yes");
await until("the deletion", async () => (await page.textContent("#photos-state")).startsWith("2 photos deleted"));
await until("the list", async () => (await shown()).length === 3);
assert.ok(!(await photos()).some(({ id }) => [first, second].includes(id)));
assert.equal(await page.evaluate(() => document.activeElement.id), "photos-title");

// Hundreds of photos at once: at most three concurrent requests, and the page stays responsive.
await page.evaluate(() => {
  const [send, under] = [fetch, new Set()];
  globalThis.most = 0;
  globalThis.fetch = (address, options) => {
    const answer = send(address, options);
    if (/\/uploads/.test(address)) {
      most = Math.max(most, under.add(answer).size);
      answer.catch(() => null).then(() => under.delete(answer));
    }
    return answer;
  };
  globalThis.gap = 0;
  let before = performance.now();
  globalThis.probe = setInterval(() => {
    const at = performance.now();
    gap = Math.max(gap, at - before - 10);
    before = at;
  }, 10);
});
const loose = (await photos("&unfiled=true")).length;
const begun = Date.now();
await page.setInputFiles("#whole", params.many);
await page.click("#ask-folders-one");
await page.waitForSelector("#upload-stop:visible");
await page.selectOption("#shown", portraits);
await until("the list during the upload", async () => (await shown()).length > 0 && (await shown()).length <= 5);
await page.selectOption("#shown", "");
await ended(`${params.count} photos added`);
const { gap, most } = await page.evaluate(() => (clearInterval(probe), { gap, most }));
console.log(`${params.count} photos in ${Date.now() - begun} ms, at most ${most} requests at once; the page was busy for ${Math.round(gap)} ms at most`);
assert.ok(most > 1 && most <= 3, `${most} requests at once`);
assert.equal((await photos("&unfiled=true")).length, loose + params.count);
await until("a page of the list", async () => (await shown()).length >= 60);
await page.setInputFiles("#whole", params.many);
await page.click("#ask-folders-one");
await ended(`${params.count} duplicates skipped`);
// The studio selects all photos of the list, also those not displayed, and deletes them in several requests.
await page.selectOption("#shown", "none");
await until("no folder", async () => (await shown()).length === 60);
await page.click("#select-all");
await until("all of them", async () => Number((await page.textContent("#chosen-count")).split(" ")[0]) >= params.count);
await page.click("#remove");
await page.click("#ask-yes");
await until("the deletion", async () => /photos deleted/.test(await page.textContent("#photos-state")));
await until("the empty list", () => page.isVisible("#no-photos"));
assert.equal((await photos("&unfiled=true")).length, 0);
// If the studio stops the upload, files in progress are finished and no other file is sent.
await page.route("**/uploads", async (route) => (await pause(30), route.continue()));
await page.setInputFiles("#whole", params.many);
await page.click("#ask-folders-one");
await page.click("#upload-stop");
await ended("stopped, ");
const some = (await photos("&unfiled=true")).length;
assert.ok(some < params.count, `${some} came in`);
await checkedBothSchemes(page, "photos-many");

// With too many subfolders, no folders are created.
await page.setInputFiles("#whole", params.deep);
await page.waitForSelector("#ask-folders[open]");
assert.equal(await page.isHidden("#ask-folders-yes"), true);
await page.click("#ask-folders button:text-is('Cancel')");
await close(browser);
