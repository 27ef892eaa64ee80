// A guest from the QR code to their photos and out again, everything that goes wrong on the way, and the way
// without a camera.

import { existsSync, readdirSync } from "node:fs";
import { REACTION_MS, challengeCamera } from "./challenge_camera.mjs";
import { Camera, assert, checked, close, mailed, open, pause, somebody, told, until, visit } from "./harness.mjs";

const { guest, other, flat, blank, two } = told.poses;
const AWAY = { turn_left: "turn_right", turn_right: "turn_left", turn_up: "turn_down", turn_down: "turn_up" };
const camera = new Camera(told.live);
camera.show(blank);
const browser = await open(told.live);

const { register, state, face, pose, welcome } = challengeCamera(camera);

// Begins until the first turn is one to a side: tilting shows that a picture is flat only there.
async function sideways(page, button, wanted = ["turn_left", "turn_right"]) {
  for (;;) {
    camera.show(guest.look_straight);
    await page.click(button);
    const guidance = await until("the first turn", async () => {
      const now = await state(page);
      assert.ok(!now.failed, `failed before the first turn: ${now.failed}`);
      return now.live && AWAY[now.guidance] && now.guidance;
    });
    if (wanted.includes(guidance)) {
      await page.screenshot({ path: `${told.pictures}/camera-turn-390.png` });
      return guidance;
    }
    await page.click("#stop");
    button = "#open";
  }
}

const photosOf = (page) => page.$$eval("#photos li:not(.out) img", (all) => all.map((one) => one.src.split("/").at(-2)).sort());

// The door, in both languages, and what stands behind links that open nothing.
{
  const page = await somebody(browser);
  await page.goto(told.link);
  await checked(page, "door");
  await page.click("#begin");
  await checked(page, "door-who");
  await page.fill("#name", "A");
  await page.fill("#contact", "nonsense");
  await page.click("#you [type=submit]");
  await page.click("#consent [type=submit]");
  await page.waitForSelector("#consent-bad:not(:empty)");
  await checked(page, "door-consent");
  await page.check("#agree");
  await page.check("#adult");
  await page.click("#consent [type=submit]");
  await page.waitForSelector("#you-bad:not(:empty)");
  for (const path of ["/g/ppq_nothing", "/g/ppq_nothing/ask"]) assert.equal((await page.goto(path)).status(), 404);
  await checked(page, "door-closed");
  assert.equal((await page.goto("/g")).status(), 401);
  await checked(page, "signed-out");
  const hindi = await somebody(browser, { locale: "hi-IN" });
  await hindi.goto(told.link);
  assert.equal(await hindi.getAttribute("html", "lang"), "hi");
  await checked(hindi, "door-hindi");
  const dark = await somebody(browser, { colorScheme: "dark" });
  await dark.goto(told.link);
  await checked(dark, "door-dark");
}

// Without a camera and without scripts: the studio is asked.
{
  const page = await somebody(browser, { javaScriptEnabled: false });
  await page.goto(told.link);
  await page.click(`a[href="${told.link}/ask"]`);
  await page.fill("#name", "Meera");
  await page.fill("#contact", "meera@mail.example");
  await page.fill("#message", "Blue dress, table 4");
  await page.check("#agree");
  await page.check("#adult");
  await page.click("[type=submit]");
  await page.waitForSelector("[role=status]");
  const seeing = await somebody(browser);
  await seeing.goto(`${told.link}/ask`);
  await checked(seeing, "ask");
}

// What is not a person in front of the camera, one after the other.
{
  const page = await somebody(browser);
  await register(page, "Mallory", "mallory@mail.example");
  await checked(page, "camera-ready");
  camera.show(blank);
  await page.click("#open");
  await page.waitForSelector("#live[data-guidance=no_face]");
  await checked(page, "camera-no-face");
  assert.equal(await face(page, () => null), "no_face");
  await checked(page, "camera-failed");

  camera.show(two);
  await page.click("#again");
  assert.equal(await face(page, () => null), "many_faces");

  let asked = await sideways(page, "#again");
  camera.show(flat[asked]);
  const why = await face(page, (guidance) => pose(flat, guidance));
  assert.ok(["flat", "attack", "wrong_turn"].includes(why), `a waved picture: ${why}`);

  // The other way, and as far as the head goes: only what is clear counts as wrong.
  const there = ["turn_left", "turn_right"].filter((turn) => !told.cannot.includes(AWAY[turn]));
  asked = await sideways(page, "#again", there);
  await pause(REACTION_MS);
  camera.show(guest[AWAY[asked]].slice(-1));
  assert.equal(await face(page, () => null), "wrong_turn");

  asked = await sideways(page, "#again");
  camera.show(other.look_straight);
  assert.equal(await face(page, () => null), "another_person");

  // Five times are enough for now.
  await page.click("#again");
  await page.waitForSelector("#failed[data-reason=wait]:visible");
  await checked(page, "camera-wait");
}

