//! Writes the seed corpora of the fuzz targets: DIR/image, DIR/store_records, DIR/manifest and
//! DIR/erasure_log. The seeds are generated; only formats that this program cannot encode are read from
//! `fixtures/`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use picpick_engine::fuzz::{self, HnswIndex, Index, People, PersonFace};
use picpick_engine::receipts::Requester;
use picpick_engine::{DataDir, Face, FaceId, Photo, PhotoId};
use picpick_tests::pictures::{Drawing, with_orientation};
use picpick_tests::synthetic;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("usage: picpick-fuzz-seeds DIR"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = images(root);
    seeds.extend(store_records());
    seeds.extend(erasure_log(root));
    for name in ["yunet-sface.toml", "centerface-mobilefacenet.toml"] {
        let text = std::fs::read(root.join("../models").join(name)).unwrap();
        seeds.push((format!("manifest/{name}"), text));
    }
    for (name, bytes) in seeds {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn images(root: &Path) -> Vec<(String, Vec<u8>)> {
    let pattern = |x: u32, y: u32| [(x * 5) as u8, (y * 7) as u8, (x * y / 3) as u8];
    let picture = Drawing::of(48, 40, pattern);
    let second = Drawing::blank(48, 40);
    let mut seeds = vec![
        ("baseline.jpg", picture.jpeg()),
        ("grey.jpg", picture.grey_jpeg()),
        ("inks.jpg", picture.cmyk_jpeg()),
        ("progressive.jpg", picture.progressive_jpeg()),
        ("turned.jpg", with_orientation(&picture.jpeg(), 5)),
        ("colour.png", picture.png()),
        ("grey.png", picture.grey_png()),
        ("deep.png", picture.deep_png()),
        ("moving.png", picture.moving_png(&second)),
        ("lossless.webp", picture.webp()),
        ("moving.webp", picture.moving_webp(&second)),
    ];
    for name in ["lossy.webp", "lossy_transparent.webp", "lossless_tables.webp"] {
        seeds.push((name, std::fs::read(root.join("fixtures").join(name)).unwrap()));
    }
    seeds.into_iter().map(|(name, bytes)| (format!("image/{name}"), bytes)).collect()
}

/// Returns a receipt, a ledger, keyrings of the current and the first format, and a backup's header and
/// segment.
fn erasure_log(root: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path(), None).unwrap();
    data.create("seed", "pack", &synthetic::keep()).unwrap();
    let receipt = data.purge("seed", Requester::Operator).unwrap().to_bytes().unwrap();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let header = br#"{"format":1,"collection":"00","created_unix_s":1,"expires_unix_s":2,"segments":["ab"]}"#;
    let seeds = [
        (0, "receipt", receipt),
        (1, "ledger", read(folder.path().join("ledger"))),
        (2, "keys", read(folder.path().join("keyring/keys.toml"))),
        (2, "first-keys", read(root.join("fixtures/data-format-1/keyring/keys.toml"))),
        (3, "header", [header.as_slice(), b"\nsealed"].concat()),
        (3, "segment", [[7; 17].as_slice(), &[2, 0, 0, 0], b"ab"].concat()),
    ];
    let named = |(kind, name, bytes): (u8, &str, Vec<u8>)| {
        (format!("erasure_log/{name}"), [&[kind], bytes.as_slice()].concat())
    };
    seeds.map(named).into()
}

/// Returns one record of each kind. The first byte selects the kind in the target.
fn store_records() -> Vec<(String, Vec<u8>)> {
    let embedding = |at: u8| {
        let raw: Vec<f32> = (0..8).map(|i| f32::from(u16::from(at) * 31 % 17 + i) - 7.5).collect();
        let norm = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
        raw.iter().map(|value| value / norm).collect::<Vec<f32>>()
    };
    let face = Face {
        id: FaceId([3; 16]),
        bbox: [-4, 7, 30, 40],
        landmarks: [[1.5, -2.0]; 5],
        score: 0.9,
        quality: 0.5,
        embedding: embedding(1),
    };
    let (path, faces) = (PathBuf::from("a/b.jpg"), vec![face.clone(), face]);
    let row =
        fuzz::write_row(&Photo { id: PhotoId([1; 16]), path, width: 600, height: 400, faces });
    let embeddings: Vec<Vec<f32>> = (0..12).map(embedding).collect();
    let faces: Vec<PersonFace<'_>> = (0_u8..12)
        .zip(&embeddings)
        .map(|(at, embedding)| PersonFace {
            id: FaceId([at; 16]),
            photo: PhotoId([at; 16]),
            quality: 1.0,
            embedding,
        })
        .collect();
    let mut people = People::default();
    people.update(&faces, 0.45);
    let mut index = HnswIndex::new(8);
    for face in &faces {
        index.insert(face.id, face.embedding).unwrap();
    }
    index.freeze().unwrap();
    let graph = index.to_bytes();
    // Removes the checksum, because the target appends one to its input.
    let graph = graph[..graph.len() - 32].to_vec();
    let id = PhotoId([0xab; 16]).to_string().into_bytes();
    // Hand-encoded Protobuf: a must-link group of two faces, and a cannot-link pair.
    let two = [[[10, 16].as_slice(), &[1; 16]].concat(), [[18, 16].as_slice(), &[2; 16]].concat()];
    let group = [[10, 34, 10, 32].as_slice(), &[3; 16], &[4; 16]].concat();
    let corrections = [group, vec![18, 36], two.concat()].concat();
    assert!(fuzz::read_corrections(&corrections).is_some());
    let kinds = [
        ("row", 0, row),
        ("people", 1, people.to_bytes()),
        ("graph", 2, graph),
        ("id", 3, id),
        ("corrections", 4, corrections),
    ];
    kinds
        .map(|(name, kind, bytes)| {
            (format!("store_records/{name}"), [&[kind][..], &bytes].concat())
        })
        .to_vec()
}
