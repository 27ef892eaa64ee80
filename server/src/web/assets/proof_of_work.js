// Solves the challenge of a form with a PIN (proof of work) before the form is sent.

const WORKERS_MAX = 4;

// Finds a number such that the SHA-256 of `challenge.number` begins with `bits` zero bits. Resolves to the number.
function solve(challenge, bits) {
  const step = Math.min(WORKERS_MAX, navigator.hardwareConcurrency || 1);
  const workers = Array.from({ length: step }, () => new Worker("/assets/proof_of_work_worker.js"));
  const found = new Promise((resolve, reject) => {
    for (const [from, worker] of workers.entries()) {
      worker.addEventListener("message", ({ data }) => resolve(data));
      worker.addEventListener("error", reject);
      worker.postMessage({ challenge, bits, from, step });
    }
  });
  return found.finally(() => workers.forEach((worker) => worker.terminate()));
}

// The work begins with the visitor's first input, so that it is often done when the PIN is complete.
export function solveBeforeSubmit(form) {
  const { challenge, bits } = form.dataset;
  let work;
  const begin = () => (work ??= solve(challenge, Number(bits)));
  form.addEventListener("input", () => begin().catch(() => null), { once: true });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.querySelector("[type=submit]").disabled = true;
    form.querySelector("[data-work]").hidden = false;
    // Without a solution, the server responds with a new challenge.
    const nonce = await begin().catch(() => "");
    for (const [name, value] of Object.entries({ challenge, nonce })) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name, value });
      form.append(field);
    }
    form.submit();
  });
}
