// One event's page.

import { byId, call, count, element, ready, say } from "./api.js";
import { thisEvent } from "./parts.js";
import { upload } from "./upload.js";

const { id, path } = await thisEvent();
byId("export").href = `/api/v1${path}/export`;

const tile = (photo, note) => {
  const address = `/api/v1${path}/photos/${photo}`;
  const image = element("img", { src: `${address}/thumb`, alt: note || "Photo", loading: "lazy", width: 240, height: 240 });
  const link = element("a", { href: `${address}/web`, target: "_blank", rel: "noopener" }, image);
  return element("li", {}, link, ...(note ? [element("span", { class: "hint" }, note)] : []));
};

// Photos, page by page.
let cursor = "";
async function showPhotos(fresh) {
  if (fresh) cursor = "";
  const page = await call("GET", `${path}/photos?limit=60${cursor && `&cursor=${cursor}`}`);
  const tiles = page.items.map((photo) => tile(photo.id, photo.name));
  if (fresh) byId("photos").replaceChildren(...tiles);
  else byId("photos").append(...tiles);
  cursor = page.next ?? "";
  byId("more").hidden = !cursor;
}
byId("more").addEventListener("click", () => showPhotos(false));


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
  if (counts.done !== done && done >= 0 && !cursor) await showPhotos(true);
  done = counts.done;
}
const told = new EventSource(`/api/v1${path}/progress`);
told.addEventListener("progress", (news) => showProgress(JSON.parse(news.data)));
const steer = (order) => call("POST", `${path}/jobs`, { order }).then(showProgress);
byId("pause").addEventListener("click", () => steer(byId("pause").dataset.order));
byId("retry").addEventListener("click", () => steer("retry"));

// Uploads: chosen or dropped.
async function send(files) {
  if (!files.length) return;
  const [bar, state] = [byId("upload-bar"), byId("upload-state")];
  bar.hidden = false;
  const ended = await upload(id, files, (now) => {
    bar.value = now.total ? now.bytes / now.total : 0;
    say(state, `${now.done} of ${count(now.files, "photo", "photos")}`);
  });
  bar.hidden = true;
  const parts = [`${count(ended.added, "photo", "photos")} added`];
  if (ended.known) parts.push(`${ended.known} here already`);
  if (ended.refused.length) parts.push(`${ended.refused.length} refused: ${ended.refused.slice(0, 5).join("; ")}`);
  say(state, parts.join(" · "), ended.refused.length > 0);
  await showPhotos(true);
}
byId("files").addEventListener("change", (chosen) => send([...chosen.target.files]));
const drop = byId("drop");
for (const name of ["dragenter", "dragover"])
  drop.addEventListener(name, (drag) => (drag.preventDefault(), drop.classList.add("over")));
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (dropped) => (dropped.preventDefault(), send([...dropped.dataTransfer.files])));

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
byId("delete").addEventListener("click", () => byId("sure").showModal());
byId("sure").addEventListener("close", async () => {
  if (byId("sure").returnValue !== "yes") return;
  const outcome = document.querySelector("#delete ~ .outcome");
  say(outcome, "Purging…");
  try {
    const { receipt } = await call("DELETE", path);
    const link = element("a", { href: URL.createObjectURL(new Blob([receipt], { type: "application/json" })), download: "receipt.json" }, "Save the receipt");
    outcome.replaceChildren(link, ". ", element("a", { href: "/studio" }, "Back to the studio"));
    // Nothing of the event stays on the screen.
    told.close();
    byId("main").replaceChildren(element("h1", {}, "It is gone"), outcome);
  } catch (problem) {
    say(outcome, problem.message, true);
  }
});
ready();
await showPhotos(true);