// The guest.
const page = await somebody(browser);
await register(page, "Asha", "asha@mail.example");
await welcome(page, guest);
await until("the photos", async () => (await page.$$("#photos li")).length === told.theirs.length);
assert.deepEqual(await photosOf(page), told.theirs);
const foreign = (id) => page.evaluate((id) => fetch(`/api/v1/guest/photos/${id}/web`).then((answer) => answer.status), id);
for (const id of told.others) assert.equal(await foreign(id), 404);
await until("the thumbnails", () => page.$$eval("#photos img", (all) => all.slice(0, 2).every((one) => one.complete && one.naturalWidth > 0)));
const weight = await page.evaluate(() => {
  const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return files.filter(({ name }) => !/\/(thumb|web|faces\/.*)$/.test(name)).reduce((sum, file) => sum + file.decodedBodySize, 0);
});
assert.ok(weight > 0 && weight <= 150 * 1024, `the page weighs ${weight}`);
console.log(`the page with the photos weighs ${weight} bytes before them`);
await checked(page, "photos");

// One photo, by keys; the page behind it is where it was.
await page.click("#photos li a");
await page.waitForSelector("#viewer[open]");
await until("the photo", () => page.$eval("#viewer-photo", (photo) => photo.complete && photo.naturalWidth > 0));
await checked(page, "photo");
const first = await page.textContent("#viewer-title");
await page.keyboard.press("ArrowRight");
assert.notEqual(await page.textContent("#viewer-title"), first);
const [taken] = await Promise.all([page.waitForEvent("download"), page.click("#viewer-take")]);
assert.match(taken.suggestedFilename(), /\.jpe?g$/);
await page.goBack();
await page.waitForSelector("#viewer:not([open])", { state: "attached" });

// Not me, and back again.
await page.click("#photos li:first-child .not-me");
await page.waitForSelector("#photos li.out");
assert.equal((await photosOf(page)).length, told.theirs.length - 1);
await checked(page, "photos-not-me");
await page.click("#photos .taken button");
await until("the photo's return", async () => (await photosOf(page)).length === told.theirs.length);
const [archive] = await Promise.all([page.waitForEvent("download"), page.click("#all")]);
assert.match(archive.suggestedFilename(), /\.zip$/);

// The studio adds a photo; the guest's page tells of it by itself.
const studio = await somebody(browser);
await visit(studio, "/sign-in");
await studio.fill("#email", told.email);
await studio.fill("#password", told.password);
await studio.click("[type=submit]");
await studio.waitForURL("**/studio");
await visit(studio, `/studio/events/${told.event}`);
await studio.setInputFiles("#files", told.more);
await page.waitForSelector("#news:visible");
assert.match(await page.textContent("#news-said"), /^1 new photo$/);
await until("the new photo", async () => (await photosOf(page)).length === told.theirs.length + 1);
await checked(page, "photos-new");

// Letters, and a group.
await page.click("#tell-on");
const letters = () => (existsSync(told.outbox) ? mailed(told.outbox, readdirSync(told.outbox).filter((name) => name.endsWith(".eml"))) : []);
const linked = (path) => until(`a letter with ${path}`, () => letters().map((text) => text.match(new RegExp(`${path}#[\\w-]+`))?.[0]).find(Boolean));
const confirm = await linked("/g/notify");
const letter = await somebody(browser);
await letter.goto(confirm);
await checked(letter, "letter-notify");
await letter.click("#use");
await letter.waitForSelector("#outcome:not(:empty)");
assert.equal(await letter.isHidden("#use"), true);
await page.click("details summary");
await page.click("#make");
await page.waitForSelector("#code-text:not(:empty)");
await page.click("#together");
await page.click("#mine");
await until("all of mine", async () => (await photosOf(page)).length === told.theirs.length + 1);

// The studio lets somebody in by hand, and sees who has come.
await visit(studio, `/studio/events/${told.event}/guests`);
await studio.waitForSelector("#requests li");
await studio.waitForSelector("#guests li");
await checked(studio, "studio-guests");
await studio.click("#requests button:first-child");
await studio.waitForSelector("#choose-faces canvas");
await pause(500);
await checked(studio, "studio-choose");
await studio.click("#choose-faces button");
await studio.waitForSelector("#request-state:not(:empty)");
assert.match(await studio.textContent("#request-state"), /gets an e-mail/);
const enter = await linked("/g/enter");
const meera = await somebody(browser);
await meera.goto(enter);
await checked(meera, "letter-enter");
await meera.click("#use");
await meera.waitForURL("**/g");
await meera.waitForSelector("#photos li");
// A letter's link works once.
const again = await somebody(browser);
await again.goto(enter);
await again.click("#use");
await again.waitForSelector("#outcome.bad:not(:empty)");

// Gone, with a receipt.
await page.click("#delete");
await page.waitForSelector("#sure[open]");
await checked(page, "delete");
await page.click("#sure [value=delete]");
await page.waitForSelector("#receipt:not(:empty)", { state: "attached" });
assert.ok(JSON.parse(await page.textContent("#receipt")));
await checked(page, "deleted");
assert.equal((await page.goto("/g")).status(), 401);

// Cameras that are not to be had.
const refusing = await open("refused");
const refused = await somebody(refusing);
await register(refused, "Ravi", "+91 98765 43210");
await refused.click("#open");
await refused.waitForSelector("#failed[data-reason=refused]:visible");
await checked(refused, "camera-refused");
const lacking = await open("none");
const absent = await somebody(lacking);
await register(absent, "Ravi", "+91 98765 43211");
await absent.click("#open");
await absent.waitForSelector("#failed[data-reason=absent]:visible");
await checked(absent, "camera-absent");

camera.close();
await close(browser, refusing, lacking);
