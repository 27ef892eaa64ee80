// Photos that are added to an event: dropped or chosen, in folders or not, one lot after another.

import { byId, count, element, onSubmit, say } from "./api.js";
import { chosen, dropped, sorted } from "./gather.js";
import { upload } from "./upload.js";

// Folders that are made of one lot; who has more hardly wants them as folders.
const FOLDERS_MAX = 50;
const NAMED_MAX = 12;
// How often progress is drawn: a photo may take less than that.
const DRAWN_MS = 200;

// Asks what is to become of the folders that photos lie in: "folders", "one", or "" for none of it.
function ask(names, fresh, into) {
  const dialog = byId("ask-folders");
  const many = fresh > FOLDERS_MAX;
  byId("ask-folders-text").textContent = many
    ? `These photos lie in ${names.length.toLocaleString()} folders; at most ${FOLDERS_MAX} are made at once.`
    : `These photos lie in ${count(names.length, "folder", "folders")}. Those that the event does not have are made.`;
  const shown = names.slice(0, NAMED_MAX).map((name) => element("li", {}, name));
  if (names.length > NAMED_MAX) shown.push(element("li", {}, `and ${(names.length - NAMED_MAX).toLocaleString()} more`));
  byId("ask-folders-names").replaceChildren(...shown);
  byId("ask-folders-yes").hidden = many;
  byId("ask-folders-one").textContent = into ? `All into “${into}”` : "All without a folder";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue), { once: true }));
}

// `added` is called when something has come in.
export function adding(event, folders, added) {
  const [bar, state, progress, into] = ["upload-bar", "upload-state", "upload-count", "into"].map(byId);
  let stop = null;

  // The ids of folders by name; `null` where somebody thought better of it.
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
    say(state, "Looking at the files…");
    const { photos, others } = sorted(await found);
    const left = others ? `${count(others, "other file", "other files")} left out` : "";
    if (!photos.length) return say(state, ["No photo among them", left].filter(Boolean).join(" · "), true);
    const place = await places(photos);
    if (!place) return say(state, "Nothing was added.");
    say(state, "");
    stop = new AbortController();
    bar.hidden = progress.hidden = byId("upload-stop").hidden = false;
    let draw = null;
    const told = (now) => (draw ??= shown(now))();
    const sent = photos.map(({ file, name }) => ({ file, folder: place(name) }));
    const ended = await upload(event, sent, told, stop.signal);
    const parts = [`${count(ended.added, "photo", "photos")} added`];
    if (ended.known) parts.push(`${ended.known.toLocaleString()} here already, left where they are`);
    if (ended.done < ended.files) parts.push(`stopped before ${(ended.files - ended.done).toLocaleString()} more`);
    if (left) parts.push(left);
    if (ended.refused.length) parts.push(`${ended.refused.length.toLocaleString()} refused: ${ended.refused.slice(0, 5).join("; ")}`);
    say(state, parts.join(" · "), ended.refused.length > 0);
  }

  let line = Promise.resolve();
  // One lot after another; what goes wrong with one is said, and does not keep the next.
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
    // Said when it is this lot's turn.
    Promise.resolve(found).catch(() => null);
  }

  for (const input of [byId("files"), byId("whole")])
    input.addEventListener("change", () => {
      const found = (async () => chosen([...input.files]))();
      take(found);
      // So that the same choice can be made again.
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
