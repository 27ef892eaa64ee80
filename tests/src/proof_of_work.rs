use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::client::{Answer, Client};

/// Returns a number whose hash with `challenge` begins with `bits` zero bits, as a page's script finds it.
pub fn solve(challenge: &str, bits: u32) -> u64 {
    let prefix = Sha256::new().chain_update(challenge).chain_update(".");
    let zeros = |nonce: &u64| {
        let digest = prefix.clone().chain_update(nonce.to_string()).finalize();
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]).leading_zeros()
    };
    (0..).find(|nonce| zeros(nonce) >= bits).unwrap()
}

/// Returns the field `work` for the error of a request, `None` if the challenge has more than `bits_max` bits.
pub fn work_for(refused: &Answer, bits_max: u32) -> Option<Value> {
    let document = refused.document();
    let challenge = document["challenge"]["challenge"].as_str().expect("a challenge");
    let bits = u32::try_from(document["challenge"]["bits"].as_u64().unwrap()).unwrap();
    let solved = || json!({ "challenge": challenge, "nonce": solve(challenge, bits) });
    (bits <= bits_max).then(solved)
}

/// Sends `body`. If the server requires a proof of work of at most `bits_max` bits, solves it and sends `body` again.
/// Returns the last response.
pub fn send_with_work(
    client: &Client,
    (method, path): (&str, &str),
    body: &Value,
    bits_max: u32,
) -> Answer {
    let send = |body: &Value| match method {
        "PUT" => client.put(path, body),
        _ => client.post(path, body),
    };
    let mut answer = send(body);
    // Failures of others may raise the difficulty while this client works.
    for _ in 0..5 {
        let work = (answer.status == 428).then(|| work_for(&answer, bits_max)).flatten();
        let Some(work) = work else { break };
        let mut body = body.clone();
        body["work"] = work;
        answer = send(&body);
    }
    answer
}
