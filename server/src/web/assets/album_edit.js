// The dialog that edits an album. It sends only the fields that changed.

import { byId, call, element, onSubmit, say } from "./api.js";

const PAGE = 60;
const dateOf = (unixS) => new Date(unixS * 1000).toISOString().slice(0, 10);

// Returns a function that opens the dialog for an album. After the dialog closes, `opener`, the button that
// opened it, gets the focus. Calls `changed` with the album's name after a save.
export function editor(path, folders, changed) {
  const [dialog, form, covers] = ["edit", "edit-album", "edit-covers"].map(byId);
  const { elements } = form;
  const hidden = new Set(folders.filter((folder) => folder.hidden).map(({ id }) => id));
  const boxes = () => [...form.querySelectorAll("[name=folder]")];
  const ticked = () => boxes().filter((box) => box.checked).map((box) => box.value);
  const pins = ["view_pin", "annotate_pin"];
  let album = null;
  let pages = null;
  let coming = null;

  function drawFolders() {
    for (const box of boxes()) box.disabled = elements["edit-all"].checked;
  }
  elements["edit-all"].addEventListener("change", drawFolders);

  function drawPin(name) {
    const gone = elements[`edit-no-${name}`];
    gone.closest("label").hidden = !album[name];
    elements[`edit-${name}`].disabled = gone.checked;
  }
  for (const name of pins) elements[`edit-no-${name}`].addEventListener("change", () => drawPin(name));

  // Yields pages of the photos that the album shows, folder by folder.
  async function* shown() {
    for (const folder of elements["edit-all"].checked ? [""] : ticked()) {
      for (let cursor = ""; ; ) {
        const part = [`limit=${PAGE}`, folder && `folder=${folder}`, cursor && `cursor=${encodeURIComponent(cursor)}`].filter(Boolean);
        const page = await call("GET", `${path}/photos?${part.join("&")}`);
        const seen = page.items.filter((photo) => !hidden.has(photo.folder));
        if (seen.length) yield seen;
        if (!page.next) break;
        cursor = page.next;
      }
    }
  }

  function choice(value, name) {
    const known = covers.querySelector(`[value="${value}"]`);
    if (known) return [];
    const radio = element("input", { type: "radio", name: "edit-cover", value, checked: value === (album.cover ?? "") });
    const seen = value ? element("img", { src: `/api/v1${path}/photos/${value}/thumb`, alt: name, loading: "lazy", width: 120, height: 120 }) : element("span", { class: "first" }, name);
    return [element("li", {}, element("label", { class: "cover" }, radio, seen))];
  }

  // Shows the next page. Then fetches the page after it, because the button is hidden if there is none.
  async function more() {
    const { value } = await coming;
    for (const { id, name } of value ?? []) covers.append(...choice(id, name));
    coming = pages.next();
    byId("edit-more").hidden = Boolean((await coming).done);
  }
  const trouble = (problem) => say(form.querySelector(".outcome"), problem.message, true);
  byId("edit-more").addEventListener("click", () => more().catch(trouble));
  byId("edit-cover").addEventListener("toggle", () => {
    if (!byId("edit-cover").open) return;
    covers.replaceChildren(...choice("", "The first photo"), ...(album.cover ? choice(album.cover, "The current cover") : []));
    pages = shown();
    coming = pages.next();
    more().catch(trouble);
  });
  byId("edit-cancel").addEventListener("click", () => dialog.close());

  onSubmit(form, async (given) => {
    const change = {};
    if (given["edit-name"] !== album.name) change.name = given["edit-name"];
    // The album closes at the end of the day (UTC). Sent only if the day changed, to keep a stored time of day.
    if (given["edit-ends"] !== dateOf(album.ends_unix_s)) change.ends_unix_s = Date.parse(`${given["edit-ends"]}T23:59:59Z`) / 1000;
    const most = Number(given["edit-downloads_max"]);
    if (most !== (album.downloads_max ?? 0)) change.downloads_max = most;
    for (const name of pins) {
      if (elements[`edit-no-${name}`].checked) change[name] = "";
      else if (given[`edit-${name}`]) change[name] = given[`edit-${name}`];
    }
    const now = ticked();
    if (elements["edit-all"].checked) {
      if (album.folders) change.all_folders = true;
    } else if (now.sort().join() !== album.folders?.toSorted().join()) change.folders = now;
    const cover = given["edit-cover"];
    if (cover !== undefined && cover !== (album.cover ?? "")) change.cover = cover;
    await call("PATCH", `${path}/albums/${album.id}`, change);
    dialog.close();
    await changed(given["edit-name"]);
  });

  return (one, opener) => {
    album = one;
    form.reset();
    say(form.querySelector(".outcome"), "");
    elements["edit-name"].value = album.name;
    elements["edit-ends"].value = dateOf(album.ends_unix_s);
    elements["edit-downloads_max"].value = album.downloads_max ?? "";
    elements["edit-all"].checked = !album.folders;
    for (const box of boxes()) box.checked = Boolean(album.folders?.includes(box.value));
    drawFolders();
    pins.forEach(drawPin);
    byId("edit-cover").open = false;
    covers.replaceChildren();
    dialog.showModal();
    // After a save, the redrawn list no longer contains `opener`.
    dialog.addEventListener("close", () => opener.isConnected && opener.focus(), { once: true });
  };
}
