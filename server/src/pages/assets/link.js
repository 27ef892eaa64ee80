// The link that a guest came by, kept in their own browser so that they find back when their visit has ended.

const NAME = "picpick-link";

export function remember(link) {
  try {
    if (link) localStorage.setItem(NAME, link);
    else localStorage.removeItem(NAME);
  } catch {
    // A browser that keeps nothing: the code on the table still leads back.
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
