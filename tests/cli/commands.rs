use std::path::Path;
use std::process::Command;

use picpick_tests::{Outcome, file_names, numbers, sample, sandbox};

/// Reads the contact sheet at `path` and checks that it embeds its photos and loads nothing from outside.
fn self_contained(path: &Path) -> String {
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains("data:image/jpeg;base64,"), "the photos are embedded");
    for outside in ["http://", "https://", "<script", "@import", "url(", "src=\"/", "href=\"/"] {
        assert!(!page.contains(outside), "{outside} in the sheet");
    }
    page
}

#[test]
fn two_photos_are_compared() {
    let sandbox = sandbox!();
    for (other, same) in [("obama2.jpg", true), ("biden.jpg", false)] {
        let [a, b] = ["obama.jpg", other].map(sample);
        let document = sandbox.done(["compare".as_ref(), a.as_os_str(), b.as_os_str()]);
        assert_eq!(document["same_person"], same, "{document}");
        let (similarity, threshold) =
            (document["similarity"].as_f64().unwrap(), document["threshold"].as_f64().unwrap());
        assert_eq!(similarity >= threshold, same, "{document}");
        assert_eq!(file_names(&document["photos"], "photo"), ["obama.jpg", other]);
        assert_eq!(numbers(&document["photos"][1]["box"]).len(), 4);
    }
    assert!(!sandbox.data().exists(), "comparing stores nothing");
}

#[test]
fn the_doctor_reports_the_installation() {
    let sandbox = sandbox!();
    let document = sandbox.done(["doctor", sample("obama2.jpg").to_str().unwrap()]);
    assert!(!document["version"].as_str().unwrap().is_empty());
    assert!(document["processor"]["cores"].as_u64().unwrap() >= 1, "{document}");
    assert!(document["runtime"]["path"].as_str().unwrap().contains("onnxruntime"), "{document}");
    assert!(document["packs"].as_array().unwrap().len() == 2, "{document}");
    let text = sandbox.run(["doctor", sample("obama2.jpg").to_str().unwrap()]);
    assert_eq!(text.status, 0, "{text:?}");
    assert!(text.stdout.contains(sandbox.data().to_str().unwrap()), "{}", text.stdout);
    assert!(!sandbox.data().exists(), "a check changes nothing");
}

#[test]
fn the_demo_ends_with_the_path_of_its_sheet() {
    let sandbox = sandbox!();
    for run in ["first", "second"] {
        let outcome = sandbox.run(["demo"]);
        assert_eq!(outcome.status, 0, "{outcome:?}");
        let sheet = Path::new(outcome.stdout.trim_end().lines().last().unwrap()).to_path_buf();
        let page = self_contained(&sheet);
        for name in ["obama2.jpg", "obama3.jpg", "sample1.jpg", "biden.jpg"] {
            assert!(page.contains(name), "{run}: {name} is on the sheet");
        }
    }
    let document = sandbox.done(["demo", "--sheet", "here.html"]);
    assert!(sandbox.path("here.html").exists());
    assert_eq!(
        (&document["index"]["photos"], &document["index"]["already_indexed"]),
        (&0.into(), &11.into())
    );
    let found = file_names(&document["search"]["matches"], "photo");
    assert!(
        found.contains(&"obama2.jpg".into()) && found.contains(&"obama3.jpg".into()),
        "{found:?}"
    );
    assert!(!found.contains(&"biden.jpg".into()), "{found:?}");
}

#[test]
fn a_contact_sheet_does_not_overwrite_a_photo() {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "biden.jpg"].map(sample));
    let selfie = sample("obama.jpg").to_str().unwrap().to_owned();
    let document = sandbox.done(["search", "Event", &selfie, "--sheet", "found.html"]);
    assert!(document["sheet"].as_str().unwrap().ends_with("found.html"), "{document}");
    assert!(self_contained(&sandbox.path("found.html")).contains("obama2.jpg"));
    std::fs::copy(sample("obama2.jpg"), sandbox.path("photo.jpg")).unwrap();
    let message = sandbox.run(["search", "Event", &selfie, "--sheet", "photo.jpg"]).failed(2);
    assert!(message.contains(".html"), "{message}");
    let message =
        sandbox.run(["search", "Event", &selfie, "--sheet", "no/such/found.html"]).failed(1);
    assert!(message.contains("no/such"), "{message}");
}

#[test]
fn file_names_are_escaped_on_sheets_and_terminals() {
    let sandbox = sandbox!();
    let name = "<img src=x onerror=alert(1)>&\".jpg";
    std::fs::copy(sample("obama2.jpg"), sandbox.path(name)).unwrap();
    sandbox.event(&[sandbox.path(name)]);
    sandbox.done([
        "search",
        "Event",
        sample("obama.jpg").to_str().unwrap(),
        "--sheet",
        "found.html",
    ]);
    let page = self_contained(&sandbox.path("found.html"));
    assert!(page.contains("&lt;img src=x") && !page.contains("<img src=x"), "names are text");
    // A terminal executes escape sequences, so file names must be escaped before they are printed.
    let escape = "\u{1b}[2J.jpg";
    std::fs::write(sandbox.path(escape), "no photo").unwrap();
    let outcome =
        sandbox.run(["index".as_ref(), "Event".as_ref(), sandbox.path(escape).as_os_str()]);
    assert!(
        !outcome.stderr.contains('\u{1b}') && !outcome.stdout.contains('\u{1b}'),
        "{outcome:?}"
    );
}

#[test]
fn an_option_overrides_the_environment() {
    let sandbox = sandbox!();
    let (given, variable) = (sandbox.path("given"), sandbox.path("variable"));
    let create = ["collections", "create", "Event"];
    let by_option =
        Outcome::of(sandbox.command_for(&given).env("PICPICK_DATA", &variable).args(create));
    assert!(by_option.status == 0 && given.exists() && !variable.exists(), "{by_option:?}");
    let program = env!("CARGO_BIN_EXE_picpick-under-test");
    let mut command = Command::new(program);
    command.env_remove("PICPICK_KEYRING").env("PICPICK_DATA", &variable).args(create);
    let by_variable = Outcome::of(&mut command);
    assert!(by_variable.status == 0 && variable.join("format").exists(), "{by_variable:?}");
}

#[test]
fn help_and_version_are_no_errors() {
    let sandbox = sandbox!();
    for arguments in
        [&["--help"][..], &["--version"], &["index", "--help"], &["photos", "delete", "--help"]]
    {
        let outcome = sandbox.run(arguments);
        assert!(
            outcome.status == 0 && !outcome.stdout.is_empty() && outcome.stderr.is_empty(),
            "{outcome:?}"
        );
    }
    let outcome =
        Outcome::of(Command::new(env!("CARGO_BIN_EXE_picpick-under-test")).arg("nonsense"));
    assert_eq!(outcome.status, 2, "{outcome:?}");
}
