// Simulates a guest, who registers and turns the head in front of the camera as the page requests.

import { assert, params, pause, until } from "./harness.mjs";

// Reaction time of a person before a turn, milliseconds.
export const REACTION_MS = 400;
// Number of frames without progress after which a guest begins a new challenge. Within this number of frames the
// camera shows each angle of a turn twice. The number, unlike a time, means the same on a slow machine.
const VAIN_FRAMES_MAX = 16;

export function challengeCamera(camera) {
  // Registers a guest by the event's link, up to the page that opens the camera.
  async function register(page, name, contact) {
    await page.goto(params.link);
    await page.click("#begin");
    await page.fill("#name", name);
    await page.fill("#contact", contact);
    await page.click("#you [type=submit]");
    await page.check("#agree");
    await page.check("#adult");
    await page.click("#consent [type=submit]");
    await page.waitForSelector("#open:visible");
  }

  // Reads the state of the challenge from the page; `{}` during a navigation.
  const state = (page) =>
    page
      .evaluate(() => ({
        path: location.pathname,
        guidance: document.getElementById("live")?.dataset.guidance,
        code: document.getElementById("code-step")?.hidden === false,
        live: document.getElementById("live")?.hidden === false,
        failed: document.getElementById("failed")?.hidden === false && document.getElementById("failed").dataset.reason,
      }))
      .catch(() => ({}));

  // Shows the camera the pictures that `act` returns for each new guidance, until the challenge ends. Returns
  // `passed`, `code` if the page asks for the code from the e-mail, the reason of the failure, or `stop` if
  // `stops` returns true.
  async function face(page, act, stops = () => false) {
    let before = "";
    return until("the challenge's end", async () => {
      const now = await state(page);
      if (now.code) return "code";
      if (now.path === "/g") return "passed";
      if (now.failed) return now.failed;
      if (now.live && stops()) return "stop";
      if (now.live && now.guidance && now.guidance !== before) {
        before = now.guidance;
        const shown = act(now.guidance);
        if (shown) {
          await pause(REACTION_MS);
          camera.show(shown);
        }
      }
    });
  }

  const pose = (person, guidance) => person[guidance];

  // Shows a person's head until a challenge passes. Returns `passed` or `code`. If the challenge requests a turn for
  // which the person has no pictures, or a step makes no progress, the guest stops it and begins a new one, which
  // requests other turns. After a failure the guest tries again, `triesMax` times in all; `failures` gets the reasons.
  async function welcome(page, person, triesMax = 1, failures = []) {
    let vain, awaited;
    const count = (answer) => (vain += answer.url().endsWith("/frames") ? 1 : 0);
    page.on("response", count);
    const follow = (guidance) => {
      // Guidance such as "closer" is no progress.
      const step = guidance === "look_straight" || guidance.startsWith("turn_");
      if (step && guidance !== awaited) [vain, awaited] = [0, guidance];
      return pose(person, guidance);
    };
    const stops = () => vain >= VAIN_FRAMES_MAX || (awaited && !pose(person, awaited));
    for (let button = "#open"; ; ) {
      [vain, awaited] = [0, ""];
      if (button) {
        camera.show(person.look_straight);
        await page.click(button);
      }
      const ended = await face(page, follow, stops);
      if (ended === "stop") {
        // The button is gone if the challenge has ended meanwhile.
        button = await page.click("#stop", { timeout: 5_000 }).then(() => "#open", () => null);
      } else if (["passed", "code"].includes(ended)) {
        page.off("response", count);
        return ended;
      } else {
        failures.push(ended);
        assert.ok(failures.length < triesMax, failures.join(", "));
        button = "#again";
      }
    }
  }

  return { register, state, face, pose, welcome };
}
