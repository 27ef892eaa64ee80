// Stores the guest link in the browser, so that the guest finds the way back after the session has ended.

const NAME = "picpick-link";

export function remember(link) {
  try {
    if (link) localStorage.setItem(NAME, link);
    else localStorage.removeItem(NAME);
  } catch {
    // Storage is disabled; the guest can still scan the code again.
  }
}

export function remembered() {
  try {
    const link = localStorage.getItem(NAME) ?? "";
    return /^\/g\/[\w-]+$/.test(link) ? link : "";
  } catch {
    return "";
  }
}
