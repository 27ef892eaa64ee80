import { byId, call, count, element, ready, say } from "./api.js";
import { adding } from "./upload_panel.js";
import { arrange } from "./photo_grid.js";
import { foldersOf } from "./folders.js";
import { photoLink, receiptLink, sure, thisEvent } from "./studio_common.js";

const { id, path } = await thisEvent();
byId("export").href = `/api/v1${path}/export`;

const tile = (photo, note) =>
  element("li", {}, photoLink(path, photo, note || "Photo"), ...(note ? [element("span", { class: "hint" }, note)] : []));

const folders = await foldersOf(path);
const photos = arrange(path, folders);
adding(id, folders, photos.refresh);

// Shows the progress of indexing, which the server sends as events.
let done = -1;
async function showProgress(counts) {
  const all = counts.ready + counts.running + counts.done + counts.deferred + counts.failed;
  byId("index-bar").max = Math.max(1, all);
  byId("index-bar").value = counts.done + counts.deferred + counts.failed;
  const parts = [all ? `${counts.done.toLocaleString()} of ${count(all, "photo", "photos")} searched` : "No photos yet"];
  if (counts.deferred) parts.push(`${counts.deferred.toLocaleString()} not analysed until a guest searches`);
  if (counts.failed) parts.push(`${counts.failed.toLocaleString()} could not be read`);
  if (counts.paused) parts.push("paused");
  byId("index-state").textContent = parts.join(" · ");
  if (counts.done) byId("event-deferred").hidden = true;
  byId("pause").textContent = counts.paused ? "Resume" : "Pause";
  byId("pause").dataset.action = counts.paused ? "resume" : "pause";
  byId("retry").hidden = counts.failed === 0;
  if (counts.failed) {
    const failed = await call("GET", `${path}/jobs/failed?limit=50`);
    byId("failed").replaceChildren(...failed.items.map((job) => element("li", {}, `${job.name}: ${job.reason}`)));
  } else byId("failed").replaceChildren();
  const ended = counts.done + counts.deferred;
  const changed = ended !== done && done >= 0;
  done = ended;
  if (changed && photos.hasAll()) await photos.refresh();
}
// While the event is deleted, the page's own requests find it no longer.
let deleting = false;
const quiet = (problem) => {
  if (!deleting) throw problem;
};
const updates = new EventSource(`/api/v1${path}/progress`);
updates.addEventListener("progress", (news) => deleting || showProgress(JSON.parse(news.data)).catch(quiet));
const steer = (action) => call("POST", `${path}/jobs`, { action }).then(showProgress);
byId("pause").addEventListener("click", () => steer(byId("pause").dataset.action));
byId("retry").addEventListener("click", () => steer("retry"));

// Searches the event by a selfie.
byId("selfie").addEventListener("change", async (chosen) => {
  const [file] = chosen.target.files;
  if (!file) return;
  const state = byId("search-state");
  say(state, "Searching…");
  byId("found").replaceChildren();
  try {
    const answer = await call("POST", `${path}/search`, file, { raw: true, headers: { "Content-Type": file.type || "image/jpeg" } });
    say(state, answer.matches.length ? `${count(answer.matches.length, "photo", "photos")} found` : "No photos of this person found. Try another photo of the person.");
    byId("found").replaceChildren(...answer.matches.map((match) => tile(match.photo, `Similarity ${match.similarity.toFixed(2)}`)));
  } catch (problem) {
    say(state, problem.message, true);
  }
});

// Deletes the event.
byId("delete").addEventListener("click", async () => {
  if (!(await sure("Delete this event?", "All photos, faces, guests and albums of the event are deleted, and its encryption key first. This cannot be undone here. The receipt names the copies of the key that can still be restored.", "Delete event"))) return;
  const outcome = document.querySelector("#delete ~ .outcome");
  say(outcome, "Deleting…");
  deleting = true;
  try {
    const { receipt } = await call("DELETE", path);
    outcome.replaceChildren(receiptLink(receipt), ". ", element("a", { href: "/studio" }, "Back to the studio"));
    // The page must not show data of a deleted event.
    updates.close();
    byId("main").replaceChildren(element("h1", {}, "Event deleted"), outcome);
  } catch (problem) {
    deleting = false;
    say(outcome, problem.message, true);
  }
});
ready();
await photos.refresh();
