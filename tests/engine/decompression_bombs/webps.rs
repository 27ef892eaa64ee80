//! Synthetic WebPs: empty pictures of huge sizes, very many Huffman tables, animations, false chunk lengths.

use picpick_tests::pictures::riff;

use super::{Bomb, Visit};

pub fn all(visit: Visit<'_>) {
    lossy_sizes(visit);
    lossless_sizes(visit);
    tables(visit);
    containers(visit);
}

fn file(chunks: &[u8]) -> Vec<u8> {
    riff(b"RIFF", &[b"WEBP", chunks].concat())
}

const SIZES: [(u32, u32); 7] = [
    (16_383, 16_383),
    (10_900, 10_900),
    (16_383, 2_000),
    (1, 16_383),
    (16_383, 1),
    (6_000, 5_000),
    (3_000, 2_000),
];

/// Returns a lossy key frame whose partitions are `length` bytes of `fill`.
fn lossy((width, height): (u32, u32), length: usize, fill: u8) -> Vec<u8> {
    let first = (length / 2).min((1 << 19) - 1);
    let tag = (first as u32) << 5 | 1 << 4;
    let mut out = tag.to_le_bytes()[..3].to_vec();
    out.extend([0x9d, 0x01, 0x2a]);
    out.extend((width as u16).to_le_bytes());
    out.extend((height as u16).to_le_bytes());
    // The first bits select colour space, segments and filter: zeros select none.
    out.push(0);
    out.resize(10 + length, fill);
    out
}

fn lossy_sizes(visit: Visit<'_>) {
    for size in SIZES {
        for length in [60, 100_000, 4_000_000] {
            for fill in [0, 0x5a, 0xff] {
                let bytes = file(&riff(b"VP8 ", &lossy(size, length, fill)));
                visit(Bomb { name: format!("lossy {size:?} of {length} bytes {fill:x}"), bytes });
            }
        }
    }
}

/// A bit stream, lowest bit first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        for place in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= (value >> place & 1) as u8 * (1 << (self.count % 8));
            self.count += 1;
        }
    }

    /// Writes five codes of the single symbol 0, so that pixels take no bits.
    fn empty_group(&mut self) {
        (0..5).for_each(|_| self.put(0b0001, 4));
    }

    /// Writes a subsampled image in one colour, without a colour cache.
    fn empty_image(&mut self) {
        self.put(0, 1);
        self.empty_group();
    }

    /// Writes a code with words of 1 to 10 bits, for which decoders allocate a table of 1,024 entries.
    fn greedy_code(&mut self) {
        self.put(0, 1);
        // Lengths of the length codes, in the format's order: 17, 18, 0, 1 ... 5, 16, 6 ... 10.
        self.put(10, 4);
        for length in [0, 0, 0, 4, 4, 4, 4, 3, 0, 3, 3, 3, 3, 3] {
            self.put(length, 3);
        }
        // The number of lengths: eleven.
        self.put(1, 1);
        self.put(1, 3);
        self.put(9, 4);
        // Lengths 5 to 10 have words of three bits, 1 to 4 of four bits; words are written most significant
        // bit first.
        let word = |length: u32| if length < 5 { (11 + length, 4) } else { (length - 5, 3) };
        for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
            let (word, bits) = word(length);
            (0..bits).rev().for_each(|place| self.put(word >> place & 1, 1));
        }
    }
}

fn lossless_start((width, height): (u32, u32)) -> Bits {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(width - 1, 14);
    bits.put(height - 1, 14);
    bits.put(0, 4);
    bits
}

/// Makes single-colour pictures without pixel bits, behind every combination of transforms.
fn lossless_sizes(visit: Visit<'_>) {
    for size in SIZES {
        for transforms in 0..16_u32 {
            let mut bits = lossless_start(size);
            for kind in (0..4).filter(|kind| transforms >> kind & 1 == 1) {
                bits.put(1, 1);
                bits.put(kind, 2);
                match kind {
                    0 | 1 => {
                        bits.put(0, 3);
                        bits.empty_image();
                    }
                    3 => {
                        bits.put(200, 8);
                        bits.empty_image();
                    }
                    _ => {}
                }
            }
            bits.put(0, 3);
            bits.empty_group();
            bits.bytes.extend([0; 16]);
            let bytes = file(&riff(b"VP8L", &bits.bytes));
            visit(Bomb { name: format!("lossless {size:?}, transforms {transforms:04b}"), bytes });
        }
    }
}

