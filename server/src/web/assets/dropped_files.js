// Reads chosen and dropped files and folders. Separates photos from other files, and names the photos' folders.

const PHOTO = /\.(jpe?g|png|webp)$/i;
// Limits the files of one batch, 20,000 files.
const FILES_MAX = 20_000;
// Limits the name of a folder, 200 characters.
const NAME_MAX = 200;

const directory = (path) => path.split("/").slice(0, -1).join("/");
const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));
// Returns the next part of a directory; an empty part marks the end.
const partOf = (reader) => new Promise((done, failed) => reader.readEntries(done, failed));

const tooMany = () => new Error(`More than ${FILES_MAX.toLocaleString()} files selected. Add them in several batches.`);

// Returns the files of an input, each with `at`, the path of its directory; empty if unknown.
export function chosen(files) {
  if (files.length > FILES_MAX) throw tooMany();
  return [...files].map((file) => ({ file, at: directory(file.webkitRelativePath ?? "") }));
}

// Returns the dropped files, also those in folders. Reads `transfer` before the first `await`, because browsers
// empty it afterwards.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  const found = [];
  while (entries.length) {
    const entry = entries.shift();
    if (entry.isFile) {
      if (found.length === FILES_MAX) throw tooMany();
      // Other files are counted but not opened.
      const file = PHOTO.test(entry.name) ? await fileOf(entry) : { name: entry.name };
      found.push({ file, at: directory(entry.fullPath).slice(1) });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (let part = await partOf(reader); part.length; part = await partOf(reader)) entries.push(...part);
    }
  }
  return found;
}

// Returns the photos, each with the name of its folder, and the number of other files. A folder's name is its
// path without the parents that all directories share. The name of a single directory is the last part of its
// path.
export function sorted(items) {
  const photos = items.filter(({ file }) => PHOTO.test(file.name));
  const paths = [...new Set(photos.map(({ at }) => at))].map((at) => (at ? at.split("/") : []));
  let common = 0;
  if (paths.length === 1) common = Math.max(0, paths[0].length - 1);
  else while (paths.length && paths.every((path) => path.length > common && path[common] === paths[0][common])) common++;
  const named = (at) => at.split("/").slice(common).join(" / ").replace(/\p{Cc}/gu, " ").trim().slice(0, NAME_MAX);
  return { photos: photos.map(({ file, at }) => ({ file, name: named(at) })), others: items.length - photos.length };
}
