import { byId, call, day, element, ready, say } from "./api.js";
import { all, receiptLink, row, thisStudio } from "./studio_common.js";

const { path } = await thisStudio();
const when = (unixS) => new Date(unixS * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

// The names of the members, by actor id. For other actors, the page shows the first 8 digits of the id.
const names = new Map((await all(`${path}/members`)).map((member) => [`user:${member.user}`, member.name]));
const who = (actor) => names.get(actor) ?? short(actor);
const short = (text) => text.replace(/[0-9a-f]{32}/g, (id) => `${id.slice(0, 8)}…`);

let cursor = "";
async function more() {
  const page = await call("GET", `${path}/audit?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
  const cell = (text) => element("td", {}, text);
  byId("audit").append(
    ...page.items.map((entry) =>
      element("tr", {}, cell(when(entry.at_unix_s)), cell(who(entry.actor)), cell(entry.action.replaceAll("_", " ")), cell(short([entry.target, entry.detail].filter(Boolean).join(" · ")))),
    ),
  );
  cursor = page.next ?? "";
  byId("more").hidden = !cursor;
}
byId("more").addEventListener("click", more);

ready();
try {
  const [receipts, alerts] = await Promise.all([all(`${path}/receipts`), all(`${path}/alerts`)]);
  byId("no-receipts").hidden = receipts.length > 0;
  byId("receipts").replaceChildren(...receipts.map((one) => row(`Deletion in event ${one.event.slice(0, 8)}`, day(one.created_unix_s), receiptLink(one.receipt))));
  byId("no-alerts").hidden = alerts.length > 0;
  byId("alerts").replaceChildren(...alerts.map((one) => row(String(one.pattern).replaceAll("_", " "), `${one.subject} · ${one.count} times · ${when(one.created_unix_s)}`)));
  await more();
} catch (problem) {
  say(document.querySelector(".outcome"), problem.message, true);
}
