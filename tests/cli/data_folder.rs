use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use picpick_engine::{Collection, DataDir, Pack};
use picpick_tests::{Outcome, Sandbox, Tmpfs, sample, sandbox};
use serde_json::json;

const SHOW: [&str; 3] = ["collections", "show", "Event"];

fn party() -> Sandbox {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "sample4.jpg"].map(sample));
    sandbox
}

fn assert_contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "expected '{part}' in: {message}");
    }
}

#[test]
fn a_newer_format_is_refused_and_left_unchanged() {
    let sandbox = party();
    let format = sandbox.data().join("format");
    let before = std::fs::read_to_string(&format).unwrap();
    let newer = "picpick data folder, format 999\n";
    std::fs::write(&format, newer).unwrap();
    for arguments in [&SHOW[..], &["collections", "list"], &["collections", "create", "More"]] {
        assert_contains(
            &sandbox.run(arguments).failed(1),
            &["data folder", sandbox.data().to_str().unwrap(), "999", "update"],
        );
    }
    assert_eq!(std::fs::read_to_string(&format).unwrap(), newer);
    std::fs::write(&format, before).unwrap();
    let faces = sandbox.done(SHOW)["faces"].clone();
    let keys = sandbox.data().join("keyring/keys.toml");
    let text = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, text.replacen("format = 3", "format = 999", 1)).unwrap();
    assert_contains(&sandbox.run(SHOW).failed(1), &["keyring", "999", "update"]);
    std::fs::write(&keys, text).unwrap();
    assert_eq!(sandbox.done(SHOW)["faces"], faces);
}

#[test]
fn a_collection_in_use_is_refused_until_it_is_free() {
    let sandbox = party();
    let data = DataDir::open(&sandbox.data(), None).unwrap();
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let open = Collection::open(&data, "Event", &pack).unwrap();
    let photo = sample("biden.jpg");
    let index = ["index", "Event", photo.to_str().unwrap()];
    for arguments in [&SHOW[..], &index, &["collections", "delete", "Event", "--yes"]] {
        assert_contains(
            &sandbox.run(arguments).failed(1),
            &["in use by another picpick process", sandbox.data().to_str().unwrap()],
        );
    }
    drop(open);
    assert_eq!(sandbox.done(index)["photos"], 1);
    assert_eq!(sandbox.done(SHOW)["photos"], 3);
}

#[test]
fn a_foreign_folder_is_refused() {
    let sandbox = sandbox!();
    let foreign = sandbox.folder("pictures", &[sample("obama2.jpg")]);
    let create = ["collections", "create", "Event"];
    let message = Outcome::of(sandbox.command_for(&foreign).args(create)).failed(1);
    assert_contains(&message, &[foreign.to_str().unwrap(), "not a picpick data folder"]);
    assert_eq!(
        std::fs::read_dir(&foreign).unwrap().count(),
        1,
        "nothing was written to the folder"
    );
    let file = foreign.join("obama2.jpg");
    assert_contains(
        &Outcome::of(sandbox.command_for(&file).args(create)).failed(1),
        &[file.to_str().unwrap()],
    );
    std::fs::create_dir(sandbox.data()).unwrap();
    std::fs::write(sandbox.data().join("format"), "something else").unwrap();
    assert_contains(&sandbox.run(create).failed(1), &["data folder", "damaged"]);
}

#[test]
fn reading_commands_create_no_data_folder() {
    let sandbox = sandbox!();
    assert_eq!(sandbox.done(["collections", "list"]), json!({"collections": []}));
    assert_contains(
        &sandbox.run(SHOW).failed(1),
        &["Event", sandbox.data().to_str().unwrap(), "create"],
    );
    assert!(!sandbox.data().exists());
}

/// Checks that commands on a read-only data folder fail with its path in the message.
fn check_read_only(sandbox: &Sandbox, data: &Path) {
    let photo = sample("biden.jpg");
    for arguments in [
        &["index", "Event", photo.to_str().unwrap()][..],
        &["collections", "create", "More"],
        &SHOW,
    ] {
        let outcome = Outcome::of(sandbox.command_for(data).args(arguments));
        assert_contains(&outcome.failed(1), &[data.to_str().unwrap()]);
    }
}

