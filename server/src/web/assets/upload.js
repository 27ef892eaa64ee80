// Uploads photos with the tus 1.0 protocol. Skips photos that the event already has, and resumes interrupted
// uploads.

import { Problem, call } from "./api.js";

// Limits the part of a file in one request, 4 MiB.
const PART_BYTES = 4 * 1024 * 1024;
// Limits the uploads at the same time, 3 photos.
const AT_ONCE = 3;
// Limits the attempts of one request, 8. The pauses between them sum to 45 to 91 s.
const TRIES = 8;

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function sha256(file) {
  // `crypto.subtle` exists only on HTTPS and localhost. Without the hash, the server still detects
  // duplicates.
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Calls `work` until it succeeds, at most `TRIES` times, with exponential back-off and jitter. Errors that a
// retry cannot mend end it at once.
export async function again(work) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (problem) {
      const passing = problem instanceof Problem && [0, 409, 423, 429, 500, 502, 503, 504].includes(problem.status);
      if (!passing || attempt === TRIES) throw problem;
      await pause(Math.min(30_000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2));
    }
  }
}

async function send(event, { file, folder }, sent) {
  const hash = await sha256(file);
  const metadata = Object.entries({ filename: file.name, sha256: hash, folder })
    .filter(([, value]) => value)
    .map(([key, value]) => `${key} ${base64(value)}`)
    .join(",");
  const resumable = { "Tus-Resumable": "1.0.0" };
  const begun = await again(() =>
    call("POST", `/events/${event}/uploads`, undefined, {
      headers: { ...resumable, "Upload-Length": String(file.size), "Upload-Metadata": metadata },
      whole: true,
    }),
  );
  if (begun.status === 200) {
    sent(file.size);
    return "known";
  }
  const place = begun.headers.get("Location").replace("/api/v1", "");
  let offset = Number(begun.headers.get("Upload-Offset"));
  sent(offset);
  for (;;) {
    const answer = await again(async () => {
      try {
        const part = file.slice(offset, offset + PART_BYTES);
        const headers = { ...resumable, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
        return await call("PATCH", place, part, { headers, raw: true, whole: true });
      } catch (problem) {
        if (problem.status === 0 || problem.status === 409) {
          const there = await call("HEAD", place, undefined, { whole: true });
          offset = Number(there.headers.get("Upload-Offset"));
        }
        throw problem;
      }
    });
    const after = Number(answer.headers.get("Upload-Offset"));
    sent(after - offset);
    offset = after;
    if (answer.headers.has("Picpick-Photo")) return "added";
  }
}

// Uploads photos, each `{ file, folder }`, `AT_ONCE` at a time. Calls `tell` with the state after each change.
// After `stop` is aborted, running uploads finish and no further upload starts.
export async function upload(event, photos, tell, stop) {
  const state = { files: photos.length, done: 0, added: 0, known: 0, refused: [], bytes: 0, total: 0 };
  for (const { file } of photos) state.total += file.size;
  let next = 0;
  const worker = async () => {
    while (next < photos.length && !stop.aborted) {
      const photo = photos[next++];
      try {
        state[await send(event, photo, (bytes) => tell(((state.bytes += bytes), state)))]++;
      } catch (problem) {
        state.refused.push(`${photo.file.name}: ${problem.message}`);
      }
      state.done++;
      tell(state);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return state;
}
