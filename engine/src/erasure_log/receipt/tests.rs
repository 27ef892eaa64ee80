use super::*;
use crate::crypto::{AuditCheckpoint, KeyExport, Keyring};
use crate::erasure_log::Exclusion;

fn body(erasure: u64) -> ReceiptBody {
    ReceiptBody {
        format: String::new(),
        number: 0,
        previous: String::new(),
        subject: PurgeSubject::Collection,
        collection: "0123456789abcdef0123456789abcdef".into(),
        key_fingerprint: "ffeeddccbbaa99887766554433221100".into(),
        erasure,
        photos: Some(2000),
        faces: Some(5123),
        begun_unix_s: 1_800_000_000,
        key_destroyed_unix_s: Some(1_800_000_000),
        kek_generation_destroyed: Some(3),
        finished_unix_s: 1_800_000_002,
        scanned: ScanExtent { files: 12, bytes: 3_456_789, needles: 4000 },
        residue: 0,
        backups_expire_unix_s: None,
        public_key: String::new(),
        audit: None,
        key_exports: Some(vec![KeyExport {
            number: 1,
            made_unix_s: 1_799_000_000,
            expires_unix_s: 1_802_000_000,
            presumed: false,
        }]),
        not_covered: Some(vec![Exclusion::LibraryBuffers, Exclusion::ForeignCopies]),
        details: Some(ErasureDetails {
            requested_by: Some(Requester::Studio),
            templates: Some(3),
            opt_out: true,
        }),
    }
}

struct ReceiptFolder {
    _folder: tempfile::TempDir,
    receipts: Receipts,
    signer: Signer,
}

impl ReceiptFolder {
    /// Writes the receipt of an erasure under a checkpoint with an audit log, as a service does.
    fn write(&self, erasure: u64) -> Receipt {
        let audit = AuditCheckpoint {
            number: 12,
            hash: "ab".repeat(32),
            keyed_from: 1,
            at_unix_s: 1_800_000_000,
        };
        let checkpoint = Checkpoint { audit: Some(audit), ..Checkpoint::default() };
        self.receipts.write(body(erasure), &self.signer, &checkpoint).unwrap().0
    }
}

fn receipt_folder() -> ReceiptFolder {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Keyring::create(&folder.path().join("keyring")).unwrap();
    let receipts = Receipts::of(folder.path(), &folder.path().join("keyring"));
    ReceiptFolder { receipts, signer: keyring.signer().unwrap(), _folder: folder }
}

#[test]
fn no_changed_byte_and_no_other_key_passes() {
    let log = receipt_folder();
    let receipt = log.write(1);
    let bytes = receipt.to_bytes().unwrap();
    let key = log.signer.public_key();
    assert_eq!(Receipt::verify(&bytes, &key).unwrap(), receipt);
    for at in 0..bytes.len() {
        for change in [1, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            assert!(Receipt::verify(&changed, &key).is_err(), "byte {at} ^ {change}");
        }
        assert!(Receipt::verify(&bytes[..at], &key).is_err(), "cut at {at}");
        let mut longer = bytes.clone();
        longer.insert(at, b' ');
        assert!(Receipt::verify(&longer, &key).is_err(), "a space at {at}");
    }
    assert!(Receipt::verify(&[bytes.as_slice(), b"\n"].concat(), &key).is_err());
    let other = super::tests::receipt_folder().signer.public_key();
    let message = Receipt::verify(&bytes, &other).unwrap_err().to_string();
    assert!(message.contains("public key"), "{message}");
}

