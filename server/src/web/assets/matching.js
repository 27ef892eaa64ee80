// The matching threshold of an event: the current value, an estimate from the event's photos, and a preview of
// a change.

import { byId, call, count, element, ready, say } from "./api.js";
import { face, thisEvent } from "./studio_common.js";

const WAIT_MS = 200;
const [WIDTH, HEIGHT, FOOT] = [640, 200, 24];
const { path } = await thisEvent();
const slider = byId("threshold-offset");
let state;

function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const figure = (number) => number.toFixed(2);

// Draws both distributions. Each is scaled to the chart's height, because pairs of different people far
// outnumber pairs of one person.
function chart() {
  const { from, step, different, same } = state.histogram;
  const x = (score) => ((score - from) / (step * different.length)) * WIDTH;
  const areas = [["different", different], ["same", same]].map(([name, bins]) => {
    const most = Math.max(1, ...bins);
    const top = (bin) => (HEIGHT - FOOT) * (1 - 0.9 * (bin / most));
    const points = bins.flatMap((bin, at) => [`${x(from + at * step)},${top(bin)}`, `${x(from + (at + 1) * step)},${top(bin)}`]);
    return drawn("polygon", { class: name, points: [`0,${HEIGHT - FOOT}`, ...points, `${WIDTH},${HEIGHT - FOOT}`].join(" ") });
  });
  const line = (name, score) => drawn("line", { class: name, x1: x(score), x2: x(score), y1: 0, y2: HEIGHT - FOOT });
  const marks = [-0.2, 0, 0.2, 0.4, 0.6, 0.8].map((score) => drawn("text", { x: x(score), y: HEIGHT - 7 }, score.toFixed(1)));
  const lines = [line("axis", 0), line("bar", state.threshold)];
  if (state.preview.threshold !== state.threshold) lines.push(line("tried", state.preview.threshold));
  const title = `Similarity of two people in one photo, and of one person in two photos. The threshold is ${figure(state.threshold)}.`;
  byId("chart").replaceChildren(drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, ...areas, ...lines, ...marks));
}

// Fills the table with the chart's data, in steps of 0.1, for screen readers.
function table() {
  const { from, step, different, same } = state.histogram;
  const rows = [];
  for (let at = 0; at < different.length; at += 5) {
    const sum = (bins) => bins.slice(at, at + 5).reduce((all, bin) => all + bin, 0);
    const [two, one] = [sum(different), sum(same)];
    if (two + one === 0) continue;
    const range = `${(from + at * step).toFixed(1)} to ${(from + (at + 5) * step).toFixed(1)}`;
    rows.push(element("tr", {}, element("th", { scope: "row" }, range), element("td", {}, two.toLocaleString()), element("td", {}, one.toLocaleString())));
  }
  byId("table").replaceChildren(...rows);
}

function words() {
  const { faces, threshold, formula, threshold_offset: offset, calibrated, evidence } = state;
  byId("now").textContent = offset
    ? `Threshold: ${figure(threshold)}. That is ${figure(offset)} above the default of ${figure(formula)} for ${count(faces, "face", "faces")}.`
    : `Threshold: ${figure(threshold)}, the default for ${count(faces, "face", "faces")}.`;
  const pairs = `${count(evidence.pairs, "pair", "pairs")} of people in one photo`;
  byId("own").textContent = calibrated
    ? `Estimate from ${pairs} of this event: ${figure(calibrated.threshold)} (${figure(calibrated.low)} to ${figure(calibrated.high)}). The estimate tends to be too high, because people who are photographed together look alike.`
    : `No estimate from this event's photos yet: it needs ${evidence.pairs_needed.toLocaleString()} pairs of people in one photo, and there are ${evidence.pairs.toLocaleString()}.`;
  byId("advice").textContent =
    calibrated && calibrated.recommended_offset > offset
      ? `People at this event look more alike than usual. Recommended: add ${figure(calibrated.recommended_offset)} to the default.`
      : "No change recommended.";
}

function would() {
  const { guests, people, threshold_offset: offset, lost_matches: lost, lost_matches_total: all } = state.preview;
  const found = ({ photos_current: now, photos_preview: then }) =>
    now === then ? `the same ${count(now, "photo", "photos")}` : `${count(then, "photo", "photos")} instead of ${now.toLocaleString()}`;
  const seen = guests.sample ? `Guests would see ${found(guests)}. People` : "No guest is verified yet. People";
  say(byId("would"), offset === state.threshold_offset ? "Current setting." : `${seen} who appear in several photos would be found in ${found(people)}.`);
  byId("gone").hidden = all === 0;
  byId("gone-about").textContent = lost.length < all ? `Shows the ${lost.length} least similar of ${all.toLocaleString()} faces.` : "The least similar face comes first.";
  byId("dropped").replaceChildren(
    ...lost.map((one) => {
      const label = `${figure(one.similarity)}, needs ${figure(one.threshold)}${one.guest ? " (guest)" : ""}`;
      const address = `/api/v1${path}/photos/${one.photo}/web`;
      return element("li", {}, element("a", { href: address, target: "_blank", rel: "noopener" }, face(path, one), element("span", {}, label)));
    }),
  );
}

function show() {
  words();
  const any = [...state.histogram.different, ...state.histogram.same].some((bin) => bin > 0);
  for (const id of ["legend", "table-box"]) byId(id).hidden = !any;
  byId("no-chart").hidden = any;
  if (any) chart();
  if (any) table();
  would();
  byId("use").disabled = state.preview.threshold_offset === state.threshold_offset;
  byId("usual").disabled = state.threshold_offset === 0;
}

const wanted = () => Number(slider.value);
let requests = 0;

async function ask() {
  const mine = ++requests;
  const answer = await call("GET", `${path}/matching?threshold_offset=${wanted()}`);
  // A later request has been sent, and only its response may be shown.
  if (mine !== requests) return;
  state = answer;
  show();
}

let waiting;
slider.addEventListener("input", () => {
  byId("threshold-offset-value").textContent = figure(wanted());
  byId("use").disabled = true;
  clearTimeout(waiting);
  waiting = setTimeout(ask, WAIT_MS);
});

async function save(offset) {
  const outcome = document.querySelector("#try .outcome");
  say(outcome, "");
  clearTimeout(waiting);
  try {
    await call("PUT", `${path}/matching`, { threshold_offset: offset });
    slider.value = offset;
    byId("threshold-offset-value").textContent = figure(offset);
    await ask();
    say(outcome, "Saved. The new threshold applies to searches and guests from now on.");
  } catch (problem) {
    say(outcome, problem.message, true);
  }
}
byId("try").addEventListener("submit", (event) => {
  event.preventDefault();
  save(wanted());
});
byId("usual").addEventListener("click", () => save(0));

state = await call("GET", `${path}/matching`);
slider.value = state.threshold_offset;
byId("threshold-offset-value").textContent = figure(state.threshold_offset);
show();
ready();
