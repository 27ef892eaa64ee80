// Texts for scripts, which a page carries in a `template` element; `{name}` in them is replaced.

export function word(name, filled = {}, template = "words") {
  const found = document.getElementById(template).content.querySelector(`[data-name="${name}"]`);
  const text = found ? found.textContent : name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => filled[key] ?? whole);
}

// Returns the singular or plural text for `count`.
export const number = (name, count) => word(`${name}_${count === 1 ? "one" : "many"}`, { count: count.toLocaleString() });

// Returns an error text: what went wrong and what to do.
export function trouble(name, filled = {}) {
  const found = document.getElementById("troubles").content.querySelector(`[data-name="${name}"]`);
  if (!found) return trouble("failed");
  return [...found.children].map((part) => part.textContent.replace(/\{(\w+)\}/g, (whole, key) => filled[key] ?? whole));
}
