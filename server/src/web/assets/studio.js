import { banner, byId, call, day, element, onSubmit, ready } from "./api.js";
import { all, button, row, showCodeFields } from "./studio_common.js";

const me = await banner();
showCodeFields(me);
const [studio] = await call("GET", "/studios");
byId("studio-name").textContent = studio.name;
document.title = `${studio.name} · PicPick`;

async function showEvents() {
  const tiles = [];
  let cursor = "";
  do {
    const page = await call("GET", `/studios/${studio.id}/events?limit=500${cursor && `&cursor=${cursor}`}`);
    for (const event of page.items) {
      const link = element("a", { href: `/studio/events/${event.id}` }, event.name);
      tiles.unshift(element("li", {}, link, element("span", { class: "hint" }, `until ${day(event.ends_unix_s)}`)));
    }
    cursor = page.next ?? "";
  } while (cursor);
  byId("events").replaceChildren(...tiles);
  byId("no-events").hidden = tiles.length > 0;
}

byId("legal-basis").value = studio.legal_basis ?? "";

async function showKeys() {
  const keys = await all(`/studios/${studio.id}/keys`).catch(() => []);
  byId("keys").replaceChildren(
    ...keys.map((key) =>
      row(
        key.name,
        `${key.role} · created by ${key.created_by_name} · ${key.last_used_unix_s ? `last used ${day(key.last_used_unix_s)}` : "not used"}`,
        button("Revoke", () => call("DELETE", `/studios/${studio.id}/keys/${key.id}`).then(showKeys)),
      ),
    ),
  );
}

const gib = (bytes) => `${(bytes / 2 ** 30).toLocaleString(undefined, { maximumFractionDigits: 1 })} GiB`;
const LIMITS = {
  storage_bytes: ["Photos", gib],
  open_uploads: ["Unfinished uploads", (count) => count.toLocaleString()],
  upload_bytes: ["Size of unfinished uploads", gib],
  guests: ["Registered guests", (count) => count.toLocaleString()],
};

// Members without the right to see the figures get none.
async function showLimits() {
  const limits = await call("GET", `/studios/${studio.id}/limits`).catch(() => []);
  byId("usage").hidden = limits.length === 0;
  byId("limits").replaceChildren(
    ...limits.filter(({ kind }) => kind in LIMITS).map(({ kind, used, max }) => {
      const [name, shown] = LIMITS[kind];
      return row(name, `${shown(used)} of ${shown(max)}`);
    }),
  );
}

onSubmit(byId("new-event"), async ({ name, legal_basis }) => {
  const event = await call("POST", `/studios/${studio.id}/events`, { name, legal_basis });
  location.assign(`/studio/events/${event.id}`);
});

onSubmit(byId("new-key"), async (given) => {
  const made = await call("POST", `/studios/${studio.id}/keys`, {
    name: given["key-name"],
    role: "photographer",
    password: given["key-password"],
    ...(me.second_factor ? { code: given["key-code"] } : {}),
  });
  byId("new-key").reset();
  const shown = byId("key-shown");
  shown.textContent = `export PICPICK_API_KEY=${made.key}\npicpick upload ${location.origin} EVENT PHOTOS…`;
  shown.hidden = false;
  await showKeys();
  return "Copy the key now. EVENT is the last part of an event page's address.";
});
ready();
await showEvents();
await showKeys();
await showLimits();
