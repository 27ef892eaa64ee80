import { byId, call, element, onSubmit, ready } from "./api.js";
import { all, button, sure, thisEvent } from "./studio_common.js";

const { path, event } = await thisEvent();
const dateOf = (unixS) => new Date(unixS * 1000).toISOString().slice(0, 10);
const form = byId("event");
form.elements.name.value = event.name;
form.elements.ends.value = dateOf(event.ends_unix_s);
form.elements.downloads.value = event.downloads;
form.elements.watermark.value = event.watermark ?? "";
const terms = ["purpose", "legal_basis", "guest_proof", "analysis"];
for (const term of terms) form.elements[term].value = event[term];

onSubmit(form, async ({ name, ends, downloads, watermark, ...given }) => {
  const change = { name, downloads, watermark };
  for (const term of terms) if (given[term] !== event[term]) change[term] = given[term];
  // The event ends at the end of the day (UTC). Sent only if the day changed, to keep a stored time of day.
  if (ends !== dateOf(event.ends_unix_s)) change.ends_unix_s = Date.parse(`${ends}T23:59:59Z`) / 1000;
  Object.assign(event, await call("PATCH", path, change));
  byId("event-name").textContent = event.name;
  byId("event-deferred").hidden = !event.analysis_deferred;
  return "Saved.";
});

function folderRow(folder) {
  const at = `${path}/folders/${folder.id}`;
  const state = element("span", { class: "hint", role: "status" });
  const change = async (what) => {
    state.textContent = "";
    try {
      Object.assign(folder, await call("PATCH", at, what));
      state.textContent = "Saved.";
    } catch (problem) {
      state.textContent = problem.message;
    }
  };
  const hidden = element("input", { type: "checkbox", checked: folder.hidden });
  hidden.addEventListener("change", () => change({ hidden: hidden.checked }));
  const downloads = byId("folder-downloads").content.firstElementChild.cloneNode(true);
  downloads.setAttribute("aria-label", `Downloads of ${folder.name}`);
  downloads.value = folder.downloads ?? "as_event";
  downloads.addEventListener("change", () => change({ downloads: downloads.value }));
  const remove = button("Remove", async () => {
    if (!(await sure(`Remove the folder ${folder.name}?`, "The photos stay in the event, in no folder. Photos of a hidden folder become visible to visitors.", "Remove folder"))) return;
    await call("DELETE", at).then(showFolders, (problem) => (state.textContent = problem.message));
  });
  const text = element("div", {}, element("strong", {}, folder.name), state);
  return element("li", {}, text, element("div", { class: "deeds" }, element("label", { class: "check" }, hidden, "Hidden"), downloads, remove));
}

async function showFolders() {
  byId("folders").replaceChildren(...(await all(`${path}/folders`)).map(folderRow));
}

onSubmit(byId("new-folder"), async (given) => {
  await call("POST", `${path}/folders`, { name: given["folder-name"] });
  byId("new-folder").reset();
  await showFolders();
});
await showFolders();
ready();