#[test]
fn receipts_are_numbered_chained_and_written_once_an_erasure() {
    let log = receipt_folder();
    let first = log.write(7);
    let second = log.write(8);
    assert_eq!(log.write(7), first);
    assert_eq!((first.receipt.number, second.receipt.number), (1, 2));
    let third = log.write(9);
    let key = log.signer.public_key();
    let files: Vec<Vec<u8>> =
        log.receipts.files().unwrap().iter().map(|path| read(path).unwrap()).collect();
    assert_eq!(Receipt::verify_chain(&files, &key).unwrap(), [first, second, third]);
    let gap =
        Receipt::verify_chain(&[files[0].clone(), files[2].clone()], &key).unwrap_err().to_string();
    assert!(gap.contains("receipt 2 is missing"), "{gap}");
    assert!(Receipt::verify_chain(&files[1..], &key).is_ok(), "a chain may begin anywhere");
    // Another receipt 2, signed by the same studio, breaks the chain to receipt 3.
    let forged = ReceiptBody { faces: Some(1), ..receipt_body(&files[1]) };
    let forged = Receipt::sign(forged, &log.signer).unwrap().to_bytes().unwrap();
    assert!(Receipt::verify_chain(&[files[0].clone(), forged.clone()], &key).is_ok());
    assert!(Receipt::verify_chain(&[forged, files[2].clone()], &key).is_err());
}

fn receipt_body(file: &[u8]) -> ReceiptBody {
    serde_json::from_slice::<Receipt>(file).unwrap().receipt
}

#[test]
fn the_form_is_canonical_and_the_schema_names_every_field() {
    let log = receipt_folder();
    let text = String::from_utf8(log.write(1).to_bytes().unwrap()).unwrap();
    assert!(
        text.starts_with(r#"{"receipt":{"audit":{"hash":""#)
            && text.contains(r#"},"backups_expire_unix_s":null,"begun_unix_s":"#),
        "{text}"
    );
    assert!(!text.contains(' ') || text.matches(' ').count() == 2, "only the format has spaces");
    let schema: serde_json::Value = serde_json::from_str(Receipt::SCHEMA).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    let fields = |object: &serde_json::Value| -> Vec<String> {
        object.as_object().unwrap().keys().cloned().collect()
    };
    let described = &schema["properties"]["receipt"]["properties"];
    assert_eq!(fields(&written["receipt"]), fields(described));
    for inner in ["scanned", "audit", "details"] {
        assert_eq!(fields(&written["receipt"][inner]), fields(&described[inner]["properties"]));
    }
    let export = &described["key_exports"]["items"];
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let mut required = names(&export["required"]);
    required.sort();
    assert_eq!(fields(&written["receipt"]["key_exports"][0]), required);
    let places = &described["not_covered"]["items"]["enum"];
    let covered = names(&written["receipt"]["not_covered"]);
    assert!(covered.iter().all(|place| names(places).contains(place)), "{covered:?}");
    let required = schema["properties"]["receipt"]["required"].as_array().unwrap();
    let optional = ["audit", "details", "key_exports", "not_covered"];
    assert_eq!(required.len(), fields(described).len() - optional.len());
    assert!(optional.iter().all(|name| !required.contains(&(*name).into())));
}

#[test]
fn a_receipt_follows_the_checkpoint_where_files_were_removed() {
    let log = receipt_folder();
    let none = Checkpoint::default();
    let mut heads = Vec::new();
    for erasure in 1..=3 {
        let (_, head) = log.receipts.write(body(erasure), &log.signer, &none).unwrap();
        heads.push(head);
    }
    let third = log.receipts.files().unwrap().pop().unwrap();
    std::fs::remove_file(third).unwrap();
    let checkpoint = Checkpoint { receipts: heads[2].clone(), ..Checkpoint::default() };
    let (next, _) = log.receipts.write(body(4), &log.signer, &checkpoint).unwrap();
    assert_eq!((next.receipt.number, next.receipt.previous), (4, heads[2].hash.clone()));
    assert_eq!(next.receipt.audit, None, "a data folder without a service has no audit log");
    // A checkpoint that is older than the files is the state after a crash.
    let older = Checkpoint { receipts: heads[0].clone(), ..Checkpoint::default() };
    let (after, _) = log.receipts.write(body(5), &log.signer, &older).unwrap();
    assert_eq!(after.receipt.number, 5);
}
