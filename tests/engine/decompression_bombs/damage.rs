//! Damaged photos: truncated, overwritten, with flipped bits, and with another format's first bytes.

use std::path::Path;

use picpick_tests::pictures::{Drawing, with_orientation, with_size};
use picpick_tests::sample;

use super::{Bomb, Random, Visit};

/// Longest side of the smaller photos, px. Small, because hundreds of files are made from each photo.
const SIDE_PX: u32 = 400;

pub fn all(visit: Visit<'_>) {
    let photos = photos();
    for (name, bytes) in &photos {
        // Undamaged photos must stay within the limits too.
        visit(Bomb { name: format!("{name}, whole"), bytes: bytes.clone() });
    }
    let mut random = Random(0x5eed_b0b5);
    cut(&photos, &mut random, visit);
    flipped(&photos, &mut random, visit);
    overwritten(&photos, &mut random, visit);
    resized(&photos, visit);
    mislabelled(&photos, visit);
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

fn photos() -> Vec<(&'static str, Vec<u8>)> {
    let large = std::fs::read(sample("obama2.jpg")).unwrap();
    let small = Drawing::open(&sample("sample4.jpg")).within(SIDE_PX);
    let second = Drawing::blank(small.size().0, small.size().1);
    let jpeg = small.jpeg();
    vec![
        ("camera.jpg", large),
        ("turned.jpg", with_orientation(&jpeg, 6)),
        ("progressive.jpg", small.progressive_jpeg()),
        ("inks.jpg", small.cmyk_jpeg()),
        ("small.jpg", jpeg),
        ("colour.png", small.png()),
        ("deep.png", small.deep_png()),
        ("moving.png", small.moving_png(&second)),
        ("lossless.webp", small.webp()),
        ("moving.webp", small.moving_webp(&second)),
        ("lossy.webp", fixture("lossy.webp")),
        ("transparent.webp", fixture("lossy_transparent.webp")),
        ("tables.webp", fixture("lossless_tables.webp")),
    ]
}

type Photos = [(&'static str, Vec<u8>)];

/// Truncates photos in the header, near the end, and at random lengths.
fn cut(photos: &Photos, random: &mut Random, visit: Visit<'_>) {
    for (name, bytes) in photos {
        let near = (1..8).map(|step| step * 17);
        let anywhere: Vec<usize> = (0..6).map(|_| random.below(bytes.len())).collect();
        let ends = [1, 2, 5, 13].map(|left| bytes.len() - left);
        for length in near.chain(anywhere).chain(ends) {
            let bytes = bytes[..length.min(bytes.len())].to_vec();
            visit(Bomb { name: format!("{name}, first {length} bytes"), bytes });
        }
    }
}

fn flipped(photos: &Photos, random: &mut Random, visit: Visit<'_>) {
    for (name, bytes) in photos {
        for round in 0..14 {
            let mut bytes = bytes.clone();
            // Half of the rounds flip bits in the first kilobyte, which holds sizes and tables.
            let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(1024) };
            let count = 1 + random.below(4);
            for _ in 0..count {
                bytes[random.below(reach)] ^= 1 << random.below(8);
            }
            visit(Bomb { name: format!("{name}, {count} bits flipped, {round}"), bytes });
        }
    }
}

fn overwritten(photos: &Photos, random: &mut Random, visit: Visit<'_>) {
    for (name, bytes) in photos {
        for round in 0..4 {
            let mut bytes = bytes.clone();
            let start = random.below(bytes.len());
            let end = (start + 1 + random.below(2_000)).min(bytes.len());
            match round {
                0 => bytes[start..end].fill(0),
                1 => bytes[start..end].fill(0xff),
                2 => bytes[start..end].fill_with(|| random.next() as u8),
                _ => drop(bytes.drain(start..end)),
            }
            visit(Bomb { name: format!("{name}, bytes {start} to {end}, {round}"), bytes });
        }
    }
}

/// Makes JPEGs whose headers claim another size than their pixels have.
fn resized(photos: &Photos, visit: Visit<'_>) {
    for (name, bytes) in photos.iter().filter(|(name, _)| name.ends_with(".jpg")) {
        for (width, height) in
            [(1, 1), (65_535, 1), (5_000, 5_000), (8_000, 8_000), (10_900, 10_900), (0, 9), (9, 0)]
        {
            let bytes = with_size(bytes, width, height);
            visit(Bomb { name: format!("{name} as {width}x{height}"), bytes });
        }
    }
}

/// Replaces the first 12 bytes of photos by those of another format.
fn mislabelled(photos: &Photos, visit: Visit<'_>) {
    for (name, bytes) in photos {
        for (other, head) in photos {
            let replaced = 12.min(bytes.len());
            if name != other && name.rsplit('.').next() != other.rsplit('.').next() {
                let bytes = [&head[..replaced], &bytes[replaced..]].concat();
                visit(Bomb { name: format!("{name} that begins like {other}"), bytes });
            }
        }
    }
}
