//! Synthetic JPEGs: huge sizes, many scans, restart markers, rare frame types, false segment lengths.

use super::{Bomb, Visit};

pub fn all(visit: Visit<'_>) {
    sizes(visit);
    scans(visit);
    restarts(visit);
    rare_kinds(visit);
    segments(visit);
}

const SIZES: [(u16, u16); 12] = [
    (65_500, 1),
    (1, 65_500),
    (65_500, 16),
    (65_500, 600),
    (600, 65_500),
    (65_500, 1_831),
    (65_535, 65_535),
    (10_900, 10_900),
    (9_000, 9_000),
    (7_000, 7_000),
    (5_000, 5_000),
    (2_000, 3_000),
];

/// Sampling factors of each colour.
const COLOURS: [&[u8]; 3] = [&[0x11], &[0x22, 0x11, 0x11], &[0x11, 0x11, 0x11, 0x11]];

fn segment(out: &mut Vec<u8>, code: u8, content: &[u8]) {
    out.extend([0xff, code]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// Returns a JPEG's bytes before its first scan. The codes for "no difference" in the first Huffman table and
/// for "end of block" in the second are one bit, 0. Code 10 in the second table means "no coefficients for up
/// to 32,767 blocks".
fn start(frame: u8, depth: u8, (width, height): (u16, u16), colours: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    segment(&mut out, 0xdb, &[[0].as_slice(), &[1; 64]].concat());
    let mut content = vec![depth];
    content.extend(height.to_be_bytes());
    content.extend(width.to_be_bytes());
    content.push(colours.len() as u8);
    for (id, factors) in colours.iter().enumerate() {
        content.extend([id as u8 + 1, *factors, 0]);
    }
    segment(&mut out, frame, &content);
    let one_code = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    segment(&mut out, 0xc4, &[[0x00].as_slice(), &one_code].concat());
    let two_codes = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xe0];
    segment(&mut out, 0xc4, &[[0x10].as_slice(), &two_codes].concat());
    out
}

/// Appends a scan of the colours `ids` with the coefficients of `band`, and its entropy-coded `bytes`.
fn scan(out: &mut Vec<u8>, ids: &[u8], band: [u8; 3], bytes: &[u8]) {
    let mut content = vec![ids.len() as u8];
    ids.iter().for_each(|id| content.extend([*id, 0]));
    content.extend(band);
    segment(out, 0xda, &content);
    out.extend(bytes);
}

fn ids(colours: &[u8]) -> Vec<u8> {
    (1..=colours.len() as u8).collect()
}

/// Returns zero bytes: `bits` bits for each block of a picture, at most 4 MiB, and 64 bytes more.
fn blank((width, height): (u16, u16), colours: usize, bits: usize) -> Vec<u8> {
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8) * colours;
    vec![0; (blocks * bits / 8).min(4 << 20) + 64]
}

/// Returns the code "no coefficients" for `blocks` blocks. Avoids runs of ones, which would need byte
/// stuffing.
fn empty_run(blocks: usize) -> Vec<u8> {
    // Code 10, then fourteen bits of run length: 16,384 + 0x2aaa blocks.
    let (mut out, mut held, mut count) = (Vec::new(), 0_u32, 0);
    for _ in 0..blocks.div_ceil(16_384 + 0x2aaa) {
        held = held << 16 | 0b10 << 14 | 0x2aaa;
        count += 16;
        while count >= 8 {
            out.push((held >> (count - 8)) as u8);
            count -= 8;
        }
    }
    out
}

/// Makes huge single-colour pictures, with all the pixels that the header announces and with almost none.
fn sizes(visit: Visit<'_>) {
    for size in SIZES {
        for colours in COLOURS {
            let number = colours.len();
            let all = ids(colours);
            for (what, full) in [("full", true), ("hollow", false)] {
                let data = |bits| if full { blank(size, number, bits) } else { vec![0; 100] };
                let mut made = |kind: &str, mut bytes: Vec<u8>| {
                    bytes.extend([0xff, 0xd9]);
                    let name = format!("{kind} {what} {size:?} {colours:x?}");
                    visit(Bomb { name, bytes });
                };
                let mut bytes = start(0xc0, 8, size, colours);
                scan(&mut bytes, &all, [0, 63, 0], &data(2));
                made("baseline", bytes);
                if number == 1 {
                    continue;
                }
                let mut bytes = start(0xc1, 8, size, colours);
                for id in &all {
                    scan(&mut bytes, &[*id], [0, 63, 0], &data(2));
                }
                made("scan by scan", bytes);
                let mut bytes = start(0xc2, 8, size, colours);
                scan(&mut bytes, &all, [0, 0, 0], &data(1));
                made("progressive", bytes);
            }
        }
    }
}

/// Makes progressive pictures with many scans that change no coefficient.
fn scans(visit: Visit<'_>) {
    for size in [(2_000, 2_000), (5_000, 5_000), (5_700, 5_700), (8_000, 8_000), (65_500, 400)] {
        for number in [10, 78, 200, 201, 5_000] {
            for (what, full) in [("runs", true), ("nothing", false)] {
                let blocks = usize::from(size.0 / 8 + 1) * usize::from(size.1 / 8 + 1);
                let mut bytes = start(0xc2, 8, size, &[0x11]);
                scan(&mut bytes, &[1], [0, 0, 0], &blank(size, 1, 1));
                for at in 0..number {
                    // Each coefficient in turn, bit by bit, in the order that the JPEG standard requires.
                    let (place, bit) = ((at / 13 % 63) as u8 + 1, (at % 13) as u8);
                    let bits = if bit == 0 { 13 } else { (14 - bit) << 4 | (13 - bit) };
                    let run = if full { empty_run(blocks) } else { Vec::new() };
                    scan(&mut bytes, &[1], [place, place, bits], &run);
                }
                bytes.extend([0xff, 0xd9]);
                visit(Bomb { name: format!("{number} scans of {what} {size:?}"), bytes });
            }
        }
    }
}

