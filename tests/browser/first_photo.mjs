// How long after the last accepted frame a guest's first photo is on the screen, one guest after the other.
//
// The clock is the browser's: from the moment it sends the frame until a picture of the list was painted.

import { writeFileSync } from "node:fs";
import { challengeCamera } from "./challenge_camera.mjs";
import { Camera, assert, close, open, somebody, told, until } from "./harness.mjs";

const camera = new Camera(told.live);
const { register, welcome } = challengeCamera(camera);
const browser = await open(told.live);

// Runs in the page: notes when the first picture of the list has been painted.
function watch() {
  const seen = async (image) => {
    await image.decode();
    // The first frame after this one shows the picture; when the next begins, it was painted.
    requestAnimationFrame(() => requestAnimationFrame(() => (globalThis.firstPhotoAt ??= performance.timeOrigin + performance.now())));
  };
  new MutationObserver((_, self) => {
    const image = document.querySelector("#photos img");
    if (!image) return;
    self.disconnect();
    seen(image).catch(() => null);
  }).observe(document, { childList: true, subtree: true });
}

const runs = [];
for (let run = 0; run < told.runs; run++) {
  const page = await somebody(browser);
  await page.addInitScript(watch);
  const frames = [];
  page.on("requestfinished", (request) => request.url().endsWith("/frames") && frames.push(request.timing()));
  await register(page, "Guest", `guest${run}@mail.example`);
  await welcome(page, told.guest);
  const at = await until("the first photo", () => page.evaluate(() => globalThis.firstPhotoAt));
  const photos = await until("all photos", async () => {
    const all = await page.$$("#photos li");
    return all.length === told.photos && all.length;
  });
  assert.equal(photos, told.photos);
  const last = frames.at(-1);
  runs.push({ judged_ms: last.responseEnd, on_screen_ms: at - last.startTime });
  await page.context().close();
}
writeFileSync(told.figures, JSON.stringify(runs));
camera.close();
await close(browser);
