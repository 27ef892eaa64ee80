// The full-screen photo viewer. Arrow keys and swipes change the photo; the back button closes the viewer.

import { byId } from "./api.js";
import { word } from "./strings.js";

const SWIPE_PX = 60;

// Returns a function that opens the viewer with a photo. `list` returns the current photos, `file` returns a
// photo's address, and `notMe` rejects a photo.
export function viewer({ list, file, notMe }) {
  const [dialog, image] = [byId("viewer"), byId("viewer-photo")];
  let current = null;
  let from = null;

  function show(photo) {
    current = photo;
    const photos = list();
    const at = photos.indexOf(photo);
    image.src = file(photo, "web");
    image.srcset = `${file(photo, "thumb")} 480w, ${file(photo, "web")} 2048w`;
    image.sizes = "100vw";
    image.width = photo.width;
    image.height = photo.height;
    image.alt = word("photo", { count: at + 1 });
    byId("viewer-title").textContent = word("position", { number: at + 1, count: photos.length });
    byId("viewer-previous").disabled = at <= 0;
    byId("viewer-next").disabled = at >= photos.length - 1;
    const take = byId("viewer-take");
    take.hidden = photo.download === "off";
    take.href = file(photo, "download");
  }

  function move(by) {
    const photos = list();
    const photo = photos[photos.indexOf(current) + by];
    if (photo) show(photo);
  }

  byId("viewer-previous").addEventListener("click", () => move(-1));
  byId("viewer-next").addEventListener("click", () => move(1));
  byId("viewer-close").addEventListener("click", () => dialog.close());
  byId("viewer-not-me").addEventListener("click", async () => {
    const photos = list();
    const at = photos.indexOf(current);
    await notMe(current);
    const next = list()[Math.min(at, list().length - 1)];
    if (next) show(next);
    else dialog.close();
  });
  dialog.addEventListener("keydown", (key) => {
    if (key.key === "ArrowLeft") move(-1);
    if (key.key === "ArrowRight") move(1);
  });
  dialog.addEventListener("pointerdown", (touch) => (from = touch.isPrimary ? touch : null));
  dialog.addEventListener("pointerup", (touch) => {
    const by = from ? touch.clientX - from.clientX : 0;
    if (from && Math.abs(by) > SWIPE_PX && Math.abs(touch.clientY - from.clientY) < Math.abs(by)) move(by < 0 ? 1 : -1);
    from = null;
  });
  dialog.addEventListener("close", () => {
    image.removeAttribute("src");
    image.removeAttribute("srcset");
    if (history.state?.photo) history.back();
    // The focus moves to the tile of the photo that was viewed last.
    current?.tile.querySelector("a, button")?.focus();
  });
  addEventListener("popstate", () => dialog.open && dialog.close());

  return (photo) => {
    show(photo);
    dialog.showModal();
    history.pushState({ photo: true }, "");
  };
}
