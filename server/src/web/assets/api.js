// Sends requests to the API, and holds helpers that all pages share.

export class Problem extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title);
    this.status = status;
    this.retryAfter = retryAfter;
    this.code = problem.code;
  }
}

export async function call(method, path, body, options = {}) {
  const headers = { ...options.headers };
  if (body !== undefined && !options.raw) headers["Content-Type"] = "application/json";
  const content = body === undefined || options.raw ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(`/api/v1${path}`, { method, headers, body: content, signal: options.signal });
  } catch {
    throw new Problem(0, { title: "Cannot reach the server. Check your internet connection and try again." });
  }
  if (response.ok) return options.whole ? response : [202, 204].includes(response.status) ? null : response.json();
  const problem = await response.json().catch(() => ({ title: `The server answered with error ${response.status}. Try again in a moment.` }));
  if (response.status === 401 && options.signIn !== false) {
    location.assign("/sign-in");
    // Never resolves: the browser is leaving the page.
    return new Promise(() => {});
  }
  throw new Problem(response.status, problem, Number(response.headers.get("Retry-After")) || undefined);
}

// Makes the page respond to input; called when the page's script has registered its handlers.
export const ready = () => byId("main").removeAttribute("inert");

// Shows an error that no script handles, and makes the page usable in spite of it.
function unexpected(reason) {
  const where = byId("page-trouble");
  if (!where) return;
  where.textContent = reason?.message ?? String(reason);
  ready();
}
addEventListener("unhandledrejection", (event) => unexpected(event.reason));
addEventListener("error", (event) => event.error && unexpected(event.error));

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function say(where, text, bad = false) {
  where.textContent = text;
  where.classList.toggle("bad", bad);
}

// Calls `work` with the fields of a submitted form. Until it ends, the form cannot be submitted again. Shows
// the text that `work` returns, or its error.
export function onSubmit(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, outcome] = [form.querySelector("[type=submit]"), form.querySelector(".outcome")];
    button.disabled = true;
    say(outcome, "");
    try {
      const text = await work(Object.fromEntries(new FormData(form)));
      if (text) say(outcome, text);
    } catch (problem) {
      say(outcome, problem.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

export const count = (number, one, many) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

export const day = (unixS) => new Date(unixS * 1000).toLocaleDateString(undefined, { dateStyle: "medium" });

// Shows the name of the signed-in user. Returns the user's account.
export async function banner() {
  const me = await call("GET", "/me");
  byId("who").textContent = me.name;
  byId("sign-out").addEventListener("click", async () => {
    await call("DELETE", "/session").catch(() => null);
    location.assign("/sign-in");
  });
  return me;
}
