// The guest's photos. New photos are appended, so that photos in view do not move.

import { byId, call, element } from "./api.js";
import { number, word } from "./strings.js";
import { viewer } from "./viewer.js";
import { mine } from "./guest_settings.js";

const open = { signIn: false };
const file = (photo, kind) => `/api/v1/guest/photos/${photo.id}/${kind}`;
const known = new Map();
let together = false;
// Whether the server is still searching photos for faces; asked until it is done.
let searching = true;

// Calls the API and shows errors. If the session has ended, reloads: the server then sends the page of an ended
// session.
export async function ask(method, path, body) {
  try {
    const answer = await call(method, path, body, open);
    byId("trouble").textContent = "";
    return answer;
  } catch (problem) {
    if (problem.status === 401) location.reload();
    else byId("trouble").textContent = word(problem.status ? "failed" : "no_line");
    throw problem;
  }
}

const shown = () => [...known.values()].filter((photo) => !photo.out);

const look = viewer({
  list: shown,
  file,
  notMe: (photo) => claim(photo, "reject"),
});

function tile(photo, place) {
  const shape = { width: photo.width, height: photo.height };
  const image = element("img", { src: file(photo, "thumb"), alt: word("photo", { count: place }), loading: place > 6 ? "lazy" : "eager", decoding: "async", ...shape });
  const link = element("a", { href: file(photo, "web") }, image);
  link.addEventListener("click", (press) => {
    if (press.ctrlKey || press.metaKey || press.shiftKey) return;
    press.preventDefault();
    look(photo);
  });
  const out = element("button", { class: "not-me", type: "button", "aria-label": `${word("not_me")}: ${word("photo", { count: place })}` }, word("not_me"));
  out.addEventListener("click", () => claim(photo, "reject").catch(() => null));
  photo.tile = element("li", {}, link, out);
  return photo.tile;
}

// Resolves when all claims sent so far have ended. `refresh` waits for it, because a list that the server sent
// before a claim would undo the claim on the page.
let saying = Promise.resolve();
function claim(photo, what) {
  const sent = say(photo, what);
  saying = Promise.allSettled([saying, sent]);
  return sent;
}

// Sends a claim. Replaces a rejected photo by a placeholder with an undo button.
async function say(photo, what) {
  await ask("PUT", `/guest/faces/${photo.face}`, { claim: what });
  photo.out = what === "reject";
  photo.tile.querySelector(".taken")?.remove();
  photo.tile.classList.toggle("out", photo.out);
  if (photo.out) {
    const undo = element("button", { class: "quiet", type: "button" }, word("undo"));
    undo.addEventListener("click", () => claim(photo, "clear").catch(() => null));
    photo.tile.append(element("div", { class: "taken" }, element("p", { role: "status" }, word("taken_out")), undo));
    if (!byId("viewer").open) undo.focus({ preventScroll: true });
  } else photo.tile.querySelector("a").focus({ preventScroll: true });
  count();
}

function count() {
  const photos = shown();
  byId("count").textContent = photos.length ? number("count", photos.length) : "";
  byId("searching").hidden = !searching;
  byId("none").hidden = searching || photos.length > 0;
  byId("take").hidden = photos.length === 0;
  const some = photos.some((photo) => photo.download !== "off");
  byId("all").hidden = !some || together;
  byId("no-take").hidden = some;
}

async function everything() {
  const photos = [];
  for (let cursor = ""; ; ) {
    const page = await ask("GET", `/guest/photos?limit=500&together=${together}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    photos.push(...page.items);
    if (!page.next) return photos;
    cursor = page.next;
  }
}

// Updates the list and announces new photos once. With `fresh`, draws the whole list and announces nothing.
async function refresh(fresh) {
  let photos;
  for (let before = null; before !== saying; ) {
    before = saying;
    await before;
    // Asked first: photos that are found in between are then in the list.
    if (searching) ({ searching } = await ask("GET", "/guest"));
    photos = await everything();
  }
  if (fresh) {
    known.clear();
    byId("photos").replaceChildren();
  }
  const there = new Set(photos.map((photo) => photo.id));
  for (const [id, photo] of known)
    if (!there.has(id) && !photo.out) {
      photo.tile.remove();
      known.delete(id);
    }
  const added = photos.filter((photo) => !known.has(photo.id));
  for (const photo of added) {
    known.set(photo.id, photo);
    byId("photos").append(tile(photo, known.size));
  }
  count();
  if (!fresh && added.length) announce(added);
}

function announce(added) {
  const text = number("new", added.length);
  byId("news-said").textContent = text;
  const pill = byId("news");
  pill.textContent = `${text} ↓`;
  pill.hidden = false;
  pill.onclick = () => {
    pill.hidden = true;
    added[0].tile.scrollIntoView({ block: "center" });
    added[0].tile.querySelector("a")?.focus({ preventScroll: true });
  };
}

// Adds a question for each face that may be the guest's.
async function questions() {
  const { faces } = await ask("GET", "/guest/faces");
  const present = new Set([...byId("faces").children].map((one) => one.dataset.face));
  for (const face of faces.filter((face) => !present.has(face))) {
    const answer = (claim, name, quiet) => {
      const button = element("button", { class: quiet ? "quiet" : "", type: "button" }, word(name));
      button.addEventListener("click", async () => {
        await ask("PUT", `/guest/faces/${face}`, { claim });
        byId("asked-said").textContent = word("thanks");
        one.remove();
        byId("asked").hidden = !byId("faces").children.length;
        (byId("faces").querySelector("button") ?? byId("main")).focus({ preventScroll: true });
        if (claim === "confirm") await refresh(false);
      });
      return button;
    };
    const image = element("img", { src: `/api/v1/guest/faces/${face}`, alt: word("face"), width: 112, height: 112, loading: "lazy" });
    const one = element("li", { "data-face": face }, image, answer("confirm", "yes", false), answer("reject", "no", true));
    byId("faces").append(one);
  }
  byId("asked").hidden = !byId("faces").children.length;
}

// Handles an update event. All events during a refresh cause one more refresh together.
let [due, looking] = [false, false];
async function news() {
  if (looking) return (due = true);
  looking = true;
  do {
    due = false;
    await refresh(false).catch(() => null);
    await questions().catch(() => null);
    await new Promise((done) => setTimeout(done, 1500));
  } while (due);
  looking = false;
}

for (const [button, both] of [["mine", false], ["together", true]])
  byId(button).addEventListener("click", async () => {
    together = both;
    byId("mine").setAttribute("aria-pressed", String(!both));
    byId("together").setAttribute("aria-pressed", String(both));
    await refresh(true);
  });

await refresh(true);
const stop = await mine(ask, () => byId("together").getAttribute("aria-pressed") === "true" && byId("mine").click());
await questions();
let first = true;
const updates = new EventSource("/api/v1/guest/updates");
updates.addEventListener("update", () => (first ? (first = false) : news()));
stop(() => updates.close());
