// Reads texts for scripts from a `template` element of the page.

// Returns a text, with each `{name}` in it replaced by the value of that name in `filled`.
export function word(name, filled = {}, template = "words") {
  const found = document.getElementById(template).content.querySelector(`[data-name="${name}"]`);
  const text = found ? found.textContent : name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => filled[key] ?? whole);
}

// Returns the singular or plural text for `count`.
export const number = (name, count) => word(`${name}_${count === 1 ? "one" : "many"}`, { count: count.toLocaleString() });

// Returns an error text in two parts: what went wrong, and what the guest can do.
export function trouble(name, filled = {}) {
  const found = document.getElementById("troubles").content.querySelector(`[data-name="${name}"]`);
  if (!found) return trouble("failed");
  return [...found.children].map((part) => part.textContent.replace(/\{(\w+)\}/g, (whole, key) => filled[key] ?? whole));
}
