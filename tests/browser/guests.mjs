// Tests the pages of guests: from the link in the QR code to the photos and the erasure, the failures of the
// challenge, and access without a camera.

import { REACTION_MS, challengeCamera } from "./challenge_camera.mjs";
import { Camera, assert, checked, close, mailedCode, mailedLink, newPage, open, params, pause, until, visit } from "./harness.mjs";

const { guest, other, flat, blank, two } = params.poses;
const AWAY = { turn_left: "turn_right", turn_right: "turn_left", turn_up: "turn_down", turn_down: "turn_up" };
const camera = new Camera(params.live);
camera.show(blank);
const browser = await open(params.live);

const { register, state, face, pose, welcome } = challengeCamera(camera);

// Begins challenges until the first turn is one of `wanted`. A tilted picture is detected as flat only in a
// turn to the side.
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
      await page.screenshot({ path: `${params.pictures}/camera-turn-390.png` });
      return guidance;
    }
    await page.click("#stop");
    button = "#open";
  }
}

// The light of the screen in the last challenge; empty without one.
const lightOf = (page) => page.$eval("#live", (live) => live.style.getPropertyValue("--light"));
const photosOf = (page) => page.$$eval("#photos li:not(.out) img", (all) => all.map((one) => one.src.split("/").at(-2)).sort());

// The entry page in both languages, and the page of invalid links.
{
  const page = await newPage(browser);
  await page.goto(params.link);
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
  const hindi = await newPage(browser, { locale: "hi-IN" });
  await hindi.goto(params.link);
  assert.equal(await hindi.getAttribute("html", "lang"), "hi");
  await checked(hindi, "door-hindi");
  const dark = await newPage(browser, { colorScheme: "dark" });
  await dark.goto(params.link);
  await checked(dark, "door-dark");
}

// A guest without a camera and without scripts sends a request to the studio.
{
  const page = await newPage(browser, { javaScriptEnabled: false });
  await page.goto(params.link);
  await page.click(`a[href="${params.link}/ask"]`);
  await page.fill("#name", "Meera");
  await page.fill("#contact", "meera@mail.example");
  await page.fill("#message", "Blue dress, table 4");
  await page.check("#agree");
  await page.check("#adult");
  await page.click("[type=submit]");
  await page.waitForSelector("[role=status]");
  const seeing = await newPage(browser);
  await seeing.goto(`${params.link}/ask`);
  await checked(seeing, "ask");
}

// Presentation attacks and other failures, one after the other.
{
  const page = await newPage(browser);
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

  let turn = await sideways(page, "#again");
  camera.show(flat[turn]);
  const why = await face(page, (guidance) => pose(flat, guidance));
  assert.ok(["flat", "attack", "wrong_turn"].includes(why), `a tilted picture: ${why}`);

  // The head turns to the wrong side by the largest angle, because a small turn does not count as wrong.
  const there = ["turn_left", "turn_right"].filter((turn) => guest[AWAY[turn]]);
  turn = await sideways(page, "#again", there);
  await pause(REACTION_MS);
  camera.show(guest[AWAY[turn]].slice(-1));
  assert.equal(await face(page, () => null), "wrong_turn");

  turn = await sideways(page, "#again");
  camera.show(other.look_straight);
  assert.equal(await face(page, () => null), "another_person");

  // Five failures delay the next challenge. On a slow machine the quota has refilled since the first one.
  camera.show(two);
  let reason = "";
  for (let failures = 5; reason !== "wait"; failures++) {
    assert.ok(failures < 20, "failures delay the next challenge");
    await page.click("#again");
    reason = await face(page, () => null);
  }
  await checked(page, "camera-wait");
}

// A guest who passes the challenge.
const page = await newPage(browser);
await register(page, "Asha", "asha@mail.example");
assert.equal(await welcome(page, guest), "passed");
await until("the photos", async () => (await page.$$("#photos li")).length === params.theirs.length);
assert.deepEqual(await photosOf(page), params.theirs);
const foreignOn = (page, id) => page.evaluate((id) => fetch(`/api/v1/guest/photos/${id}/web`).then((answer) => answer.status), id);
const foreign = (id) => foreignOn(page, id);
for (const id of params.others) assert.equal(await foreign(id), 404);
await until("the thumbnails", () => page.$$eval("#photos img", (all) => all.slice(0, 2).every((one) => one.complete && one.naturalWidth > 0)));
const weight = await page.evaluate(() => {
  const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return files.filter(({ name }) => !/\/(thumb|web|faces\/.*)$/.test(name)).reduce((sum, file) => sum + file.decodedBodySize, 0);
});
assert.ok(weight > 0 && weight <= 150 * 1024, `the page without photos has ${weight} bytes`);
console.log(`the page of photos has ${weight} bytes without the photos`);
await checked(page, "photos");

// The guest uses the photo viewer with the keyboard; going back closes the viewer.
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

// The guest rejects a photo as "not me", and withdraws the rejection.
await page.click("#photos li:first-child .not-me");
await page.waitForSelector("#photos li.out");
assert.equal((await photosOf(page)).length, params.theirs.length - 1);
await checked(page, "photos-not-me");
await page.click("#photos .taken button");
await until("the photo's return", async () => (await photosOf(page)).length === params.theirs.length);
const [archive] = await Promise.all([page.waitForEvent("download"), page.click("#all")]);
assert.match(archive.suggestedFilename(), /\.zip$/);

