// Adds arrow keys, notes at an exact spot of a photo, and proofs of work to the album pages. Without this script, the
// pages work too, except for a PIN that requires a proof of work.

import { solveBeforeSubmit } from "./proof_of_work.js";

for (const form of document.querySelectorAll("form[data-challenge]")) solveBeforeSubmit(form);

const follow = (rel) => document.querySelector(`a[rel="${rel}"]`)?.click();

addEventListener("keydown", (key) => {
  if (key.altKey || key.ctrlKey || key.metaKey || key.target.closest("input, textarea, button")) return;
  if (key.key === "ArrowLeft") follow("prev");
  if (key.key === "ArrowRight") follow("next");
});

const frame = document.querySelector("[data-spot]");
const exact = document.getElementById("exact");
if (frame && exact) {
  const svg = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const [aim, ring] = [svg("svg"), svg("circle")];
  aim.setAttribute("class", "aim");
  aim.setAttribute("overflow", "visible");
  ring.setAttribute("r", "15");
  aim.append(ring);
  const image = frame.querySelector("img");
  frame.classList.add("aims");
  document.getElementById("spot-hint").hidden = false;
  const radios = [...document.querySelectorAll('input[name="spot"]')];
  image.addEventListener("click", (press) => {
    const box = image.getBoundingClientRect();
    const part = (at, from, size) => Math.min(1, Math.max(0, (at - from) / size));
    const [x, y] = [part(press.clientX, box.left, box.width), part(press.clientY, box.top, box.height)];
    exact.value = `${x.toFixed(4)},${y.toFixed(4)}`;
    for (const radio of radios) radio.checked = false;
    aim.setAttribute("x", `${x * 100}%`);
    aim.setAttribute("y", `${y * 100}%`);
    frame.querySelector("svg.pins").append(aim);
    document.getElementById("text").focus();
  });
  for (const radio of radios)
    radio.addEventListener("change", () => {
      exact.value = "";
      aim.remove();
    });
}
