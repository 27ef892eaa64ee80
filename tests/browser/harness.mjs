// Shared by the scripts: the browser, browser contexts, checks of a page, and a camera.
//
// The camera is Chromium's fake device, which plays a file in a loop and reads each picture when it is due.
// `Camera` rewrites that file continuously, so that the pictures follow the guidance of the page. The page
// sees an ordinary camera.

import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, readdirSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export const params = JSON.parse(readFileSync(process.argv[2], "utf8"));
const require = createRequire(join(params.modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export { assert };

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const errors = [];
let people = 0;

// Opens a page of the studio and waits until its script has started.
export async function visit(page, path) {
  await page.goto(path);
  await page.waitForSelector("main:not([inert])");
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Starts Chromium. `camera` is the file that the camera plays, `refused` for a camera without permission, or
// `none` for no camera.
export const open = (camera) =>
  chromium.launch({
    executablePath: params.chromium,
    headless: true,
    args: ["--no-sandbox", ...(camera === "refused" ? CAMERA.slice(0, 1) : camera === "none" ? CAMERA.slice(1) : [...CAMERA, `--use-file-for-fake-video-capture=${camera}`])],
  });

// Opens a page in a new browser context, at a client address of its own.
export async function newPage(browser, options = {}) {
  people++;
  const context = await browser.newContext({
    baseURL: params.address,
    viewport: PHONE,
    locale: "en-GB",
    extraHTTPHeaders: { "X-Forwarded-For": `10.77.0.${people}` },
    ...options,
  });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(`${page.url()}: ${error.stack ?? error}`));
  page.on("console", (message) => {
    // Failed requests are asserted where they matter. Other errors, such as violations of the content
    // security policy, fail the script.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) errors.push(`${page.url()}: ${message.text()}`);
  });
  return page;
}

// Checks a page at the widths of a phone and of a desktop: takes a screenshot, and asserts that it needs no
// horizontal scrolling and that axe-core finds no serious violation.
export async function checked(page, name, schemes = [null]) {
  for (const [size, width] of [[PHONE, "390"], [DESK, "1280"]]) for (const colorScheme of schemes) {
    const at = colorScheme ? `${width}-${colorScheme}` : width;
    await page.setViewportSize(size);
    if (colorScheme) await page.emulateMedia({ colorScheme });
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(params.pictures, `${name}-${at}.png`), fullPage: true, animations: "disabled" });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name} at ${at}: ${wide} px beyond the screen`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const bad = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    const failures = bad.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html} ${node.failureSummary}`));
    assert.deepEqual(failures, [], `${name} at ${at}`);
  }
  await page.setViewportSize(PHONE);
  if (schemes[0]) await page.emulateMedia({ colorScheme: null });
  console.log(`checked ${name}`);
}

// Checks a page in the light and in the dark colour scheme.
export const checkedBothSchemes = (page, name) => checked(page, name, ["light", "dark"]);

// Signs in with the account of the test's parameters.
export async function signIn(page, password = params.password) {
  await visit(page, "/sign-in");
  await page.fill("#email", params.email);
  await page.fill("#password", password);
  await page.click("[type=submit]");
  await page.waitForURL("**/studio");
  await page.waitForSelector("main:not([inert])");
}

// Fetches a path of the API in the page and returns the JSON.
export const fetchApi = (page, path) => page.evaluate((path) => fetch(`/api/v1${path}`).then((answer) => answer.json()), path);

// Waits until `holds` returns a truthy value, and returns that value.
export async function until(what, holds, ms = 120_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert.ok(Date.now() < end, `${what}: not within ${ms} ms`);
    await pause(50);
  }
}

// Closes the browsers. Fails if a page had an error.
export async function close(...browsers) {
  for (const browser of browsers) await browser.close();
  assert.deepEqual(errors, []);
}

const [WIDTH, HEIGHT] = [640, 480];
const MARK = Buffer.from("FRAME\n");
// Number of pictures in the file, which the fake device plays in a loop.
const SLOTS = 4;
// Interval between two written pictures, milliseconds.
const WRITE_MS = 40;
// Time that a picture stays at one position, milliseconds. Neither a head nor a hand with a camera holds
// still.
const POSE_MS = 400;
// Size of a picture, bytes: YUV 4:2:0.
const PICTURE = (WIDTH * HEIGHT * 3) / 2;

// Reads the first picture of a Y4M file: the luma plane and the two chroma planes.
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

  // Shows the pictures of Y4M files as if held in a hand: each for `POSE_MS`, in a loop, until the next call.
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
    // No two pictures are equal: each pose has a position of its own (Roberts's R2 sequence, whose points
    // keep a distance from each other), and the sensor has noise.
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

// Reads the e-mails in the outbox folder, which the first e-mail creates, and undoes the soft line breaks of
// quoted-printable.
function mails() {
  if (!existsSync(params.outbox)) return [];
  const files = readdirSync(params.outbox).filter((name) => name.endsWith(".eml"));
  return files.map((name) => readFileSync(join(params.outbox, name), "utf8").replace(/=\r?\n/g, "").replaceAll("=3D", "="));
}

// Waits for an e-mail with a link to `path`. Returns the link's path with its token.
export const mailedLink = (path) =>
  until(`an e-mail with a link to ${path}`, () => mails().map((text) => text.match(new RegExp(`${path}#[\\w-]+`))?.[0]).find(Boolean));

// Waits for the e-mail with a code to `contact`, and returns the code.
export const mailedCode = (contact) =>
  until(`a code for ${contact}`, () => mails().filter((text) => text.includes(`To: ${contact}`)).map((text) => text.match(/Subject: Your code: (\d{6})/)?.[1]).find(Boolean));

export const keep = (name, text) => writeFileSync(join(params.pictures, name), text);
