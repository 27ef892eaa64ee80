// Measures the time from the last accepted frame to the first photo on the screen, for one guest after the
// other.
//
// The clock is the browser's: it starts when the browser sends the frame and stops when a photo of the list
// is painted.

import { writeFileSync } from "node:fs";
import { challengeCamera } from "./challenge_camera.mjs";
import { Camera, assert, close, newPage, open, params, until } from "./harness.mjs";

const camera = new Camera(params.live);
const { register, welcome } = challengeCamera(camera);
const browser = await open(params.live);

// Runs in the page: records when the first photo of the list is painted.
function watch() {
  const seen = async (image) => {
    await image.decode();
    // The next animation frame paints the photo; when the one after it begins, the photo is on the screen.
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
for (let run = 0; run < params.runs; run++) {
  const page = await newPage(browser);
  await page.addInitScript(watch);
  const frames = [];
  page.on("requestfinished", (request) => request.url().endsWith("/frames") && frames.push(request.timing()));
  await register(page, "Guest", `guest${run}@mail.example`);
  await welcome(page, params.guest);
  const at = await until("the first photo", () => page.evaluate(() => globalThis.firstPhotoAt));
  const photos = await until("all photos", async () => {
    const all = await page.$$("#photos li");
    return all.length === params.photos && all.length;
  });
  assert.equal(photos, params.photos);
  const last = frames.at(-1);
  runs.push({ judged_ms: last.responseEnd, on_screen_ms: at - last.startTime });
  await page.context().close();
}
writeFileSync(params.figures, JSON.stringify(runs));
camera.close();
await close(browser);
