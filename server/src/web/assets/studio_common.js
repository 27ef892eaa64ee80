import { banner, byId, call, day, element } from "./api.js";

const plain = (code) => code.replaceAll("_", " ");

// Loads the event whose id is in the page's address. Fills in the page's heading and tabs.
export async function thisEvent() {
  const id = location.pathname.split("/")[3];
  const path = `/events/${id}`;
  for (const tab of document.querySelectorAll("[data-page]"))
    tab.href = `/studio${path}${tab.dataset.page && `/${tab.dataset.page}`}`;
  await banner();
  const event = await call("GET", path);
  byId("event-name").textContent = event.name;
  document.title = `${event.name} · PicPick`;
  byId("event-about").textContent = `Kept until ${day(event.ends_unix_s)} · Purpose: ${plain(event.purpose)} (${plain(event.legal_basis)})`;
  byId("event-deferred").hidden = !event.analysis_deferred;
  return { id, path, event };
}

// Loads the user's first studio. Fills in the page's heading.
export async function thisStudio() {
  await banner();
  const [studio] = await call("GET", "/studios");
  byId("studio-name").textContent = studio.name;
  document.title = `${studio.name} · PicPick`;
  return { studio, path: `/studios/${studio.id}` };
}

// Returns all items of a paginated list. `filter` holds further query parameters, joined by `&`.
export async function all(path, filter = "") {
  const items = [];
  for (let cursor = ""; ; ) {
    const page = await call("GET", `${path}?limit=500${filter && `&${filter}`}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    items.push(...page.items);
    if (!page.next) return items;
    cursor = page.next;
  }
}

// Shows the fields for a code if the account has a second factor, else hides them.
export function showCodeFields(me) {
  for (const field of document.querySelectorAll("[data-code]")) {
    field.hidden = !me.second_factor;
    field.querySelector("input").required = me.second_factor;
  }
}

// Opens the confirmation dialog. Resolves to `true` if the user confirms, else to `false`.
export function sure(title, text, yes) {
  const dialog = byId("ask-sure");
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

// Builds a list row: title, details, buttons.
export function row(title, about, ...deeds) {
  const text = element("div", {}, element("strong", {}, title), element("span", { class: "hint" }, about));
  return element("li", {}, text, element("div", { class: "deeds" }, ...deeds));
}

export function button(text, work, look = "quiet") {
  const made = element("button", { type: "button", class: look }, text);
  made.addEventListener("click", work);
  return made;
}

export const receiptLink = (receipt) =>
  element("a", { href: URL.createObjectURL(new Blob([receipt], { type: "application/json" })), download: "receipt.json" }, "Save receipt");

// Builds a thumbnail that links to the larger photo. `more` holds further attributes of the image.
export function photoLink(path, photo, alt, more = {}) {
  const address = `/api/v1${path}/photos/${photo}`;
  const image = element("img", { src: `${address}/thumb`, alt, loading: "lazy", width: 240, height: 240, ...more });
  return element("a", { href: `${address}/web`, target: "_blank", rel: "noopener" }, image);
}

const EDGE_PX = 160;
const sizes = new Map();

const sizeOf = (path, photo) => {
  if (!sizes.has(photo)) sizes.set(photo, call("GET", `${path}/photos/${photo}`));
  return sizes.get(photo);
};

// Draws the crop of a face. `bbox` is in pixels of the upright original and is scaled to the loaded rendition.
async function draw(canvas, path, { photo, bbox: [left, top, width, height] }) {
  const image = new Image();
  image.src = `/api/v1${path}/photos/${photo}/web`;
  const [whole] = await Promise.all([sizeOf(path, photo), image.decode()]);
  const scale = Math.max(image.naturalWidth, image.naturalHeight) / Math.max(whole.width, whole.height);
  const side = Math.max(width, height) * 1.5 * scale;
  const [x, y] = [(left + width / 2) * scale - side / 2, (top + height / 2) * scale - side / 2];
  canvas.getContext("2d").drawImage(image, x, y, side, side, 0, 0, EDGE_PX, EDGE_PX);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    seen.unobserve(entry.target);
    entry.target.drawFace();
  }
});

// Returns a canvas that draws the face when it scrolls into view.
export function face(path, found) {
  const canvas = element("canvas", { width: EDGE_PX, height: EDGE_PX, "aria-hidden": "true" });
  canvas.drawFace = () => draw(canvas, path, found).catch(() => null);
  seen.observe(canvas);
  return canvas;
}
