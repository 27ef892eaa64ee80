// The people of an event. The studio can merge, split and hide people, and undo the last of these corrections.

import { byId, call, count, element, ready, say } from "./api.js";
import { face, photoLink, sure, thisEvent } from "./studio_common.js";

const AT_ONCE = 60;
const FACES_MAX = 5000;
const { path, event } = await thisEvent();
// The page's heading says why there are no people yet.
byId("no-people").textContent = event.analysis_deferred ? "No face is analysed yet." : "No faces found yet.";
const ticked = new Set();
let people = [];
let shown = 0;
let opened = null;

const post = (what, body) => call("POST", `${path}/people/${what}`, body);
const facesOf = (one, limit = FACES_MAX) => call("GET", `${path}/people/${one}?limit=${limit}`);
const photosText = (number) => count(number, "photo", "photos");

// The list of people.
function tile(person, at) {
  const name = `Person ${at + 1}${person.hidden ? ", hidden" : ""}`;
  const text = person.hidden ? "hidden" : photosText(person.photos);
  const open = element("button", { class: "face", type: "button", "aria-label": `${name}, ${photosText(person.photos)}`, "data-face": person.face }, face(path, person), element("span", {}, text));
  open.addEventListener("click", () => attempt(() => show(person.face, at)));
  const box = element("input", { type: "checkbox", "aria-label": `Select person ${at + 1}`, checked: ticked.has(person.face) });
  box.addEventListener("change", () => tick(ticked, person.face, box.checked, "merge", 2));
  return element("li", {}, open, element("label", { class: "check" }, box, "Select"));
}

function tick(set, one, on, button, least) {
  if (on) set.add(one);
  else set.delete(one);
  byId(button).disabled = set.size < least;
}

function more(upTo = shown + AT_ONCE) {
  byId("people").append(...people.slice(shown, upTo).map((person, nth) => tile(person, shown + nth)));
  shown = Math.min(upTo, people.length);
  byId("more").hidden = shown >= people.length;
}

async function list() {
  const found = await call("GET", `${path}/people?hidden=${byId("show-hidden").checked}`);
  people = found.people;
  const { hidden } = found;
  byId("no-people").hidden = people.length + hidden > 0;
  byId("people-hint").hidden = people.length === 0;
  byId("merge").hidden = people.length < 2;
  byId("merge").disabled = true;
  byId("hidden-choice").hidden = hidden === 0;
  byId("hidden-count").textContent = `Show hidden people (${hidden})`;
  ticked.clear();
  const before = Math.max(shown, AT_ONCE);
  shown = 0;
  byId("people").replaceChildren();
  more(before);
}

// One person.
async function show(one, at = people.findIndex(({ face }) => face === one), focus = true) {
  const person = await facesOf(one);
  opened = { one, person, ticked: new Set() };
  byId("theirs").hidden = false;
  byId("theirs-title").textContent = `Person ${at < 0 ? "" : at + 1}: ${count(person.faces, "face", "faces")}`;
  byId("split").disabled = true;
  byId("split").hidden = person.faces < 2;
  byId("hide").textContent = person.hidden ? "Show person" : "Hide person";
  byId("their-faces").replaceChildren(
    ...person.items.map((item, nth) => {
      const fits = `Similarity ${item.similarity.toFixed(2)}`;
      const box = element("input", { type: "checkbox", "aria-label": `Face ${nth + 1}. ${fits}` });
      box.addEventListener("change", () => tick(opened.ticked, item.face, box.checked, "split", 1));
      const words = element("span", { class: "check" }, box, fits);
      return element("li", {}, element("label", { class: "face button" }, face(path, item), words));
    }),
  );
  byId("their-more").hidden = person.faces <= person.items.length;
  byId("their-more").textContent = `${(person.faces - person.items.length).toLocaleString()} more faces with a higher similarity.`;
  const photos = [...new Set(person.items.map(({ photo }) => photo))];
  byId("found-title").textContent = photosText(person.photos);
  byId("found").replaceChildren(
    ...photos.map((photo, nth) => element("li", {}, photoLink(path, photo, `Photo ${nth + 1} of this person`))),
  );
  if (focus) byId("theirs-title").focus();
}

function closePerson() {
  opened = null;
  byId("theirs").hidden = true;
}

// Shows the text of a correction. `back` undoes the correction; `null` if it cannot be undone.
let undo = null;
function report(text, back) {
  undo = back;
  byId("undo").hidden = !back;
  say(byId("told"), text);
}

async function attempt(work) {
  try {
    await work();
  } catch (problem) {
    report("", null);
    say(byId("told"), problem.message, true);
  }
}

const again = (faces) =>
  post("merge", { faces }).catch((problem) => {
    if (problem.code !== "shared_photo") throw problem;
    return post("merge", { faces, allow_same_photo: true });
  });

async function merge() {
  const chosen = people.filter((person) => ticked.has(person.face));
  const before = await Promise.all(chosen.map(async (person) => ({ person, faces: (await facesOf(person.face)).items.map((item) => item.face) })));
  const faces = chosen.map((person) => person.face);
  try {
    await post("merge", { faces });
  } catch (problem) {
    if (problem.code !== "shared_photo") throw problem;
    const text = "At least one photo shows the selected people as two. Merge them only if that photo is a collage or shows a mirror.";
    if (!(await sure("Merge people from one photo?", text, "Merge"))) return;
    await post("merge", { faces, allow_same_photo: true });
  }
  closePerson();
  await list();
  const all = new Set(before.flatMap((one) => one.faces));
  document.querySelector([...all].map((one) => `#people [data-face="${one}"]`).join(","))?.focus();
  // To undo, all people except the largest are split off again.
  const parted = before.toSorted((a, b) => a.faces.length - b.faces.length);
  report(`${chosen.length} people merged.`, async () => {
    for (const one of parted.slice(0, -1)) await post("split", { faces: one.faces });
    if (chosen.some(({ hidden }) => !hidden))
      for (const { person } of before) if (person.hidden) await post("hide", { face: person.face, hidden: true });
  });
}

async function split() {
  const { person, ticked: theirs } = opened;
  const faces = [...theirs];
  const rest = person.items.findLast((item) => !theirs.has(item.face));
  await post("split", { faces });
  await list();
  if (rest) await show(rest.face).catch(closePerson);
  report(`${count(faces.length, "face", "faces")} moved to another person.`, rest && (async () => {
    await again([faces[0], rest.face]);
    if (person.hidden) await post("hide", { face: rest.face, hidden: true });
  }));
}

async function hide() {
  const { one, person } = opened;
  const hidden = !person.hidden;
  await post("hide", { face: one, hidden });
  closePerson();
  await list();
  byId("people-title").focus();
  report(hidden ? "Person hidden." : "Person shown again.", () => post("hide", { face: one, hidden: !hidden }));
}

byId("more").addEventListener("click", () => more());
byId("merge").addEventListener("click", () => attempt(merge));
byId("split").addEventListener("click", () => attempt(split));
byId("hide").addEventListener("click", () => attempt(hide));
byId("show-hidden").addEventListener("change", () => attempt(list));
byId("undo").addEventListener("click", () =>
  attempt(async () => {
    const back = undo;
    report("", null);
    await back();
    closePerson();
    await list();
    byId("people-title").focus();
    report("Undone.", null);
  }),
);
await list();
ready();
