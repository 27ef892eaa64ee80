use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use picpick_tests::pictures::{Drawing, black_png, png_claiming, with_size};
use picpick_tests::{Sandbox, file_names, sample, sandbox};
use serde_json::Value;

/// The name and content of a bad file, and texts that the reason for skipping the file must contain.
type Bad = (&'static str, Vec<u8>, &'static [&'static str]);

fn bytes_at_random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

fn bad_files() -> Vec<Bad> {
    let jpeg = std::fs::read(sample("obama2.jpg")).unwrap();
    let png = Drawing::open(&sample("obama2.jpg")).within(500).png();
    let webp = Drawing::open(&sample("obama2.jpg")).within(300).webp();
    let mut corrupt = jpeg.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 20_000].copy_from_slice(&bytes_at_random(20_000));
    let mut png_corrupt = png.clone();
    let middle = png_corrupt.len() / 2;
    png_corrupt[middle..middle + 400].copy_from_slice(&bytes_at_random(400));
    let heic = [&[0, 0, 0, 24][..], b"ftypheic\0\0\0\0mif1heic", &[0; 500]].concat();
    let magic = |magic: &[u8]| [magic, &[0; 500]].concat();
    vec![
        ("truncated.jpg", jpeg[..jpeg.len() / 2].to_vec(), &["damaged JPEG"]),
        ("header_only.jpg", jpeg[..100].to_vec(), &["damaged"]),
        ("three_bytes.jpg", jpeg[..3].to_vec(), &["damaged"]),
        ("corrupt.jpg", corrupt, &["damaged JPEG"]),
        ("empty.jpg", Vec::new(), &["empty"]),
        ("random.jpg", bytes_at_random(30_000), &["not a JPEG, PNG or WebP"]),
        ("text.png", b"Dear diary".to_vec(), &["not a JPEG, PNG or WebP"]),
        ("truncated.png", png[..png.len() / 2].to_vec(), &["damaged picture"]),
        ("corrupt.png", png_corrupt, &["damaged picture"]),
        ("truncated.webp", webp[..webp.len() / 2].to_vec(), &["damaged picture"]),
        ("bomb.png", png_claiming(60_000), &["60000x60000", "120 megapixels"]),
        ("black.png", black_png(20_000), &["20000x20000", "120 megapixels"]),
        ("huge.jpg", with_size(&jpeg, 65_500, 65_500), &["65500x65500", "120 megapixels"]),
        // Below the limit of 120 megapixels, but far more pixels than the file holds.
        ("wider.jpg", with_size(&jpeg, 10_900, 10_900), &["10900x10900", "cannot be a photo"]),
        ("wide.jpg", with_size(&jpeg, 4_000, 4_000), &["damaged JPEG"]),
        ("animation.gif", magic(b"GIF89a"), &["GIF", "expected JPEG, PNG or WebP"]),
        ("old.bmp", magic(b"BM"), &["BMP"]),
        ("scan.tiff", magic(b"II*\0"), &["TIFF"]),
        ("raw.nef", magic(b"MM\0*"), &["TIFF or camera raw"]),
        ("phone.heic", heic, &["HEIC"]),
    ]
}

fn reason<'a>(indexed: &'a Value, name: &str) -> &'a str {
    let skipped = indexed["skipped"].as_array().unwrap();
    let found =
        skipped.iter().filter(|entry| Path::new(entry["path"].as_str().unwrap()).ends_with(name));
    let found: Vec<&Value> = found.collect();
    assert_eq!(found.len(), 1, "{name} is named once: {indexed:#}");
    found[0]["reason"].as_str().unwrap()
}

#[test]
fn every_bad_file_is_named_with_its_cause_and_the_good_ones_are_indexed() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &["obama2.jpg", "obama3.jpg", "sample4.jpg"].map(sample));
    let bad = bad_files();
    for (name, bytes, _) in &bad {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    sandbox.done(["collections", "create", "Event"]);
    let outcome =
        sandbox.run(["index".as_ref(), "Event".as_ref(), folder.as_os_str(), "--json".as_ref()]);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let indexed = outcome.document();
    for (name, _, parts) in &bad {
        let reason = reason(&indexed, name);
        assert!(parts.iter().all(|part| reason.contains(part)), "{name}: {reason}");
        assert!(
            outcome.stderr.contains(name),
            "{name} is also listed on standard error: {}",
            outcome.stderr
        );
    }
    assert_eq!(indexed["skipped"].as_array().unwrap().len(), bad.len(), "{indexed:#}");
    assert_eq!(indexed["photos"], 3, "{indexed:#}");
    let photos = sandbox.done(["photos", "list", "Event"]);
    assert_eq!(file_names(&photos["photos"], "photo"), ["obama2.jpg", "obama3.jpg", "sample4.jpg"]);
}

#[test]
fn a_bad_selfie_is_an_error_that_names_it() {
    let sandbox = sandbox!();
    sandbox.event(&[sample("obama2.jpg")]);
    let bad = bad_files()
        .into_iter()
        .filter(|(name, ..)| ["truncated.jpg", "empty.jpg", "bomb.png"].contains(name));
    for (name, bytes, parts) in bad {
        std::fs::write(sandbox.path(name), bytes).unwrap();
        let message = sandbox.run(["search", "Event", name, "--json"]).failed(1);
        assert!(
            message.contains(name) && parts.iter().all(|part| message.contains(part)),
            "{message}"
        );
        let message =
            sandbox.run(["compare", name, sample("obama2.jpg").to_str().unwrap()]).failed(1);
        assert!(message.contains(name), "{message}");
    }
}

/// Creates entries that are not readable photo files. Returns their names and the texts that the reasons must
/// contain.
fn traps(sandbox: &Sandbox, folder: &Path) -> Vec<(&'static str, &'static [&'static str])> {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let pipe = folder.join("pipe.jpg");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    symlink("loop.jpg", folder.join("loop.jpg")).unwrap();
    symlink("nowhere.jpg", folder.join("broken.jpg")).unwrap();
    symlink(folder, folder.join("again")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket.jpg")).unwrap();
    let mut expected: Vec<(&'static str, &'static [&'static str])> = vec![
        ("pipe.jpg", &["not a regular file"]),
        ("socket.jpg", &["not a regular file"]),
        ("loop.jpg", &["levels of symbolic links"]),
        ("broken.jpg", &["No such file"]),
        ("again", &["link to a folder"]),
    ];
    if rustix::process::geteuid().is_root() {
        println!("left out: root reads every file, so no file is unreadable");
    } else {
        let secret = sandbox.folder("photos", &[sample("biden.jpg")]).join("biden.jpg");
        std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o000)).unwrap();
        expected.push(("biden.jpg", &["ermission denied"]));
    }
    expected
}

#[test]
fn pipes_loops_and_unreadable_files_do_not_stop_a_run() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &[sample("obama2.jpg")]);
    let expected = traps(&sandbox, &folder);
    let indexed = sandbox.event(std::slice::from_ref(&folder));
    for (name, parts) in &expected {
        let reason = reason(&indexed, name);
        assert!(parts.iter().all(|part| reason.contains(part)), "{name}: {reason}");
    }
    assert_eq!(indexed["skipped"].as_array().unwrap().len(), expected.len(), "{indexed:#}");
    assert_eq!(indexed["photos"], 1, "{indexed:#}");
    // A pipe that is given as an argument must not block the run.
    let pipe = folder.join("pipe.jpg");
    let (status, document) = sandbox.json(["index".as_ref(), "Event".as_ref(), pipe.as_os_str()]);
    assert_eq!((status, reason(&document, "pipe.jpg")), (1, "not a regular file"));
}