#[test]
fn a_read_only_folder_is_an_error_that_names_it() {
    let sandbox = party();
    if rustix::process::geteuid().is_root() {
        let at = sandbox.path("disk");
        let Some(disk) = Tmpfs::new(&at, 64) else {
            println!("left out: root may not mount a file system here");
            return;
        };
        let data = at.join("data");
        assert!(
            std::process::Command::new("cp")
                .arg("-r")
                .args([sandbox.data(), data.clone()])
                .status()
                .unwrap()
                .success()
        );
        disk.set_writable(false);
        check_read_only(&sandbox, &data);
        disk.set_writable(true);
        let shown = Outcome::of(sandbox.command_for(&data).args(SHOW).arg("--json"));
        assert_eq!((shown.status, &shown.document()["photos"]), (0, &2.into()), "{shown:?}");
    } else {
        let set = |mode| {
            let chmod =
                std::process::Command::new("chmod").args(["-R", mode]).arg(sandbox.data()).status();
            assert!(chmod.unwrap().success());
        };
        set("a-w");
        check_read_only(&sandbox, &sandbox.data());
        set("u+w");
        assert_eq!(sandbox.done(SHOW)["photos"], 2);
    }
    assert_eq!(
        sandbox.data().metadata().unwrap().permissions().mode() & 0o077,
        0,
        "only the owner has access"
    );
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_keyring_that_others_may_read_is_closed() {
    let sandbox = party();
    for keyring in [sandbox.data().join("keyring"), sandbox.path("elsewhere")] {
        if !keyring.exists() {
            std::fs::rename(sandbox.data().join("keyring"), &keyring).unwrap();
        }
        let arguments = |command: &[&str]| {
            let folder = keyring.to_str().unwrap().to_owned();
            let command = command.iter().map(|&argument| argument.to_owned());
            command.chain(["--keyring".to_owned(), folder]).collect::<Vec<_>>()
        };
        let files = [keyring.join("keys.toml"), keyring.join("kek.1"), keyring.join("ledger")];
        let files: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
        assert!(files.len() >= 2, "{files:?}");
        let open = |folder_mode| {
            set_mode(&keyring, folder_mode);
            files.iter().for_each(|file| set_mode(file, 0o644));
        };
        let assert_closed = || {
            assert_eq!(mode(&keyring), 0o700);
            files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{}", file.display()));
        };
        open(0o755);
        let shown = sandbox.run(arguments(&SHOW));
        assert_eq!(shown.status, 0, "{shown:?}");
        let path = keyring.to_str().unwrap();
        assert_contains(&shown.stderr, &["keyring", path, "0700 and 0600", "also after a purge"]);
        assert_closed();
        let again = sandbox.run(arguments(&SHOW)).stderr;
        assert!(!again.contains("0700 and 0600"), "{again}");
        open(0o711);
        let advice = sandbox.run(arguments(&["doctor", "--json"])).document()["advice"].to_string();
        assert_contains(&advice, &[files[0].to_str().unwrap(), files[1].to_str().unwrap()]);
        assert_closed();
        // A folder that holds other folders may not be for keys only, so its operator decides.
        let below = keyring.join("other");
        std::fs::create_dir(&below).unwrap();
        open(0o755);
        let refused = sandbox.run(arguments(&SHOW)).failed(1);
        assert_contains(&refused, &[below.to_str().unwrap(), "chmod 0700"]);
        std::fs::remove_dir(&below).unwrap();
    }
}

#[test]
fn a_tls_key_that_others_may_read_is_refused() {
    let sandbox = sandbox!();
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| sandbox.path(name));
    for file in [&chain, &key] {
        std::fs::write(file, "no PEM").unwrap();
    }
    let serve = || {
        let mut command = sandbox.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--tls-cert"]).arg(&chain);
        Outcome::of(command.arg("--tls-key").arg(&key)).failed(1)
    };
    for mode in [0o644, 0o640, 0o602] {
        set_mode(&key, mode);
        assert_contains(&serve(), &["chmod 0600", key.to_str().unwrap()]);
    }
    let mut doctor = sandbox.command();
    let found = Outcome::of(doctor.args(["doctor", "--json"]).env("PICPICK_TLS_KEY", &key));
    assert_contains(&found.document()["advice"].to_string(), &["chmod 0600"]);
    set_mode(&key, 0o600);
    assert_contains(&serve(), &["reading the certificate's key", key.to_str().unwrap()]);
}

#[test]
fn a_missing_keyring_is_not_replaced_and_may_be_elsewhere() {
    let sandbox = party();
    let (keyring, elsewhere) = (sandbox.data().join("keyring"), sandbox.path("elsewhere"));
    std::fs::rename(&keyring, &elsewhere).unwrap();
    for arguments in [&SHOW[..], &["collections", "create", "More"]] {
        assert_contains(
            &sandbox.run(arguments).failed(1),
            &["keyring", keyring.to_str().unwrap(), "missing"],
        );
    }
    assert!(!keyring.join("keys.toml").exists(), "no new keyring was created");
    let shown = sandbox.done(SHOW.iter().chain(&["--keyring", elsewhere.to_str().unwrap()]));
    assert_eq!(shown["photos"], 2);
}

#[test]
fn a_wrong_keyring_is_refused_and_changes_nothing() {
    let (a, b) = (party(), party());
    for (name, other) in [("Event", "Event"), ("Event", "Wedding")] {
        if other == "Wedding" {
            b.done(["collections", "create", "Wedding"]);
            b.done(["collections", "delete", "Event", "--yes"]);
        }
        let keyring = b.data().join("keyring");
        let arguments = ["collections", "show", name, "--keyring", keyring.to_str().unwrap()];
        assert_contains(&a.run(arguments).failed(1), &["keyring"]);
    }
    // The keyring's entries cannot be decrypted with the key-encryption key of another data folder.
    let c = party();
    let key = a.data().join("keyring/kek.1");
    let before = std::fs::read(&key).unwrap();
    std::fs::copy(c.data().join("keyring/kek.1"), &key).unwrap();
    assert_contains(
        &a.run(SHOW).failed(1),
        &["keyring", a.data().to_str().unwrap(), "wrong keyring"],
    );
    std::fs::write(&key, &before[..16]).unwrap();
    assert_contains(&a.run(SHOW).failed(1), &["kek.1", "16 bytes", "32"]);
    std::fs::write(&key, before).unwrap();
    assert_eq!(a.done(SHOW)["photos"], 2);
}

