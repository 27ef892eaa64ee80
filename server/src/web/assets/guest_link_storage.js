// Stores the guest link in the browser, so that the page of an ended session can link to it.

const NAME = "picpick-link";

export function remember(link) {
  try {
    if (link) localStorage.setItem(NAME, link);
    else localStorage.removeItem(NAME);
  } catch {
    // The browser allows no storage. The guest can scan the QR code again.
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
