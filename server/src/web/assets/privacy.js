import { byId, call, count, day, element, onSubmit, ready, say } from "./api.js";
import { all, button, face, receiptLink, row, sure, thisEvent } from "./studio_common.js";

const { path, event } = await thisEvent();
const studios = await call("GET", "/studios");
byId("card-event").textContent = event.name;
byId("card-studio").textContent = studios.find(({ id }) => id === event.studio)?.name ?? "";

async function attempt(where, work) {
  try {
    say(where, "");
    await work();
  } catch (problem) {
    say(where, problem.message, true);
  }
}

const asker = { guest: "A guest", person: "A person in the photos", studio: "The studio", retention: "The end of a consent" };
const outcomes = { erased: "deleted", undone: "undone, shown again", requested: "in progress", due: "in progress", lifting: "in progress" };

async function showErasures() {
  const erasures = (await all(`${path}/erasures`)).reverse();
  byId("no-erasures").hidden = erasures.length > 0;
  const undo = (one) => () =>
    attempt(byId("erasure-state"), async () => {
      const text = `${count(one.faces, "face", "faces")} in ${count(one.photos, "photo", "photos")} can be found again. The guest's own template stays deleted. A guest with a confirmed e-mail address is told.`;
      if (!(await sure("Show these faces again?", text, "Show faces again"))) return;
      await call("DELETE", `${path}/erasures/${one.id}`);
      say(byId("erasure-state"), "The faces are shown again.");
      await showErasures();
    });
  byId("erasures").replaceChildren(
    ...erasures.map((one) => {
      const state = one.state === "hidden" ? `hidden, deleted on ${day(one.due_unix_s)}` : outcomes[one.state];
      const about = `${day(one.requested_unix_s)} · ${count(one.faces, "face", "faces")} in ${count(one.photos, "photo", "photos")} · ${state}${one.opt_out ? " · kept out of later photos" : ""}`;
      const deeds = one.state === "hidden" ? [button("Show faces again", undo(one))] : [];
      return row(asker[one.requested_by] ?? one.requested_by, about, ...deeds);
    }),
  );
}

// Resolves to the face that the studio chooses; empty if the studio cancels.
async function choose(about) {
  const { people } = await call("GET", `${path}/people?hidden=true`);
  const dialog = byId("choose");
  byId("choose-about").textContent = about;
  byId("opt-out").checked = false;
  byId("choose-none").hidden = people.length > 0;
  byId("choose-faces").replaceChildren(
    ...people.map((person, at) => {
      const photos = count(person.photos, "photo", "photos");
      return element("li", {}, element("button", { class: "face", value: person.face, "aria-label": `Person ${at + 1}, ${photos}` }, face(path, person), element("span", {}, photos)));
    }),
  );
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "no" ? "" : dialog.returnValue;
}

const erase = (about, request) => () =>
  attempt(byId("request-state"), async () => {
    const chosen = await choose(about);
    const optOut = byId("opt-out").checked;
    const text = "The face data of this person in all photos of the event is deleted. The photos stay. This cannot be undone.";
    if (!chosen || !(await sure("Delete this person's face data?", text, "Delete face data"))) return;
    const body = { face: chosen, opt_out: optOut, ...(request && { privacy_request: request }) };
    const { erasure, receipt } = await call("POST", `${path}/erasures`, body);
    await Promise.all([showErasures(), showRequests()]);
    byId("request-state").replaceChildren(`${count(erasure.faces, "face", "faces")} deleted. `, receiptLink(receipt));
  });

async function showRequests() {
  const requests = await all(`${path}/privacy-requests`);
  byId("no-requests").hidden = requests.length > 0;
  const decline = (one) => () =>
    attempt(byId("request-state"), async () => {
      if (!(await sure(`Decline the request of ${one.name}?`, "Name, contact and message are deleted. Requesters with an e-mail address are told.", "Decline request"))) return;
      await call("DELETE", `${path}/privacy-requests/${one.id}`);
      say(byId("request-state"), "Request declined.");
      await showRequests();
    });
  byId("requests").replaceChildren(
    ...requests.map((one) =>
      row(one.name, [one.contact, day(one.created_unix_s), one.message].filter(Boolean).join(" · "), button("Choose face", erase(`${one.name}: ${one.message || "no message"}`, one.id), ""), button("Decline", decline(one))),
    ),
  );
}

function showNotice({ text, url, qr_svg: svg }) {
  // As an image, so that the SVG's markup does not become part of the page.
  const picture = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  for (const id of ["notice-qr", "card-qr"]) byId(id).src = picture;
  byId("notice-url").href = byId("notice-url").textContent = url;
  byId("text").value = text;
}

onSubmit(byId("notice"), async ({ text }) => {
  showNotice(await call("PUT", `${path}/privacy-notice`, { text }));
  return "Saved.";
});
byId("pick").addEventListener("click", erase("Choose the person in the photos.", null));
byId("print").addEventListener("click", () => print());
byId("log").addEventListener("click", () =>
  attempt(byId("log-state"), async () => {
    const log = await all(`/studios/${event.studio}/privacy-log`);
    const file = new Blob([JSON.stringify(log, null, 2)], { type: "application/json" });
    const link = element("a", { href: URL.createObjectURL(file), download: "privacy-log.json" }, "Save file");
    byId("log-state").replaceChildren(`${count(log.length, "entry", "entries")}. `, link);
    link.click();
  }),
);

ready();
await Promise.all([showErasures(), showRequests(), call("GET", `${path}/privacy-notice`).then(showNotice)]);
