// The camera step. Sends camera frames to the server, one at a time and each at most once. Only the preview is
// mirrored. The server decides about every frame.

import { byId, call, element } from "./api.js";
import { trouble, word } from "./strings.js";

// Limits the width of a sent frame, 640 px.
const WIDTH = 640;
const QUALITY = 0.85;
// Shortest time from one frame to the next, 270 ms: 3.7 frames a second follow a head turn and suit a slow
// connection.
const PAUSE_MS = 270;
// Shortest time from a change of the screen's light to the next frame, 200 ms: the delay of screen and camera.
// Together with the two frames of each tint, the light changes less than three times a second.
const LIGHT_MS = 200;
// Limits the failed frames of a challenge in a row, 5. One more ends the challenge.
const LOST_MAX = 5;
// Guests who prefer reduced motion get no changing light. The server needs none.
const still = matchMedia("(prefers-reduced-motion: reduce)");
const TURNS = new Set(["turn_left", "turn_right", "turn_up", "turn_down"]);

const say = (name, filled) => word(name, filled, "camera-words");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Resolves when the camera has a new frame; where the browser reports frames, after at most 2 s.
function fresh(video) {
  if (video.requestVideoFrameCallback)
    return Promise.race([new Promise((seen) => video.requestVideoFrameCallback(seen)), pause(2000)]);
  const before = video.currentTime;
  return new Promise((seen) => {
    const look = () => (video.currentTime !== before ? seen() : setTimeout(look, 30));
    look();
  });
}

const shown = (id, picture) =>
  call("POST", `/guest/challenges/${id}/frames`, picture, { raw: true, signIn: false, headers: { "Content-Type": "image/jpeg" } });

async function opened() {
  if (!navigator.mediaDevices?.getUserMedia) throw "insecure";
  const wanted = { audio: false, video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } } };
  try {
    return await navigator.mediaDevices.getUserMedia(wanted);
  } catch (refused) {
    throw { NotAllowedError: "refused", SecurityError: "insecure", NotReadableError: "busy", AbortError: "busy" }[refused.name] ?? "absent";
  }
}

// Registers the handlers of the camera step. Calls `passed` with the last answer when the guest has passed the
// challenge.
export function camera({ passed }) {
  const [video, canvas] = [byId("preview"), document.createElement("canvas")];
  const parts = ["ready", "live", "failed"];
  let [stream, run, spoken] = [null, 0, ""];

  function show(name) {
    for (const part of parts) byId(part).hidden = part !== name;
    document.body.classList.toggle("looking", name === "live");
  }

  function close() {
    run++;
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
  }

  function fail(name, filled) {
    close();
    const [what, remedy] = trouble(name, filled);
    byId("what").textContent = what;
    byId("remedy").textContent = remedy;
    byId("failed").dataset.reason = name;
    byId("opening").textContent = "";
    byId("open").disabled = false;
    show("failed");
    byId("failed-title").focus({ preventScroll: true });
  }

  function guide(name) {
    const [guidance, arrow] = [byId("guidance"), byId("arrow")];
    arrow.toggleAttribute("hidden", !TURNS.has(name));
    arrow.dataset.way = name;
    byId("live").dataset.guidance = name;
    // A text that is set again unchanged would be read out several times a second.
    if (spoken !== name) guidance.textContent = say(name);
    spoken = name;
  }

  // Lights the face with a tint that the server has drawn. Returns whether the light changes.
  function light(tint) {
    const [live, shown] = [byId("live"), still.matches ? "" : tint];
    const changes = live.style.getPropertyValue("--light") !== shown;
    if (changes) live.style.setProperty("--light", shown);
    return changes;
  }

  function count(done) {
    const turns = [...byId("turns").children];
    const before = turns.filter((turn) => turn.classList.contains("done")).length;
    turns.forEach((turn, at) => turn.classList.toggle("done", at < done));
    if (done === before) return;
    byId("progress").textContent = say("progress", { done, of: turns.length });
    if (done > before && byId("vibrate").checked) navigator.vibrate?.(60);
  }

  async function frame() {
    await fresh(video);
    const scale = Math.min(1, WIDTH / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((made) => canvas.toBlob(made, "image/jpeg", QUALITY));
  }

  async function challenge(own) {
    const begun = await call("POST", "/guest/challenges", undefined, { signIn: false });
    const { id } = begun;
    byId("turns").replaceChildren(...Array.from({ length: begun.steps }, () => element("li", {})));
    guide(begun.guidance);
    if (light(begun.light)) await pause(LIGHT_MS);
    for (let lost = 0; own === run; ) {
      const picture = await frame();
      const sent = performance.now();
      const answer = await shown(id, picture).catch(async (problem) => {
        // After a lost connection or an overloaded server, another frame may succeed.
        if (![0, 429, 502, 503, 504].includes(problem.status) || ++lost > LOST_MAX) throw problem;
        await pause(1000 * Math.min(problem.retryAfter ?? 1, 5));
      });
      if (own !== run) return;
      if (!answer) continue;
      lost = 0;
      count(answer.done);
      if (answer.state === "failed") return fail(answer.reason);
      if (answer.state === "passed") {
        close();
        if (!answer.next) byId("guidance").textContent = say("passed");
        byId("arrow").toggleAttribute("hidden", true);
        document.body.classList.remove("looking");
        return passed(answer);
      }
      guide(answer.guidance);
      const settle = light(answer.light) ? LIGHT_MS : 0;
      await pause(Math.max(settle, PAUSE_MS - (performance.now() - sent)));
    }
  }

  async function begin() {
    const own = ++run;
    byId("open").disabled = true;
    byId("opening").textContent = say("opening");
    show("ready");
    try {
      stream = await opened();
      if (own !== run) return close();
      video.srcObject = stream;
      await video.play();
      spoken = byId("guidance").textContent = "";
      delete byId("live").dataset.guidance;
      light("");
      count(0);
      show("live");
      await challenge(own);
    } catch (problem) {
      if (own !== run) return;
      if (typeof problem === "string") return fail(problem);
      const minutes = Math.max(1, Math.ceil((problem.retryAfter ?? 60) / 60));
      fail({ 0: "no_line", 401: "ended", 403: "many_people", 404: "too_late", 409: "needs_email", 429: "wait" }[problem.status] ?? "failed", { minutes });
    } finally {
      byId("opening").textContent = "";
      byId("open").disabled = false;
    }
  }

  byId("open").addEventListener("click", begin);
  byId("again").addEventListener("click", begin);
  byId("stop").addEventListener("click", () => (close(), show("ready"), byId("camera-title").focus({ preventScroll: true })));
  // A page in the background must not use the camera.
  document.addEventListener("visibilitychange", () => document.hidden && stream && (close(), show("ready")));
}
