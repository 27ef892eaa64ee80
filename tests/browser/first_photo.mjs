// Measures the times until the first photo is on the screen, for one guest after the other: from the last
// accepted frame, and from the guest's link.
//
// The clock is the browser's. It starts when the browser sends the frame, or opens the link, and stops when a
// photo of the list is painted. A guest who must enter a code reads it `params.mail_ms` after the registration,
// as if the e-mail had taken so long. A guest who does not get to the photos is counted with the reason.

import { writeFileSync } from "node:fs";
import { challengeCamera } from "./challenge_camera.mjs";
import { Camera, close, mailedCode, newPage, open, params, pause, until } from "./harness.mjs";

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

// Number of challenges that a guest tries. The page offers another try after a failure.
const TRIES_MAX = 3;
const runs = [];
for (const [run, guest] of params.guests.entries()) {
  const page = await newPage(browser);
  await page.addInitScript(watch);
  const frames = [];
  page.on("requestfinished", (request) => request.url().endsWith("/frames") && frames.push(request.timing()));
  const contact = `guest${run}@mail.example`;
  const failures = [];
  const opened = Date.now();
  try {
    await register(page, "Guest", contact);
    const registered = Date.now();
    if ((await welcome(page, guest.poses, TRIES_MAX, failures)) === "code") {
      const code = await mailedCode(contact);
      await pause(Math.max(0, registered + params.mail_ms - Date.now()));
      await page.fill("#code", code);
      await page.click("#code-step [type=submit]");
    }
    const at = await until("the first photo", () => page.evaluate(() => globalThis.firstPhotoAt).catch(() => null));
    await until("all photos", async () => (await page.$$("#photos li")).length === guest.photos);
    const last = frames.at(-1);
    runs.push({ judged_ms: last.responseEnd, on_screen_ms: at - last.startTime, from_link_ms: at - opened, failures });
  } catch (problem) {
    runs.push({ failed: String(problem.message ?? problem).slice(0, 200) });
  }
  await page.context().close();
}
writeFileSync(params.figures, JSON.stringify(runs));
camera.close();
await close(browser);
