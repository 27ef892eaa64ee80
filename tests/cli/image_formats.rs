use std::collections::BTreeMap;

use picpick_tests::pictures::{Drawing, with_orientation};
use picpick_tests::{numbers, sample, sandbox};
use serde_json::Value;

/// Longest side of the portrait, px. Small, because encoding lossless formats is slow.
const SIDE_PX: u32 = 600;

fn by_name(list: &Value) -> BTreeMap<String, Value> {
    let name =
        |entry: &Value| entry["photo"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|entry| (name(entry), entry.clone())).collect()
}

/// Checks that a search finds the man of one real portrait in each file format that is made from it.
#[test]
fn unusual_formats_show_the_same_face() {
    let sandbox = sandbox!();
    let portrait = Drawing::open(&sample("obama2.jpg")).within(SIDE_PX);
    let second = Drawing::blank(portrait.size().0, portrait.size().1);
    let files: [(&str, Vec<u8>); 10] = [
        ("inks.jpg", portrait.cmyk_jpeg()),
        ("grey.jpg", portrait.grey_jpeg()),
        ("grey.png", portrait.grey_png()),
        ("deep.png", portrait.deep_png()),
        ("still.webp", portrait.webp()),
        ("moving.png", portrait.moving_png(&second)),
        ("moving.webp", portrait.moving_webp(&second)),
        ("really_a_jpeg.png", portrait.jpeg()),
        ("really_a_png.jpg", portrait.png()),
        ("no_ending", portrait.within(SIDE_PX - 20).jpeg()),
    ];
    let folder = sandbox.folder("photos", &[]);
    for (name, bytes) in &files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let indexed = sandbox.event(&[folder]);
    assert_eq!(indexed["skipped"], Value::Array(Vec::new()));
    assert_eq!((&indexed["photos"], &indexed["faces"]), (&10.into(), &10.into()), "{indexed}");
    let found =
        sandbox.done(["search", "Event", sample("obama.jpg").to_str().unwrap(), "--direct"]);
    let found = by_name(&found["matches"]);
    for (name, _) in &files {
        assert!(found.contains_key(*name), "{name} is not found: {:?}", found.keys());
    }
}

#[test]
fn orientation_is_undone_and_boxes_are_upright() {
    let sandbox = sandbox!();
    let portrait = Drawing::open(&sample("obama2.jpg")).within(900);
    let folder = sandbox.folder("photos", &[]);
    let turned = portrait.turned_left().jpeg();
    std::fs::write(folder.join("upright.jpg"), portrait.jpeg()).unwrap();
    std::fs::write(folder.join("turned.jpg"), with_orientation(&turned, 6)).unwrap();
    sandbox.event(&[folder]);
    let photos = by_name(&sandbox.done(["photos", "list", "Event"])["photos"]);
    let faces = by_name(&sandbox.done(["faces", "list", "Event"])["faces"]);
    assert_eq!(faces.len(), 2, "{faces:?}");
    for name in ["upright.jpg", "turned.jpg"] {
        let size =
            (photos[name]["width"].as_u64().unwrap(), photos[name]["height"].as_u64().unwrap());
        assert_eq!(size, (portrait.size().0.into(), portrait.size().1.into()), "{name}");
    }
    let (upright, turned) =
        (numbers(&faces["upright.jpg"]["box"]), numbers(&faces["turned.jpg"]["box"]));
    let tolerance = upright[2] * 0.08;
    for (a, b) in upright.iter().zip(&turned) {
        assert!((a - b).abs() <= tolerance, "{upright:?} and {turned:?}");
    }
}
