// Reads chosen and dropped files, including whole folders; separates photos from other files and names their
// folders.

const PHOTO = /\.(jpe?g|png|webp)$/i;
// Limits the files of one batch.
const FILES_MAX = 20_000;
const NAME_MAX = 200;

const directory = (path) => path.split("/").slice(0, -1).join("/");
const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));
// `readEntries` returns a directory in parts; an empty part is the end.
const partOf = (reader) => new Promise((done, failed) => reader.readEntries(done, failed));

const tooMany = () => new Error(`More than ${FILES_MAX.toLocaleString()} files selected. Add them in several batches.`);

// Returns the files of an input; `at` is the path of the file's directory, empty if unknown.
export function chosen(files) {
  if (files.length > FILES_MAX) throw tooMany();
  return [...files].map((file) => ({ file, at: directory(file.webkitRelativePath ?? "") }));
}

// Returns the files of a drop, including those in folders. Reads the transfer before its first `await`,
// because browsers clear it afterwards.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  const found = [];
  while (entries.length) {
    const entry = entries.shift();
    if (entry.isFile) {
      if (found.length === FILES_MAX) throw tooMany();
      // Only photos are opened; other files are only counted.
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
// path without the part that all directories share; a single directory is named by its last part.
export function sorted(items) {
  const photos = items.filter(({ file }) => PHOTO.test(file.name));
  const paths = [...new Set(photos.map(({ at }) => at))].map((at) => (at ? at.split("/") : []));
  let common = 0;
  if (paths.length === 1) common = Math.max(0, paths[0].length - 1);
  else while (paths.length && paths.every((path) => path.length > common && path[common] === paths[0][common])) common++;
  const named = (at) => at.split("/").slice(common).join(" / ").replace(/\p{Cc}/gu, " ").trim().slice(0, NAME_MAX);
  return { photos: photos.map(({ file, at }) => ({ file, name: named(at) })), others: items.length - photos.length };
}