/// Makes groups of Huffman tables. Each table takes far more memory than its bits in the file.
fn tables(visit: Visit<'_>) {
    for (groups, size) in [
        (200_u32, (500, 500)),
        (3_000, (1_000, 1_000)),
        (20_000, (1_000, 1_000)),
        (65_535, (2_000, 2_000)),
    ] {
        for given in [groups, groups / 2] {
            let mut bits = lossless_start(size);
            bits.put(0, 2);
            bits.put(1, 1);
            bits.put(0, 3);
            // The entropy image, which selects a group for each block: the last one everywhere.
            bits.put(0, 1);
            for value in [(groups - 1) & 0xff, (groups - 1) >> 8, 0, 0, 0] {
                bits.put(0b101, 3);
                bits.put(value, 8);
            }
            (0..given * 5).for_each(|_| bits.greedy_code());
            bits.bytes.extend([0; 64]);
            let bytes = file(&riff(b"VP8L", &bits.bytes));
            visit(Bomb { name: format!("{given} of {groups} groups of tables"), bytes });
        }
    }
}

fn canvas(flags: u8, (width, height): (u32, u32)) -> Vec<u8> {
    let side = |value: u32| value.to_le_bytes()[..3].to_vec();
    riff(b"VP8X", &[vec![flags, 0, 0, 0], side(width - 1), side(height - 1)].concat())
}

fn empty_picture(size: (u32, u32)) -> Vec<u8> {
    let mut bits = lossless_start(size);
    bits.put(0, 3);
    bits.empty_group();
    bits.bytes.extend([0; 16]);
    riff(b"VP8L", &bits.bytes)
}

fn frame(size: (u32, u32), content: &[u8]) -> Vec<u8> {
    let side = |value: u32| value.to_le_bytes()[..3].to_vec();
    let place = [side(0), side(0), side(size.0 - 1), side(size.1 - 1), side(100), vec![0]].concat();
    riff(b"ANMF", &[place.as_slice(), content].concat())
}

/// Makes extended files: canvases, transparency, frames, metadata, false lengths.
fn containers(visit: Visit<'_>) {
    let mut made = |name: String, chunks: &[&[u8]]| {
        visit(Bomb { name, bytes: file(&chunks.concat()) });
    };
    for size in [(1 << 24, 1), (16_383, 16_383), (1 << 24, 1 << 24), (300, 200)] {
        let (still, moving) = (canvas(0x10, size), canvas(0x02, size));
        let lossy = riff(b"VP8 ", &lossy((300, 200), 5_000, 0));
        let picture = empty_picture((300, 200));
        made(format!("canvas {size:?}"), &[&still, &picture]);
        made(format!("canvas {size:?} without a picture"), &[&still]);
        for alpha in [0, 1, 5] {
            let data = [&[alpha][..], &[0; 5_000]].concat();
            made(
                format!("canvas {size:?}, alpha {alpha}"),
                &[&still, &riff(b"ALPH", &data), &lossy],
            );
        }
        let start = riff(b"ANIM", &[0; 6]);
        for count in [1, 3, 20_000] {
            let frames = frame((300, 200), &picture).repeat(count);
            made(format!("canvas {size:?}, {count} frames"), &[&moving, &start, &frames]);
            let nested =
                (0..count.min(200)).fold(picture.clone(), |inner, _| frame((9, 9), &inner));
            made(format!("canvas {size:?}, frames {count} deep"), &[&moving, &start, &nested]);
        }
        made(
            format!("canvas {size:?}, a frame that is larger"),
            &[&moving, &start, &frame((12_000, 12_000), &empty_picture((12_000, 12_000)))],
        );
    }
    for name in [b"EXIF", b"ICCP", b"XMP ", b"ALPH", b"ABCD"] {
        let what = String::from_utf8_lossy(name).into_owned();
        let (still, picture) = (canvas(0x2c, (300, 200)), empty_picture((300, 200)));
        for size in [0, 7, 30 << 20] {
            made(
                format!("{what} of {size} bytes"),
                &[&still, &riff(name, &vec![7; size]), &picture],
            );
        }
        for length in [u32::MAX, u32::MAX - 7, 0x7fff_ffff] {
            let lying = [&name[..], &length.to_le_bytes(), &[0; 30]].concat();
            made(format!("{what} of length {length:#x} before"), &[&still, &lying, &picture]);
            made(format!("{what} of length {length:#x} after"), &[&still, &picture, &lying]);
        }
        made(
            format!("{what} a hundred thousand times"),
            &[&still, &riff(name, &[]).repeat(100_000), &picture],
        );
    }
}
