import { byId, call, count, element, ready, say } from "./api.js";
import { face, photoLink, thisEvent } from "./studio_common.js";

// Limits the photos of one request, 24 photos.
const AT_ONCE = 24;
// Limits the crops of one photo, 8 faces.
const FACES_AT_MOST = 8;
const KINDS = {
  small: { of: "faces", title: "Photos with faces that are too small" },
  blurred: { of: "faces", title: "Photos with blurred faces" },
  turned: { of: "faces", title: "Photos with faces turned away" },
  without_face: { of: "photos", title: "Photos in which no face was found" },
  unreadable: { of: "photos", title: "Photos that could not be read" },
};

const { path, event } = await thisEvent();
const report = await call("GET", `${path}/coverage`);

const percent = (part, whole) => {
  const share = whole ? (part / whole) * 100 : 0;
  return share > 0 && share < 1 ? "under 1 %" : `${Math.round(share)} %`;
};

const recall = report.expected_recall;
// The page's heading says until when.
const nothing = event.analysis_deferred ? "No face is analysed yet." : "No faces found yet.";
byId("sentence").textContent =
  recall === null ? nothing : `Guests will find about ${Math.round(recall * 100)} % of their photos.`;
byId("found-bar").value = recall ?? 0;
byId("faces-about").textContent = report.faces
  ? `${count(report.faces, "face", "faces")} in ${count(report.indexed, "photo", "photos")}. Easy to match: ${report.good.toLocaleString()} (${percent(report.good, report.faces)}).`
  : nothing;
byId("photos-about").textContent = [
  `${report.indexed.toLocaleString()} of ${count(report.photos, "photo", "photos")} searched`,
  ...(report.deferred ? [`${report.deferred.toLocaleString()} not analysed until a guest searches`] : []),
  ...(report.pending ? [`${report.pending.toLocaleString()} to go`] : []),
].join(" · ");
const none = (what) => (event.analysis_deferred && what !== "unreadable" ? "Not analysed" : "None");
for (const [what, { of }] of Object.entries(KINDS)) {
  const [part, whole] = [report[what], report[of]];
  byId(`${what}-bar`).value = whole ? part / whole : 0;
  byId(`${what}-count`).textContent = part ? `${part.toLocaleString()} of ${count(whole, of.slice(0, -1), of)} (${percent(part, whole)})` : none(what);
  document.querySelector(`[data-what=${what}]`).hidden = part === 0;
}

byId("by-folder").hidden = report.folders.length === 0;
byId("folders").append(
  ...report.folders.map((folder) => {
    const weak = folder.small + folder.blurred + folder.turned;
    const found = folder.expected_recall === null ? "–" : `about ${Math.round(folder.expected_recall * 100)} %`;
    const cells = [folder.indexed, folder.faces, weak].map((number) => number.toLocaleString());
    return element("tr", {}, element("th", { scope: "row" }, folder.name), ...[...cells, found].map((text) => element("td", {}, text)));
  }),
);

// Builds the tile of a photo: the photo with crops of its weak faces, or, if it is unreadable, the reason.
function tile(photo) {
  if (photo.reason !== undefined) return element("li", {}, element("strong", {}, photo.name), element("span", { class: "why" }, photo.reason));
  const about = photo.faces.length ? `${photo.name} · ${count(photo.faces.length, "face", "faces")}` : photo.name;
  const cuts = photo.faces.slice(0, FACES_AT_MOST).map(({ bbox }) => face(path, { photo: photo.id, bbox }));
  return element("li", {}, photoLink(path, photo.id, photo.name), element("span", { class: "hint" }, about), element("div", { class: "cuts" }, ...cuts));
}

let what;
let cursor;
async function more() {
  const outcome = document.querySelector("#listed .outcome");
  const requested = what;
  say(outcome, "Loading…");
  try {
    const page = await call("GET", `${path}/coverage/photos?issue=${what}&limit=${AT_ONCE}${cursor && `&cursor=${cursor}`}`);
    if (requested !== what) return;
    const first = byId("list").children.length === 0;
    byId("list").append(...page.items.map(tile));
    if (first) byId("listed-title").scrollIntoView();
    cursor = page.next ?? "";
    byId("more").hidden = !cursor;
    say(outcome, `${count(byId("list").children.length, "photo", "photos")}${cursor ? " so far" : ""}`);
  } catch (problem) {
    say(outcome, problem.message, true);
  }
}
byId("more").addEventListener("click", more);
for (const button of document.querySelectorAll("[data-what]"))
  button.addEventListener("click", () => {
    [what, cursor] = [button.dataset.what, ""];
    byId("listed").hidden = false;
    byId("listed-title").textContent = KINDS[what].title;
    byId("list").replaceChildren();
    byId("more").hidden = true;
    byId("listed-title").focus();
    return more();
  });
ready();
