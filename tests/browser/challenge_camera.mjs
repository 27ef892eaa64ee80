// What a guest does before the camera: registers, and turns their head as asked.

import { assert, pause, told, until } from "./harness.mjs";

// A person needs that long to begin a turn.
export const REACTION_MS = 400;

export function challengeCamera(camera) {
  async function register(page, name, contact) {
    await page.goto(told.link);
    await page.click("#begin");
    await page.fill("#name", name);
    await page.fill("#contact", contact);
    await page.click("#you [type=submit]");
    await page.check("#agree");
    await page.check("#adult");
    await page.click("#consent [type=submit]");
    await page.waitForSelector("#open:visible");
  }

  const state = (page) =>
    page
      .evaluate(() => ({
        path: location.pathname,
        guidance: document.getElementById("live")?.dataset.guidance,
        live: document.getElementById("live")?.hidden === false,
        failed: document.getElementById("failed")?.hidden === false && document.getElementById("failed").dataset.reason,
      }))
      .catch(() => ({}));

  // Shows the camera what `act` gives for what is asked for, until it is over: `passed`, or why it failed.
  async function face(page, act) {
    let before = "";
    return until("the challenge's end", async () => {
      const now = await state(page);
      if (now.path === "/g") return "passed";
      if (now.failed) return now.failed;
      if (now.live && now.guidance && now.guidance !== before) {
        before = now.guidance;
        const shown = act(now.guidance);
        if (shown === "stop") return shown;
        if (shown) {
          await pause(REACTION_MS);
          camera.show(shown);
        }
      }
    });
  }

  const pose = (person, guidance) => person[guidance];

  // Shows somebody's face until it has passed. The head is made of one photo, which has depth enough for some turns
  // and not for others: where one of those is asked for, a new challenge is begun, as anybody may.
  async function welcome(page, person) {
    let button = "#open";
    for (;;) {
      camera.show(person.look_straight);
      await page.click(button);
      const ended = await face(page, (guidance) => (told.cannot.includes(guidance) ? "stop" : pose(person, guidance)));
      if (ended !== "stop") return assert.equal(ended, "passed");
      await page.click("#stop");
      button = "#open";
    }
  }

  return { register, state, face, pose, welcome };
}
