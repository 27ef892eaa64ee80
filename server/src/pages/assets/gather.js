// Files that somebody chooses or drops, whole folders among them: which are photos, and what their folders are called.

const PHOTO = /\.(jpe?g|png|webp)$/i;
// Of one drop; who has more drops them in parts.
const FILES_MAX = 20_000;
const NAME_MAX = 200;

const directory = (path) => path.split("/").slice(0, -1).join("/");
const fileOf = (entry) => new Promise((done, failed) => entry.file(done, failed));
// A directory is read in parts, until a part is empty.
const partOf = (reader) => new Promise((done, failed) => reader.readEntries(done, failed));

const tooMany = () => new Error(`More than ${FILES_MAX.toLocaleString()} files at once; add them in parts.`);

// Files of an input; `at` is the path of the directory that a file lies in, empty where that is not known.
export function chosen(files) {
  if (files.length > FILES_MAX) throw tooMany();
  return [...files].map((file) => ({ file, at: directory(file.webkitRelativePath ?? "") }));
}

// The same of what was dropped. What it holds must be taken from it before anything is waited for.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  const found = [];
  while (entries.length) {
    const entry = entries.shift();
    if (entry.isFile) {
      if (found.length === FILES_MAX) throw tooMany();
      // Only photos are opened: the others are counted.
      const file = PHOTO.test(entry.name) ? await fileOf(entry) : { name: entry.name };
      found.push({ file, at: directory(entry.fullPath).slice(1) });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (let part = await partOf(reader); part.length; part = await partOf(reader)) entries.push(...part);
    }
  }
  return found;
}

// The photos among files, each with the name of its folder, and how many files are none. What all directories have in
// common says nothing; a single one is named by its last part.
export function sorted(items) {
  const photos = items.filter(({ file }) => PHOTO.test(file.name));
  const paths = [...new Set(photos.map(({ at }) => at))].map((at) => (at ? at.split("/") : []));
  let common = 0;
  if (paths.length === 1) common = Math.max(0, paths[0].length - 1);
  else while (paths.length && paths.every((path) => path.length > common && path[common] === paths[0][common])) common++;
  const named = (at) => at.split("/").slice(common).join(" / ").replace(/\p{Cc}/gu, " ").trim().slice(0, NAME_MAX);
  return { photos: photos.map(({ file, at }) => ({ file, name: named(at) })), others: items.length - photos.length };
}
