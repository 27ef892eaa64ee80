// The upload panel. Takes dropped and chosen files as batches, asks whether to keep the files' folders, and
// uploads one batch after another.

import { byId, count, element, onSubmit, say } from "./api.js";
import { chosen, dropped, sorted } from "./dropped_files.js";
import { upload } from "./upload.js";

// Limits the folders that one batch may create, 50 folders. More are seldom meant as folders of one event.
const FOLDERS_MAX = 50;
// Limits the folder names that the dialog lists, 12 names.
const NAMED_MAX = 12;
// Shortest time between two drawings of the progress, 200 ms: a small photo may take less.
const DRAWN_MS = 200;

// Opens the dialog that asks whether to keep the photos' folders. Resolves to "folders", to "one" (all photos
// in one place) or to "" (cancelled).
function ask(names, fresh, into) {
  const dialog = byId("ask-folders");
  const many = fresh > FOLDERS_MAX;
  byId("ask-folders-text").textContent = many
    ? `These photos come from ${names.length.toLocaleString()} folders. At most ${FOLDERS_MAX} new folders can be created at once.`
    : `These photos come from ${count(names.length, "folder", "folders")}. Folders that the event does not have yet are created.`;
  const shown = names.slice(0, NAMED_MAX).map((name) => element("li", {}, name));
  if (names.length > NAMED_MAX) shown.push(element("li", {}, `and ${(names.length - NAMED_MAX).toLocaleString()} more`));
  byId("ask-folders-names").replaceChildren(...shown);
  byId("ask-folders-yes").hidden = many;
  byId("ask-folders-one").textContent = into ? `Put all in “${into}”` : "Put all in one place";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue), { once: true }));
}

// Registers the handlers of the panel. Calls `added` after each batch.
export function adding(event, folders, added) {
  const [bar, state, progress, into] = ["upload-bar", "upload-state", "upload-count", "into"].map(byId);
  let stop = null;

  // Resolves to a function from folder name to folder id, or to `null` if the user cancels.
  async function places(photos) {
    const names = [...new Set(photos.map(({ name }) => name))].filter(Boolean);
    const known = new Map([["", into.value]]);
    if (!names.length) return () => known.get("");
    const fresh = names.filter((name) => !folders.named(name));
    const answer = await ask(names, fresh.length, into.value && into.selectedOptions[0].textContent);
    if (!answer) return null;
    if (answer === "one") return () => known.get("");
    for (const name of names) known.set(name, folders.named(name)?.id ?? (await folders.make(name)));
    return (name) => known.get(name);
  }

  function shown(now) {
    let due = false;
    const draw = () => {
      due = false;
      if (bar.hidden) return;
      bar.value = now.total ? now.bytes / now.total : 0;
      progress.textContent = `${now.done.toLocaleString()} of ${count(now.files, "photo", "photos")}`;
    };
    return () => {
      if (!due) setTimeout(draw, DRAWN_MS);
      due = true;
    };
  }

  async function bring(found) {
    say(state, "Reading files…");
    const { photos, others } = sorted(await found);
    const left = others ? `${count(others, "other file", "other files")} skipped` : "";
    if (!photos.length) return say(state, ["No photos found. Choose JPEG, PNG or WebP files", left].filter(Boolean).join(" · "), true);
    const place = await places(photos);
    if (!place) return say(state, "Nothing was added.");
    say(state, "");
    stop = new AbortController();
    bar.hidden = progress.hidden = byId("upload-stop").hidden = false;
    let draw = null;
    const report = (now) => (draw ??= shown(now))();
    const sent = photos.map(({ file, name }) => ({ file, folder: place(name) }));
    const ended = await upload(event, sent, report, stop.signal);
    const parts = [ended.added ? `${count(ended.added, "photo", "photos")} added` : "No new photos"];
    if (ended.known) parts.push(`${count(ended.known, "duplicate", "duplicates")} skipped`);
    if (ended.done < ended.files) parts.push(`stopped, ${count(ended.files - ended.done, "photo", "photos")} not uploaded`);
    if (left) parts.push(left);
    if (ended.refused.length) parts.push(`${ended.refused.length.toLocaleString()} failed: ${ended.refused.slice(0, 5).join("; ")}`);
    say(state, parts.join(" · "), ended.refused.length > 0);
  }

  let line = Promise.resolve();
  // Uploads the batches one after another. Shows the error of a batch and continues with the next batch.
  function take(found) {
    line = line.then(async () => {
      try {
        await bring(found);
      } catch (problem) {
        say(state, problem.message, true);
      }
      stop = null;
      bar.hidden = progress.hidden = byId("upload-stop").hidden = true;
      await added().catch(() => null);
    });
    // Marks a rejection as handled, so that the browser does not report it. The batch shows the error later.
    Promise.resolve(found).catch(() => null);
  }

  for (const input of [byId("files"), byId("whole")])
    input.addEventListener("change", () => {
      const found = (async () => chosen([...input.files]))();
      take(found);
      // Without this, choosing the same files again would not fire `change`.
      input.value = "";
    });
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, (drag) => (drag.preventDefault(), drop.classList.add("over")));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (dragged) => (dragged.preventDefault(), take(dropped(dragged.dataTransfer))));
  byId("upload-stop").addEventListener("click", () => stop?.abort());
  addEventListener("beforeunload", (leaving) => stop && leaving.preventDefault());

  folders.offer(into, [["", "No folder"]], [["new", "New folder…"]]);
  const make = byId("new-folder");
  into.addEventListener("change", () => {
    make.hidden = into.value !== "new";
    if (make.hidden) return;
    into.value = "";
    byId("folder-name").focus();
  });
  onSubmit(make, async (given) => {
    into.value = await folders.make(given["folder-name"]);
    make.reset();
    make.hidden = true;
    into.focus();
  });
}
