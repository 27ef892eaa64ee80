// The photo grid of an event: filter by folder, select, move, delete.

import { byId, call, count, element, say } from "./api.js";
import { all, photoLink, receiptLink, sure } from "./studio_common.js";

const PAGE = 60;
const PAGE_MAX = 500;
// Limits the photos of one request, 100 photos: deleting more may take longer than the request timeout.
const TOGETHER = 100;

// Returns `refresh`, which updates the list, and `hasAll`, which returns whether the list shows all photos.
export function arrange(path, folders) {
  const [list, state, shown] = ["photos", "photos-state", "shown"].map(byId);
  const tiles = new Map();
  const chosen = new Set();
  let cursor = "";
  let last = null;

  function tile(photo) {
    const known = tiles.get(photo.id);
    if (known) return known;
    const link = photoLink(path, photo.id, photo.name, { decoding: "async" });
    // Removed from the cache, so that the next drawing loads the image again.
    link.querySelector("img").addEventListener("error", () => tiles.delete(photo.id));
    const box = element("input", { type: "checkbox", "aria-label": `Select ${photo.name}` });
    box.checked = chosen.has(photo.id);
    box.addEventListener("click", (press) => select(photo.id, box.checked, press.shiftKey));
    const made = element("li", {}, link, element("label", { class: "choose" }, box), element("span", { class: "hint", title: photo.name }, photo.name));
    made.dataset.photo = photo.id;
    made.mark = () => {
      box.checked = chosen.has(photo.id);
      made.classList.toggle("chosen", box.checked);
    };
    made.mark();
    tiles.set(photo.id, made);
    return made;
  }

  function mark() {
    for (const one of list.children) one.mark();
    byId("chosen").hidden = chosen.size === 0;
    byId("chosen-count").textContent = `${count(chosen.size, "photo", "photos")} selected`;
  }

  // Selects or deselects `photo`. With `range` (the shift key), applies to all photos from the last clicked one
  // to `photo`.
  function select(photo, on, range) {
    const there = [...list.children].map((one) => one.dataset.photo);
    const [from, to] = [there.indexOf(range ? last : photo), there.indexOf(photo)].sort((a, b) => a - b);
    for (const id of from < 0 ? [photo] : there.slice(from, to + 1)) on ? chosen.add(id) : chosen.delete(id);
    last = photo;
    mark();
  }

  const filter = () => (shown.value === "none" ? "unfiled=true" : shown.value ? `folder=${shown.value}` : "");
  const page = (limit, from) => call("GET", `${path}/photos?${[`limit=${limit}`, filter(), from && `cursor=${encodeURIComponent(from)}`].filter(Boolean).join("&")}`);

  function end(next) {
    cursor = next ?? "";
    byId("more").hidden = !cursor;
    byId("no-photos").hidden = list.children.length > 0;
    byId("select-all").disabled = list.children.length === 0;
    mark();
  }

  async function show() {
    const requested = shown.value;
    const found = await page(Math.min(PAGE_MAX, Math.max(PAGE, list.children.length)));
    // The filter has changed, which has sent a request of its own.
    if (requested !== shown.value) return;
    const there = [...list.children];
    // Unchanged tiles stay in place, because replacing them would lose the keyboard focus.
    const same = there.every((one, at) => one === tiles.get(found.items[at]?.id));
    if (same) list.append(...found.items.slice(there.length).map(tile));
    else list.replaceChildren(...found.items.map(tile));
    end(found.next);
  }

  // Single flight: calls during a refresh share its promise, and the list is refreshed once more at the end.
  let running = null;
  let due = false;
  function refresh() {
    due = true;
    return (running ??= (async () => {
      try {
        while (due) {
          due = false;
          await show();
        }
      } finally {
        running = null;
      }
    })());
  }

  byId("more").addEventListener("click", async () => {
    const requested = shown.value;
    const found = await page(PAGE, cursor);
    if (requested !== shown.value) return;
    list.append(...found.items.map(tile));
    end(found.next);
  });
  shown.addEventListener("change", () => {
    chosen.clear();
    list.replaceChildren();
    return refresh();
  });
  byId("select-all").addEventListener("click", async () => {
    for (const { id } of await all(`${path}/photos`, filter())) chosen.add(id);
    mark();
  });
  byId("clear").addEventListener("click", () => {
    chosen.clear();
    mark();
    byId("photos-title").focus();
  });

  // Calls `work` with up to `TOGETHER` selected photos at a time, then `done` with the number of photos.
  async function each(doing, work, done) {
    const ids = [...chosen];
    const deeds = byId("chosen").querySelectorAll("button, select");
    for (const deed of deeds) deed.disabled = true;
    let at = 0;
    try {
      for (; at < ids.length; at += TOGETHER) {
        say(state, `${doing} ${at.toLocaleString()} of ${count(ids.length, "photo", "photos")}…`);
        const some = ids.slice(at, at + TOGETHER);
        await work(some);
        for (const id of some) chosen.delete(id);
      }
      done(ids.length);
    } catch (problem) {
      say(state, at ? `${problem.message} ${count(at, "photo was", "photos were")} already processed.` : problem.message, true);
    }
    for (const deed of deeds) deed.disabled = false;
    await refresh();
    byId("photos-title").focus();
  }

  byId("move").addEventListener("click", () => {
    const to = byId("move-to");
    const folder = to.value === "none" ? "" : to.value;
    if (!to.value) {
      say(state, "Choose a folder to move the photos to.", true);
      return to.focus();
    }
    const name = to.selectedOptions[0].textContent;
    return each(
      "Moving",
      (photos) => call("PATCH", `${path}/photos`, { photos, folder }),
      (all) => say(state, folder ? `${count(all, "photo", "photos")} moved to ${name}.` : `${count(all, "photo", "photos")} moved out of their folders.`),
    );
  });
  byId("remove").addEventListener("click", async () => {
    const text = "The photos disappear from albums and guest pages. This cannot be undone.";
    const photos = count(chosen.size, "photo", "photos");
    if (!(await sure(`Delete ${photos}?`, text, `Delete ${photos}`))) return;
    const receipts = [];
    await each(
      "Deleting",
      async (photos) => {
        const { receipt } = await call("POST", `${path}/photos/bulk-delete`, { photos });
        if (receipt) receipts.push(receipt);
      },
      (all) => {
        say(state, `${count(all, "photo", "photos")} deleted.`);
        for (const receipt of receipts) state.append(" ", receiptLink(receipt));
      },
    );
  });

  folders.offer(shown, [["", "All photos"], ["none", "In no folder"]]);
  folders.offer(byId("move-to"), [["", "Move to…"], ["none", "No folder"]]);
  return { refresh, hasAll: () => !cursor };
}
