// Simulates a guest, who registers and turns the head in front of the camera as the page requests.

import { assert, params, pause, until } from "./harness.mjs";

// Reaction time of a person before a turn, milliseconds.
export const REACTION_MS = 400;

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
  // `passed`, `code` if the page asks for the code from the e-mail, the reason of the failure, or `stop` if `act` returns `stop`.
  async function face(page, act) {
    let before = "";
    return until("the challenge's end", async () => {
      const now = await state(page);
      if (now.code) return "code";
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

  // Shows a person's head until a challenge passes. The head is made from one photo, which has too little
  // depth for some turns. Returns `passed` or `code`. If the page requests such a turn, the guest stops the challenge and begins a new one.
  async function welcome(page, person) {
    let button = "#open";
    for (;;) {
      camera.show(person.look_straight);
      await page.click(button);
      const ended = await face(page, (guidance) => (params.cannot.includes(guidance) ? "stop" : pose(person, guidance)));
      if (ended !== "stop") {
        assert.ok(["passed", "code"].includes(ended), ended);
        return ended;
      }
      await page.click("#stop");
      button = "#open";
    }
  }

  return { register, state, face, pose, welcome };
}