#[test]
fn unknown_and_invalid_names_are_refused() {
    let sandbox = party();
    assert_contains(
        &sandbox.run(["search", "Evnt", sample("obama.jpg").to_str().unwrap()]).failed(1),
        &["Evnt", "Event"],
    );
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert_contains(
            &sandbox.run(["collections", "create", name]).failed(1),
            &["not a collection name", "1 to 100"],
        );
    }
    assert_eq!(sandbox.run(["collections", "create", "-x"]).status, 2);
    assert_contains(
        &sandbox.run(["collections", "create", "Event"]).failed(1),
        &["'Event' exists already"],
    );
    assert_contains(
        &sandbox.run(["collections", "create", "Other", "--pack", "nope"]).failed(1),
        &["nope", Pack::DEFAULT],
    );
    assert_eq!(sandbox.done(["collections", "list"])["collections"].as_array().unwrap().len(), 1);
}

#[test]
fn a_collection_is_deleted_only_with_yes() {
    let sandbox = party();
    assert_contains(
        &sandbox.run(["collections", "delete", "Event"]).failed(2),
        &["Event", "2 photos", "--yes"],
    );
    assert_eq!(sandbox.done(SHOW)["photos"], 2);
    assert_eq!(sandbox.done(["collections", "delete", "Event", "--yes"])["deleted"], "Event");
    assert_contains(&sandbox.run(SHOW).failed(1), &["there is no collection 'Event'"]);
    assert_eq!(std::fs::read_dir(sandbox.data().join("collections")).unwrap().count(), 0);
    assert!(sandbox.run(["collections", "delete", "Event", "--yes"]).failed(1).contains("Event"));
}

/// Returns the store folder of the only collection.
fn store(data: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(data.join("collections")).unwrap();
    entries.next().unwrap().unwrap().path()
}

#[test]
fn a_store_with_missing_files_is_reported() {
    let sandbox = party();
    let current = store(&sandbox.data()).join("CURRENT");
    let id = store(&sandbox.data()).file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::write(&current, "nonsense").unwrap();
    assert_contains(&sandbox.run(SHOW).failed(1), &[&id]);
    std::fs::remove_file(current).unwrap();
    assert_contains(&sandbox.run(SHOW).failed(1), &[&id, "missing"]);
}

#[test]
fn a_damaged_store_reports_lost_photos() {
    let sandbox = party();
    let files =
        std::fs::read_dir(store(&sandbox.data())).unwrap().map(|entry| entry.unwrap().file_name());
    for file in files.collect::<Vec<_>>() {
        let name = file.to_str().unwrap();
        if !["MANIFEST", ".log", ".sst"].iter().any(|part| name.contains(part)) {
            continue;
        }
        let twin = sandbox.twin();
        let path = store(&twin.data()).join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let Some(byte) = bytes.len().checked_div(3).and_then(|at| bytes.get_mut(at)) else {
            continue;
        };
        *byte ^= 0xff;
        std::fs::write(path, bytes).unwrap();
        let outcome = twin.run(SHOW.iter().chain(&["--json"]));
        if outcome.status == 0 && outcome.document()["photos"] != 2 {
            assert!(
                outcome.stderr.contains("left out"),
                "{name}: photos are missing without a warning: {outcome:?}"
            );
        } else if outcome.status != 0 {
            assert_contains(
                &outcome.failed(1),
                &["store", store(&sandbox.data()).file_name().unwrap().to_str().unwrap()],
            );
        }
    }
}

#[test]
fn concurrent_first_commands_create_one_folder() {
    let sandbox = sandbox!();
    for round in 0..12 {
        let data = sandbox.path(format!("data {round}"));
        let start = |name: &str| {
            let mut command = sandbox.command_for(&data);
            command
                .args(["collections", "create", name])
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        for child in ["a", "b", "c"].map(start) {
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "round {round}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let listed =
            Outcome::of(sandbox.command_for(&data).args(["--json", "collections", "list"]));
        assert_eq!(listed.document()["collections"].as_array().unwrap().len(), 3, "{listed:?}");
    }
}

#[test]
fn an_interrupted_first_command_can_be_repeated() {
    // A process leaves this state if it is killed, or its disk fills up, after it has created the folder
    // `collections`.
    let sandbox = sandbox!();
    std::fs::create_dir_all(sandbox.data().join("collections")).unwrap();
    sandbox.done(["collections", "create", "Event"]);
    assert_eq!(sandbox.done(SHOW)["photos"], 0);
}
