// The people of an event.

import { byId, call, count, element, ready, say } from "./api.js";
import { face, thisEvent } from "./parts.js";

const AT_ONCE = 60;
const { path } = await thisEvent();
const { people } = await call("GET", `${path}/people`);

byId("no-people").hidden = people.length > 0;

async function photosOf(person, at) {
  byId("theirs").hidden = false;
  byId("theirs-title").textContent = `Photos of person ${at + 1}`;
  byId("theirs-title").focus();
  const outcome = document.querySelector("#theirs .outcome");
  say(outcome, "Looking…");
  byId("found").replaceChildren();
  try {
    const { matches } = await call("POST", `${path}/search/face`, { face: person.face });
    say(outcome, `${count(matches.length, "photo", "photos")} found`);
    byId("found").replaceChildren(
      ...matches.map(({ photo }, place) => {
        const address = `/api/v1${path}/photos/${photo}`;
        const image = element("img", { src: `${address}/thumb`, alt: `Photo ${place + 1} of person ${at + 1}`, loading: "lazy", width: 240, height: 240 });
        return element("li", {}, element("a", { href: `${address}/web`, target: "_blank", rel: "noopener" }, image));
      }),
    );
  } catch (problem) {
    say(outcome, problem.message, true);
  }
}

let shown = 0;
function more() {
  const part = people.slice(shown, shown + AT_ONCE).map((person, nth) => {
    const at = shown + nth;
    const label = `Person ${at + 1}, ${count(person.photos, "photo", "photos")}`;
    const one = element("button", { class: "face", type: "button", "aria-label": label }, face(path, person), element("span", {}, count(person.photos, "photo", "photos")));
    one.addEventListener("click", () => photosOf(person, at));
    return element("li", {}, one);
  });
  byId("people").append(...part);
  shown += part.length;
  byId("more").hidden = shown >= people.length;
}
byId("more").addEventListener("click", more);
more();
ready();