// The studio adds a photo; the guest's page announces it without a reload.
const studio = await newPage(browser);
await visit(studio, "/sign-in");
await studio.fill("#email", params.email);
await studio.fill("#password", params.password);
await studio.click("[type=submit]");
await studio.waitForURL("**/studio");
await visit(studio, `/studio/events/${params.event}`);
await studio.setInputFiles("#files", params.more);
await page.waitForSelector("#news:visible");
assert.match(await page.textContent("#news-said"), /^1 new photo$/);
await until("the new photo", async () => (await photosOf(page)).length === params.theirs.length + 1);
await checked(page, "photos-new");

// The guest turns on e-mail notifications and creates a group.
await page.click("#tell-on");
const confirm = await mailedLink("/g/notify");
const letter = await newPage(browser);
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
await until("all of mine", async () => (await photosOf(page)).length === params.theirs.length + 1);

// The studio admits a guest without a camera, and sees the list of guests.
await visit(studio, `/studio/events/${params.event}/guests`);
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
const enter = await mailedLink("/g/enter");
const meera = await newPage(browser);
await meera.goto(enter);
await checked(meera, "letter-enter");
await meera.click("#use");
await meera.waitForURL("**/g");
await meera.waitForSelector("#photos li");
// The link in the e-mail works once.
const again = await newPage(browser);
await again.goto(enter);
await again.click("#use");
await again.waitForSelector("#outcome.bad:not(:empty)");

// The studio asks for a code. The guest enters it after the head turns.
await visit(studio, `/studio/events/${params.event}/settings`);
await checked(studio, "studio-settings-proof");
await studio.selectOption("#guest-proof", "contact_code");
await studio.click("#event [type=submit]");
await studio.waitForSelector("#event .outcome:not(:empty)");
// The open page of a guest who has not proved the address asks for it; this guest has confirmed it by a link.
await page.reload();
await until("the photos", async () => (await photosOf(page)).length > 0);
{
  const page = await newPage(browser, { reducedMotion: "reduce" });
  await page.goto(params.link);
  await checked(page, "door-with-code");
  await page.click("#begin");
  await checked(page, "door-who-with-code");
  await register(page, "Asha", "code@mail.example");
  assert.equal(await welcome(page, guest), "code");
  await checked(page, "code");
  assert.equal(await lightOf(page), "");
  assert.equal(await foreignOn(page, params.theirs[0]), 403);
  await page.fill("#code", "12");
  await page.click("#code-step [type=submit]");
  await page.waitForSelector("#code-bad:not(:empty)");
  await checked(page, "code-wrong");
  // A reload in between keeps the place.
  await page.reload();
  await page.waitForSelector("#code-step:visible");
  await page.fill("#code", await mailedCode("code@mail.example"));
  await page.click("#code-step [type=submit]");
  await page.waitForURL("**/g");
  await until("the photos", async () => (await photosOf(page)).length > 0);
}

// The studio keeps a guest list. A guest who is not on it sees the same pages, and no e-mail comes.
await studio.selectOption("#guest-proof", "guest_list");
await studio.click("#event [type=submit]");
await until("the change", () => studio.textContent("#event .outcome").then((text) => text === "Saved."));
await visit(studio, `/studio/events/${params.event}/guests`);
await studio.click("#list-card summary");
await studio.fill("#listed", "listed@mail.example, second@mail.example");
await studio.click("#new-listed [type=submit]");
await studio.waitForSelector("#listed-contacts li");
await checked(studio, "studio-guest-list");
{
  const page = await newPage(browser);
  await register(page, "Zoe", "unlisted@mail.example");
  // The event remembers frames: pictures of the same head again and again would be a replay.
  assert.equal(await welcome(page, other), "code");
  assert.match(await lightOf(page), /^#[0-9a-f]{6}$/);
  await page.click("#code-again");
  await page.waitForSelector("#code-said:not(:empty)");
  await checked(page, "code-again");
}

// The guest erases their data and gets a receipt.
await page.click("#delete");
await page.waitForSelector("#sure[open]");
await checked(page, "delete");
assert.ok(await page.isDisabled("#keep-out"), "only with the deletion of the faces");
await page.check("#with-faces");
await page.check("#keep-out");
await page.uncheck("#with-faces");
assert.ok(!(await page.isChecked("#keep-out")));
await page.check("#with-faces");
await page.check("#keep-out");
const erasure = page.waitForRequest((request) => request.method() === "DELETE");
await page.click("#sure [value=delete]");
assert.ok((await erasure).url().endsWith("/guest?faces=true&opt_out=true"));
await page.waitForSelector("#receipt:not(:empty)", { state: "attached" });
assert.ok(JSON.parse(await page.textContent("#receipt")));
assert.ok(await page.isVisible("#gone-kept-out"));
assert.ok(!(await page.isVisible("#gone-all")));
await checked(page, "deleted");
assert.equal((await page.goto("/g")).status(), 401);

// A camera without permission, and no camera.
const refusing = await open("refused");
const refused = await newPage(refusing);
await register(refused, "Ravi", "ravi@mail.example");
await refused.click("#open");
await refused.waitForSelector("#failed[data-reason=refused]:visible");
await checked(refused, "camera-refused");
const lacking = await open("none");
const absent = await newPage(lacking);
await register(absent, "Ravi", "ravi2@mail.example");
await absent.click("#open");
await absent.waitForSelector("#failed[data-reason=absent]:visible");
await checked(absent, "camera-absent");

camera.close();
await close(browser, refusing, lacking);
