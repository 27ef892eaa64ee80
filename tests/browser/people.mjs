// The studio corrects people: split, merge, hide, undo; partly with the keyboard only.

import { assert, checked, pause, until } from "./harness.mjs";

const sizes = (page) => page.$$eval("#people button.face", (all) => all.map((one) => one.getAttribute("aria-label")));
const waitForOutcome = (page, text) => until(text, async () => (await page.textContent("#told")).includes(text));
const drawn = (page, list) =>
  until("the faces", () => page.$$eval(`${list} canvas`, (all) => all.length && all.every((one) => one.getContext("2d").getImageData(80, 80, 1, 1).data[3] > 0)));
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.face);

async function undone(page, before) {
  await page.focus("#undo");
  await page.keyboard.press("Enter");
  await waitForOutcome(page, "Undone.");
  assert.deepEqual(await sizes(page), before);
  assert.equal(await page.isVisible("#undo"), false, "a correction is undone once");
  assert.equal(await focused(page), "people-title");
}

// Corrects people on the page of people. The first person, who has two faces, must be open.
export async function correct(page, visible) {
  const before = await sizes(page);
  await visible("#their-faces input");
  assert.equal(await page.isDisabled("#split"), true, "nothing is ticked");
  assert.equal(await focused(page), "theirs-title");
  await drawn(page, "#their-faces");
  await checked(page, "person");

  // A face is moved to another person, with the keyboard.
  await page.focus("#their-faces input");
  await page.keyboard.press("Space");
  await page.focus("#split");
  await page.keyboard.press("Enter");
  await waitForOutcome(page, "1 face moved to another person.");
  const after = await sizes(page);
  assert.equal(after.length, before.length + 1);
  assert.equal((await page.$$("#their-faces li")).length, 1, "the person stays open");
  await checked(page, "person-split");
  await undone(page, before);

  // Two people who are not together in a photo are merged.
  const boxes = await page.$$("#people input");
  for (const box of boxes.slice(0, 2)) await box.check();
  await page.click("#merge");
  await waitForOutcome(page, "2 people merged.");
  const merged = await sizes(page);
  assert.equal(merged.length, before.length - 1);
  assert.equal(await focused(page), await page.getAttribute("#people button.face", "data-face"), "the merged person");
  await pause(300);
  await checked(page, "people-merged");
  await page.reload();
  await visible("#people button.face");
  assert.deepEqual(await sizes(page), merged, "the merge survives a reload");
  await page.click("#people button.face");
  await visible("#their-faces input");
  await page.check("#their-faces input");
  await page.click("#split");
  await waitForOutcome(page, "moved to another person.");

  // A person is hidden, and shown again.
  const all = await sizes(page);
  await page.click("#people button.face");
  await visible("#their-faces input");
  await page.click("#hide");
  await waitForOutcome(page, "Person hidden.");
  assert.equal((await sizes(page)).length, all.length - 1);
  await page.check("#show-hidden");
  await until("the hidden people", async () => (await sizes(page)).length === all.length);
  assert.ok((await sizes(page)).at(-1).includes("hidden"));
  await drawn(page, "#people");
  await checked(page, "people-left-out");
  await page.click("#undo");
  await waitForOutcome(page, "Undone.");
  assert.deepEqual(await sizes(page), all);
  assert.equal(await page.isVisible("#hidden-choice"), false);

  // A merge of two people who are together in a photo asks for confirmation.
  const pair = await page.evaluate(async () => {
    const { people } = await (await fetch(location.pathname.replace("/studio", "/api/v1"))).json();
    const photos = people.map(({ photo }) => photo);
    const second = photos.findIndex((photo, at) => photos.indexOf(photo) < at);
    return second < 0 ? null : [photos.indexOf(photos[second]), second];
  });
  assert.ok(pair, "a photo of several people");
  const ask = async (answer) => {
    const boxes = await page.$$("#people input");
    for (const at of pair) await boxes[at].setChecked(true);
    await page.click("#merge");
    await visible("#ask-sure");
    if (answer === "no") await checked(page, "people-together");
    await page.click(`#ask-sure [value=${answer}]`);
  };
  await ask("no");
  assert.deepEqual(await sizes(page), all, "nothing changes without confirmation");
  await ask("yes");
  await waitForOutcome(page, "2 people merged.");
  await page.click("#undo");
  await waitForOutcome(page, "Undone.");
  assert.deepEqual(await sizes(page), all);
}