fn restarts(visit: Visit<'_>) {
    for interval in [0_u16, 1, 7, 65_535] {
        for (what, step) in [("right", 1), ("repeated", 0), ("backwards", 7), ("far off", 3)] {
            for size in [(800, 800), (6_000, 6_000)] {
                let mut bytes = start(0xc0, 8, size, &[0x11]);
                segment(&mut bytes, 0xdd, &interval.to_be_bytes());
                scan(&mut bytes, &[1], [0, 63, 0], &[]);
                let blocks = usize::from(size.0).div_ceil(8) * usize::from(size.1).div_ceil(8);
                let mut number = 0_u8;
                for _ in 0..blocks.div_ceil(usize::from(interval.max(1))) {
                    bytes.extend([0, 0xff, 0xd0 + number]);
                    number = (number + step) % 8;
                }
                bytes.extend([0xff, 0xd9]);
                let name = format!("restarts {what} every {interval} {size:?}");
                visit(Bomb { name, bytes });
            }
        }
    }
}

/// Makes frames of every type and depth, and with invalid sampling factors.
fn rare_kinds(visit: Visit<'_>) {
    let size = (3_000, 2_000);
    for frame in (0xc0..=0xcf).filter(|frame| ![0xc4, 0xc8, 0xcc].contains(frame)) {
        for depth in [8, 12, 16] {
            let mut bytes = start(frame, depth, size, &[0x22, 0x11, 0x11]);
            scan(&mut bytes, &[1, 2, 3], [0, 63, 0], &blank(size, 3, 2));
            bytes.extend([0xff, 0xd9]);
            visit(Bomb { name: format!("frame {frame:x} of {depth} bits"), bytes });
        }
    }
    let odd: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x51],
        &[0xff, 0x11],
        &[0x44, 0x44, 0x44],
        &[0x41, 0x14, 0x11],
        &[0x31, 0x12, 0x13],
        &[0x11; 11],
    ];
    for colours in odd {
        for frame in [0xc0, 0xc2] {
            let mut bytes = start(frame, 8, size, colours);
            scan(
                &mut bytes,
                &ids(colours),
                [0, 63 * u8::from(frame == 0xc0), 0],
                &blank(size, 3, 2),
            );
            bytes.extend([0xff, 0xd9]);
            visit(Bomb { name: format!("frame {frame:x} sampled {colours:x?}"), bytes });
        }
    }
}

/// Returns an EXIF block whose directories refer to each other in a loop.
fn looped_exif(entries: u16) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08".to_vec();
    exif.extend(entries.to_be_bytes());
    for at in 0..entries.min(5_000) {
        exif.extend([0x87, 0x69, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0, (at >> 8) as u8, 8]);
    }
    exif.extend([0, 0, 0, 8]);
    exif
}

/// Makes files with very many segments, and with false segment lengths.
fn segments(visit: Visit<'_>) {
    let size = (400, 300);
    let picture = {
        let mut bytes = start(0xc0, 8, size, &[0x11]);
        scan(&mut bytes, &[1], [0, 63, 0], &blank(size, 1, 2));
        bytes.extend([0xff, 0xd9]);
        bytes.split_off(2)
    };
    let mut made = |name: String, head: Vec<u8>| {
        visit(Bomb { name, bytes: [&[0xff, 0xd8], head.as_slice(), &picture].concat() });
    };
    for code in [0xe0, 0xe1, 0xe2, 0xed, 0xee, 0xfe] {
        for count in [1, 300] {
            let mut content = b"Exif\0\0II*\0ICC_PROFILE\0\x01\xff".to_vec();
            content.resize(65_533, 0x5a);
            let mut head = Vec::new();
            (0..count).for_each(|_| segment(&mut head, code, &content));
            made(format!("{count} full segments {code:x}"), head);
        }
        for length in [0_u16, 1, 2, 3, 65_535] {
            let mut head = vec![0xff, code];
            head.extend(length.to_be_bytes());
            made(format!("segment {code:x} of length {length}"), head);
        }
    }
    for entries in [1, 5_000, 65_535] {
        let mut head = Vec::new();
        segment(&mut head, 0xe1, &looped_exif(entries));
        made(format!("looped directories of {entries} entries"), head);
    }
    for count in [100_000, 2_000_000] {
        made(format!("{count} empty comments"), [0xff, 0xfe, 0, 2].repeat(count));
        made(format!("{count} bytes of padding"), vec![0xff; count]);
        made(format!("{count} stray bytes"), vec![0x33; count]);
        made(format!("{count} restarts without a scan"), [0xff, 0xd3].repeat(count));
    }
    made("a picture inside a picture".into(), [&[0xff, 0xd8], picture.as_slice()].concat());
    made("two pictures' frames".into(), picture[..picture.len() - 40].to_vec());
}
