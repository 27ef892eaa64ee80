//! Parses bytes as a receipt, a ledger, a keyring or a backup; the first byte selects the kind. A receipt
//! that verifies must be encoded to the bytes that it was read from.

#![no_main]

use libfuzzer_sys::fuzz_target;
use picpick_engine::fuzz;
use picpick_engine::receipts::{PublicKey, Receipt};

/// The public key of the first test vector of RFC 8032.
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => receipt(bytes),
        1 => drop(fuzz::read_ledger(&String::from_utf8_lossy(bytes))),
        2 => drop(fuzz::read_keys(&String::from_utf8_lossy(bytes))),
        _ => drop(fuzz::read_backup(bytes)),
    }
});

fn receipt(bytes: &[u8]) {
    let Ok(key) = KEY.parse::<PublicKey>() else { return };
    if let Ok(receipt) = Receipt::verify(bytes, &key) {
        assert_eq!(receipt.to_bytes().ok().as_deref(), Some(bytes));
    }
    let _ = Receipt::verify_chain(&[bytes.to_vec(), bytes.to_vec()], &key);
    let _ = String::from_utf8_lossy(bytes).parse::<PublicKey>();
}
