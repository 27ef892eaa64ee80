import { byId, call, count, day, element, onSubmit, ready, say } from "./api.js";
import { editor } from "./album_edit.js";
import { all, button, row, sure, thisEvent } from "./studio_common.js";

const { path } = await thisEvent();
const state = byId("album-state");

function about(album) {
  const parts = [album.view_pin ? "PIN required" : "no PIN", `closes ${day(album.ends_unix_s)}`];
  if (album.annotate_pin) parts.push("second PIN for picks and notes");
  if (album.downloads_max) parts.push(`${count(album.downloads_max, "download", "downloads")} per visitor`);
  if (album.folders) parts.push(count(album.folders.length, "folder", "folders"));
  return parts.join(" · ");
}

async function open(album, inside) {
  const at = `${path}/albums/${album.id}`;
  const links = element("ul", { class: "rows" });
  const made = element("p", { role: "status" });
  const showLinks = async () => {
    const there = await all(`${at}/links`);
    const withdraw = (link) => async () => {
      if (!(await sure("Turn off this link?", "Visitors who used this link will be signed out.", "Turn off"))) return;
      await call("DELETE", `${at}/links/${link.id}`);
      made.textContent = "";
      await showLinks();
    };
    links.replaceChildren(...there.map((link) => row(link.name || "No name", `created ${day(link.created_unix_s)}`, button("Turn off", withdraw(link)))));
  };
  const name = element("input", { type: "text", name: "name", maxlength: 200, "aria-label": `Name of this link to ${album.name}`, placeholder: "Name of this link" });
  const form = element("form", { class: "inline" }, name, element("button", { type: "submit" }, "Create link"), element("p", { class: "outcome", role: "status" }));
  onSubmit(form, async (given) => {
    const { token } = await call("POST", `${at}/links`, given);
    const address = `${location.origin}/a/${token}`;
    made.replaceChildren("Copy this link now. It is shown only once: ", element("a", { href: address }, address));
    form.reset();
    await showLinks();
  });
  const [picks, notes] = await Promise.all([all(`${at}/picks`), all(`${at}/comments`)]);
  const entries = element("ul", {});
  for (const pick of picks) entries.append(element("li", {}, `${pick.visitor} picked ${pick.photo_name}${pick.important ? ", important" : ""}`));
  for (const note of notes) entries.append(element("li", {}, `${note.visitor}: ${note.text}${note.resolved_unix_s ? " (done)" : ""}`));
  inside.replaceChildren(form, made, links, ...(entries.children.length ? [element("h3", {}, "Picks and notes"), entries] : []));
  await showLinks();
}

async function show() {
  const albums = await all(`${path}/albums`);
  byId("no-albums").hidden = albums.length > 0;
  byId("albums").replaceChildren(
    ...albums.map((album) => {
      const inside = element("div", { class: "inside", hidden: true });
      const more = button("Links, picks and notes", async () => {
        inside.hidden = !inside.hidden;
        more.setAttribute("aria-expanded", String(!inside.hidden));
        if (!inside.hidden) await open(album, inside).catch((problem) => say(state, problem.message, true));
      });
      more.setAttribute("aria-expanded", "false");
      const remove = button("Delete", async () => {
        if (!(await sure(`Delete the album ${album.name}?`, "The album's links, picks and notes are deleted. The photos stay in the event.", "Delete album"))) return;
        await call("DELETE", `${path}/albums/${album.id}`).then(show, (problem) => say(state, problem.message, true));
      });
      const change = button("Edit", () => (say(state, ""), edit(album, change)));
      const one = row(album.name, about(album), more, change, remove);
      one.append(inside);
      return one;
    }),
  );
}

const folders = await all(`${path}/folders`);
for (const fieldset of [byId("folders"), byId("edit-folders")]) {
  fieldset.hidden = folders.length === 0;
  for (const folder of folders) {
    const box = element("input", { type: "checkbox", name: "folder", value: folder.id });
    fieldset.append(element("label", { class: "check" }, box, folder.name + (folder.hidden ? " (hidden)" : "")));
  }
}
const edit = editor(path, folders, async (name) => {
  await show();
  say(state, `Changes to ${name} saved.`);
});

onSubmit(byId("new-album"), async ({ name, view_pin, annotate_pin, ends, downloads_max }) => {
  const chosen = new FormData(byId("new-album")).getAll("folder");
  await call("POST", `${path}/albums`, {
    name,
    ...(view_pin && { view_pin }),
    ...(annotate_pin && { annotate_pin }),
    ...(ends && { ends_unix_s: Date.parse(`${ends}T23:59:59Z`) / 1000 }),
    ...(downloads_max && { downloads_max: Number(downloads_max) }),
    ...(chosen.length && { folders: chosen }),
  });
  byId("new-album").reset();
  await show();
  return "Album created. Create a link to share it.";
});
ready();
await show();
