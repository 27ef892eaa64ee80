// One event's page.

import { byId, call, count, element, ready, say } from "./api.js";
import { adding } from "./adding.js";
import { arrange } from "./arrange.js";
import { foldersOf } from "./folders.js";
import { photoLink, receiptLink, sure, thisEvent } from "./parts.js";

const { id, path } = await thisEvent();
byId("export").href = `/api/v1${path}/export`;

const tile = (photo, note) =>
  element("li", {}, photoLink(path, photo, note || "Photo"), ...(note ? [element("span", { class: "hint" }, note)] : []));

const folders = await foldersOf(path);
const photos = arrange(path, folders);
adding(id, folders, photos.refresh);

// Progress, as it changes.
let done = -1;
async function showProgress(counts) {
  const all = counts.ready + counts.running + counts.done + counts.failed;
  byId("index-bar").max = Math.max(1, all);
  byId("index-bar").value = counts.done + counts.failed;
  const waiting = counts.ready + counts.running;
  const parts = [`${count(counts.done, "photo", "photos")} searched for faces`];
  if (waiting) parts.push(`${waiting.toLocaleString()} to go`);
  if (counts.failed) parts.push(`${counts.failed.toLocaleString()} could not be read`);
  if (counts.paused) parts.push("paused");
  byId("index-state").textContent = parts.join(" · ");
  byId("pause").textContent = counts.paused ? "Go on" : "Pause";
  byId("pause").dataset.order = counts.paused ? "resume" : "pause";
  byId("retry").hidden = counts.failed === 0;
  if (counts.failed) {
    const failed = await call("GET", `${path}/jobs/failed?limit=50`);
    byId("failed").replaceChildren(...failed.items.map((job) => element("li", {}, `${job.name}: ${job.reason}`)));
  } else byId("failed").replaceChildren();
  const changed = counts.done !== done && done >= 0;
  done = counts.done;
  if (changed && photos.hasAll()) await photos.refresh();
}
const told = new EventSource(`/api/v1${path}/progress`);
told.addEventListener("progress", (news) => showProgress(JSON.parse(news.data)));
const steer = (order) => call("POST", `${path}/jobs`, { order }).then(showProgress);
byId("pause").addEventListener("click", () => steer(byId("pause").dataset.order));
byId("retry").addEventListener("click", () => steer("retry"));

// Search by a picture.
byId("selfie").addEventListener("change", async (chosen) => {
  const [file] = chosen.target.files;
  if (!file) return;
  const state = byId("search-state");
  say(state, "Looking…");
  byId("found").replaceChildren();
  try {
    const answer = await call("POST", `${path}/search`, file, { raw: true, headers: { "Content-Type": file.type || "image/jpeg" } });
    say(state, answer.matches.length ? `${count(answer.matches.length, "photo", "photos")} found` : "No photo of this person here.");
    byId("found").replaceChildren(...answer.matches.map((match) => tile(match.photo, `${Math.round(match.similarity * 100)} %`)));
  } catch (problem) {
    say(state, problem.message, true);
  }
});

// The end.
byId("delete").addEventListener("click", async () => {
  if (!(await sure("Delete this event for good?", "There is no way back: the key is destroyed first.", "Delete it"))) return;
  const outcome = document.querySelector("#delete ~ .outcome");
  say(outcome, "Purging…");
  try {
    const { receipt } = await call("DELETE", path);
    outcome.replaceChildren(receiptLink(receipt), ". ", element("a", { href: "/studio" }, "Back to the studio"));
    // Nothing of the event stays on the screen.
    told.close();
    byId("main").replaceChildren(element("h1", {}, "It is gone"), outcome);
  } catch (problem) {
    say(outcome, problem.message, true);
  }
});
ready();
await photos.refresh();
