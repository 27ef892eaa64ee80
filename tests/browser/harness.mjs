// What the scripts share: the browser, people in it, pages that are looked at from all sides, and a camera.
//
// The camera is Chromium's own fake device, which plays a file over and over and reads each picture from it when
// it is due. `Camera` writes that file anew all the time: what it shows follows what the page asks for, and the
// page itself is served nothing but a camera.

import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export const told = JSON.parse(readFileSync(process.argv[2], "utf8"));
const require = createRequire(join(told.modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export { assert };

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const trouble = [];
let people = 0;

// A page of the studio, once its script listens.
export async function visit(page, path) {
  await page.goto(path);
  await page.waitForSelector("main:not([inert])");
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// `camera`: the file that the camera plays; without one there is a device nobody has allowed, with `none` no device.
export const open = (camera) =>
  chromium.launch({
    executablePath: told.chromium,
    headless: true,
    args: ["--no-sandbox", ...(camera === "refused" ? CAMERA.slice(0, 1) : camera === "none" ? CAMERA.slice(1) : [...CAMERA, `--use-file-for-fake-video-capture=${camera}`])],
  });

// Somebody with a browser of their own, at an address of their own.
export async function somebody(browser, options = {}) {
  people++;
  const context = await browser.newContext({
    baseURL: told.address,
    viewport: PHONE,
    locale: "en-GB",
    extraHTTPHeaders: { "X-Forwarded-For": `10.77.0.${people}` },
    ...options,
  });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => trouble.push(`${page.url()}: ${error.stack ?? error}`));
  page.on("console", (said) => {
    // What the network answers is looked at where it matters; a policy that is broken is said here.
    if (said.type() === "error" && !said.text().startsWith("Failed to load resource")) trouble.push(`${page.url()}: ${said.text()}`);
  });
  return page;
}

// Looks at a page as people with a phone, with a desk and with a screen reader do.
export async function checked(page, name, schemes = [null]) {
  for (const [size, width] of [[PHONE, "390"], [DESK, "1280"]]) for (const colorScheme of schemes) {
    const at = colorScheme ? `${width}-${colorScheme}` : width;
    await page.setViewportSize(size);
    if (colorScheme) await page.emulateMedia({ colorScheme });
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(told.pictures, `${name}-${at}.png`), fullPage: true, animations: "disabled" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name} at ${at}: ${wide} px beyond the screen`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const bad = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    const said = bad.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html} ${node.failureSummary}`));
    assert.deepEqual(said, [], `${name} at ${at}`);
  }
  await page.setViewportSize(PHONE);
  if (schemes[0]) await page.emulateMedia({ colorScheme: null });
  console.log(`looked at ${name}`);
}

// The same by day and by night.
export const looked = (page, name) => checked(page, name, ["light", "dark"]);

// Signs in with what the test was told.
export async function signIn(page, password = told.password) {
  await visit(page, "/sign-in");
  await page.fill("#email", told.email);
  await page.fill("#password", password);
  await page.click("[type=submit]");
  await page.waitForURL("**/studio");
  await page.waitForSelector("main:not([inert])");
}

// Asks the API as the page could.
export const asked = (page, path) => page.evaluate((path) => fetch(`/api/v1${path}`).then((answer) => answer.json()), path);

// Waits until something holds; what it gave then.
export async function until(what, holds, ms = 120_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert.ok(Date.now() < end, `${what}: not within ${ms} ms`);
    await pause(50);
  }
}

// Ends, with whatever went wrong unseen.
export async function close(...browsers) {
  for (const browser of browsers) await browser.close();
  assert.deepEqual(trouble, []);
}

const [WIDTH, HEIGHT] = [640, 480];
const MARK = Buffer.from("FRAME\n");
const SLOTS = 4;
const WRITE_MS = 40;
// So long a head stays as it is: people do not hold still, and neither does a hand with a camera.
const POSE_MS = 400;
const PICTURE = (WIDTH * HEIGHT * 3) / 2;

// One picture of a Y4M file, as planes of luma and of two differences.
function picture(path) {
  const file = readFileSync(path);
  const start = file.indexOf(MARK) + MARK.length;
  return file.subarray(start, start + PICTURE);
}

export class Camera {
  #file;
  #nth = 0;
  #poses = 0;
  #paths = [];
  #since = 0;
  #timer;
  #head = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F20:1 Ip A1:1 C420jpeg\n`);
  #known = new Map();

  constructor(path) {
    this.#file = openSync(path, "w+");
    writeSync(this.#file, this.#head);
    writeSync(this.#file, Buffer.concat(Array(SLOTS).fill(Buffer.concat([MARK, Buffer.alloc(PICTURE, 128)]))));
  }

  // Shows the pictures of Y4M files, as held in a hand: each for a while, over and over, until others are shown.
  show(paths) {
    for (const path of paths) if (!this.#known.has(path)) this.#known.set(path, picture(path));
    this.#paths = paths;
    this.#since = this.#nth;
    this.#timer ??= setInterval(() => this.#write(), WRITE_MS);
    this.#write();
  }

  close() {
    clearInterval(this.#timer);
    closeSync(this.#file);
  }

  #write() {
    const at = this.#nth++;
    const step = Math.floor(((at - this.#since) * WRITE_MS) / POSE_MS);
    if ((at - this.#since) % (POSE_MS / WRITE_MS) === 0) this.#poses++;
    // No two pictures are the same: each pose has a place of its own (Roberts's R2 sequence, which keeps its
    // points apart), and the sensor has noise.
    const place = (root, range) => 2 * Math.round(range * ((this.#poses * root) % 1) - range / 2);
    const [right, down] = [place(0.7548776662466927, 24), place(0.5698402909980532, 16)];
    const from = this.#known.get(this.#paths[step % this.#paths.length]);
    const to = Buffer.alloc(PICTURE);
    const plane = (start, width, height, dx, dy) => {
      for (let y = 0; y < height; y++) {
        const row = start + Math.min(height - 1, Math.max(0, y - dy)) * width;
        const line = start + y * width;
        const [first, last] = [Math.max(0, dx), Math.min(width, width + dx)];
        to.fill(from[row], line, line + first);
        from.copy(to, line + first, row + first - dx, row + last - dx);
        to.fill(from[row + width - 1], line + last, line + width);
      }
    };
    plane(0, WIDTH, HEIGHT, right, down);
    for (const start of [WIDTH * HEIGHT, (WIDTH * HEIGHT * 5) / 4]) plane(start, WIDTH / 2, HEIGHT / 2, right / 2, down / 2);
    for (let grain = 0; grain < 4000; grain++) {
      const place = Math.floor(Math.random() * WIDTH * HEIGHT);
      to[place] = Math.min(235, Math.max(16, to[place] + Math.round(Math.random() * 6 - 3)));
    }
    writeSync(this.#file, to, 0, PICTURE, this.#head.length + (at % SLOTS) * (MARK.length + PICTURE) + MARK.length);
  }
}

// What the mails in the outbox say, with their lines put together again.
export function mailed(folder, files) {
  return files.map((name) => readFileSync(join(folder, name), "utf8").replace(/=\r?\n/g, "").replaceAll("=3D", "="));
}

export const keep = (name, text) => writeFileSync(join(told.pictures, name), text);
