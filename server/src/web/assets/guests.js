import { byId, call, count, day, element, onSubmit, ready, say } from "./api.js";
import { all, button, face, receiptLink, row, sure, thisEvent } from "./studio_common.js";

const { path, event } = await thisEvent();
const studios = await call("GET", "/studios");
byId("card-event").textContent = event.name;
byId("card-studio").textContent = studios.find(({ id }) => id === event.studio)?.name ?? "";

async function showLinks() {
  const links = await all(`${path}/guest-links`);
  const withdraw = (link) => async () => {
    if (!(await sure("Turn off this link?", "No new guests can use the link. Guests who have already used it keep their access.", "Turn off"))) return;
    await call("DELETE", `${path}/guest-links/${link.id}`);
    byId("made").hidden = true;
    await showLinks();
  };
  byId("links").replaceChildren(
    ...links.map((link) => row(link.name || "No name", `created ${day(link.created_unix_s)}, valid until ${day(link.expires_unix_s)}`, button("Turn off", withdraw(link)))),
  );
}

onSubmit(byId("new-link"), async (given) => {
  const made = await call("POST", `${path}/guest-links`, { name: given["link-name"] });
  // As an image, so that the SVG's markup does not become part of the page.
  const picture = URL.createObjectURL(new Blob([made.qr_svg], { type: "image/svg+xml" }));
  for (const id of ["made-qr", "card-qr"]) byId(id).src = picture;
  byId("save-qr").href = picture;
  byId("made-url").href = byId("made-url").textContent = made.url;
  byId("made").hidden = false;
  byId("new-link").reset();
  await showLinks();
  byId("made-title").focus();
  return "The link is shown once. Print or save its QR code now.";
});
byId("print").addEventListener("click", () => print());

// Shows an access request and resolves to the face that the studio chooses; empty if the studio cancels.
let people = null;
async function choose(request) {
  people ??= (await call("GET", `${path}/people`)).people;
  const dialog = byId("choose");
  byId("choose-about").textContent = `${request.name}: ${request.message || "no message"}`;
  byId("choose-none").hidden = people.length > 0;
  byId("choose-faces").replaceChildren(
    ...people.map((person, at) => {
      const label = `Person ${at + 1}, ${count(person.photos, "photo", "photos")}`;
      return element("li", {}, element("button", { class: "face", value: person.face, "aria-label": label }, face(path, person), element("span", {}, count(person.photos, "photo", "photos"))));
    }),
  );
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "no" ? "" : dialog.returnValue;
}

async function showRequests() {
  const requests = await all(`${path}/guest-requests`);
  byId("no-requests").hidden = requests.length > 0;
  const state = byId("request-state");
  const done = async (work, text) => {
    try {
      await work();
      say(state, text);
      await Promise.all([showRequests(), showGuests()]);
    } catch (problem) {
      say(state, problem.message, true);
    }
  };
  const letIn = (request) => async () => {
    const chosen = await choose(request);
    if (chosen) await done(() => call("POST", `${path}/guest-requests/${request.id}`, { face: chosen }), `${request.name} gets an e-mail with a link to the photos.`);
  };
  const decline = (request) => async () => {
    if (await sure(`Decline ${request.name}?`, "The request is deleted.", "Decline request"))
      await done(() => call("DELETE", `${path}/guest-requests/${request.id}`), "Request declined.");
  };
  byId("requests").replaceChildren(
    ...requests.map((request) =>
      row(request.name, `${request.contact} · ${day(request.created_unix_s)} · ${request.message}`, button("Choose face", letIn(request), ""), button("Decline", decline(request))),
    ),
  );
}

byId("list-state").textContent = {
  guest_list: "Only these addresses get a code. Other people see the same pages, and no code arrives.",
}[event.guest_proof] ?? "Not in use. Choose “for your guest list only” in Settings to admit only these addresses.";

async function showList() {
  const listed = await all(`${path}/guest-list`);
  const remove = (one) => async () => {
    if (!(await sure(`Remove ${one.contact} from the list?`, "The address gets no more codes. A guest who has used it before stays a guest; remove the guest below.", "Remove address"))) return;
    await call("DELETE", `${path}/guest-list/${one.id}`);
    await showList();
  };
  byId("listed-contacts").replaceChildren(...listed.map((one) => row(one.contact, `added ${day(one.created_unix_s)}`, button("Remove", remove(one)))));
}

onSubmit(byId("new-listed"), async (given) => {
  const contacts = given.contacts.split(/[\s,;]+/).filter(Boolean);
  let [added, known] = [0, 0];
  // The API takes 1,000 addresses at once.
  for (let at = 0; at < contacts.length; at += 1000) {
    const answer = await call("POST", `${path}/guest-list`, { contacts: contacts.slice(at, at + 1000) });
    [added, known] = [added + answer.added, known + answer.known];
  }
  byId("new-listed").reset();
  await showList();
  return `${count(added, "address", "addresses")} added${known ? `, ${known} already on the list` : ""}.`;
});

async function showGuests() {
  const guests = await all(`${path}/guests`);
  byId("no-guests").hidden = guests.length > 0;
  const remove = (guest) => async () => {
    const text = "The guest's face template, name and contact details are deleted. This cannot be undone.";
    if (!(await sure(`Remove ${guest.name}?`, text, "Remove guest"))) return;
    try {
      const { receipt } = await call("DELETE", `${path}/guests/${guest.id}`);
      await Promise.all([showGuests(), showConsents()]);
      byId("removed").replaceChildren(`${guest.name} removed. `, receiptLink(receipt));
    } catch (problem) {
      say(byId("removed"), problem.message, true);
    }
  };
  byId("guests").replaceChildren(
    ...guests.map((guest) => {
      const face = guest.verified_unix_s ? `verified ${day(guest.verified_unix_s)}` : "not verified yet";
      const contact = guest.contact_proved_unix_s ? " · address proved" : "";
      const letters = guest.notifications === "on" ? " · gets e-mails" : "";
      return row(guest.name, `${guest.contact}${contact} · ${face}${letters}`, button("Remove", remove(guest)));
    }),
  );
}

async function showConsents() {
  const consents = await all(`${path}/guest-consents`);
  byId("consents").replaceChildren(
    ...consents.map((one) => {
      const back = one.withdrawn_unix_s ? `, withdrawn ${day(one.withdrawn_unix_s)}` : "";
      const until = one.valid_until_unix_s ? `, valid until ${day(one.valid_until_unix_s)}` : "";
      return row(`Guest ${one.guest.slice(0, 8)}`, `version ${one.version} (${one.language})${until}, given ${day(one.given_unix_s)}${back}`);
    }),
  );
}

ready();
await Promise.all([showLinks(), showRequests(), showList(), showGuests(), showConsents()]);
