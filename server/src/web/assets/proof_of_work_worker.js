// Searches for the solution of a proof of work: tries the numbers FROM, FROM + STEP, and so on.
//
// WebCrypto hashes one text at a time and asynchronously, which takes longer than this function for a single block.

// Returns the first 32 bits of the fractional part of a root of the first `count` primes (FIPS 180-4, section 4.2.2).
function roots(count, power) {
  const found = [];
  for (let number = 2; found.length < count; number++)
    if (!found.some(([prime]) => number % prime === 0)) found.push([number, (number ** power % 1) * 2 ** 32]);
  return Int32Array.from(found, ([, fraction]) => fraction | 0);
}
const K = roots(64, 1 / 3);
const H = roots(8, 1 / 2);
const w = new Int32Array(64);

// Returns the first 32 bits of the SHA-256 of the 64 bytes of `block`, which hold a padded text of at most 55 bytes.
function firstWord(block) {
  for (let at = 0; at < 16; at++)
    w[at] = (block[4 * at] << 24) | (block[4 * at + 1] << 16) | (block[4 * at + 2] << 8) | block[4 * at + 3];
  for (let at = 16; at < 64; at++) {
    const x = w[at - 15];
    const y = w[at - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[at] = (w[at - 16] + s0 + w[at - 7] + s1) | 0;
  }
  let a = H[0];
  let b = H[1];
  let c = H[2];
  let d = H[3];
  let e = H[4];
  let f = H[5];
  let g = H[6];
  let h = H[7];
  for (let at = 0; at < 64; at++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[at] + w[at]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  return (a + H[0]) | 0;
}

addEventListener("message", ({ data: { challenge, bits, from, step } }) => {
  const block = new Uint8Array(64);
  const prefix = `${challenge}.`;
  for (let at = 0; at < prefix.length; at++) block[at] = prefix.charCodeAt(at);
  for (let nonce = from; ; nonce += step) {
    const digits = String(nonce);
    const length = prefix.length + digits.length;
    for (let at = 0; at < digits.length; at++) block[prefix.length + at] = digits.charCodeAt(at);
    block[length] = 0x80;
    block[62] = (length * 8) >> 8;
    block[63] = (length * 8) & 0xff;
    if (Math.clz32(firstWord(block)) >= bits) {
      postMessage(nonce);
      return;
    }
  }
});
