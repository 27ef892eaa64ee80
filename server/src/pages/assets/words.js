// Words that a page brings along for its script, in a template; `{name}` in them is filled in.

export function word(name, filled = {}, template = "words") {
  const found = document.getElementById(template).content.querySelector(`[data-name="${name}"]`);
  const text = found ? found.textContent : name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => filled[key] ?? whole);
}

// A thing that is said for one and for any other number.
export const number = (name, count) => word(`${name}_${count === 1 ? "one" : "many"}`, { count: count.toLocaleString() });

// What can go wrong, with what to do about it.
export function trouble(name, filled = {}) {
  const found = document.getElementById("troubles").content.querySelector(`[data-name="${name}"]`);
  if (!found) return trouble("failed");
  return [...found.children].map((part) => part.textContent.replace(/\{(\w+)\}/g, (whole, key) => filled[key] ?? whole));
}
