//! Synthetic PNGs: highly compressed pixels and metadata, animations, false chunk lengths.

use std::io::Write;

use picpick_tests::pictures::chunk;

use super::{Bomb, Visit};

const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
const MIB: usize = 1 << 20;

pub fn all(visit: Visit<'_>) {
    sizes(visit);
    packed_metadata(visit);
    plain_metadata(visit);
    animations(visit);
    lying_lengths(visit);
}

/// Returns a zlib stream of `zeros` zeros, rounded up to whole mebibytes: one deflated mebibyte, repeated.
fn zeros(zeros: usize) -> Vec<u8> {
    let block = vec![0; MIB];
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let mut last = Vec::new();
    for _ in 0..2 {
        let before = encoder.get_ref().len();
        encoder.write_all(&block).unwrap();
        encoder.flush().unwrap();
        last = encoder.get_ref()[before..].to_vec();
    }
    let first = encoder.get_ref().len() - last.len();
    let mut out = encoder.get_ref()[..first].to_vec();
    // The second block refers back to zeros only, so it can be repeated.
    (1..zeros.div_ceil(MIB)).for_each(|_| out.extend(&last));
    out.extend([3, 0]);
    let sum = (zeros.div_ceil(MIB) * MIB % 65_521) as u32;
    out.extend((sum << 16 | 1).to_be_bytes());
    out
}

/// Returns a chunk with `length` in its length field, independent of the length of `data`.
fn lying_chunk(name: &[u8; 4], length: u32, data: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[..], name, data, &[0; 4]].concat()
}

fn header(width: u32, height: u32, depth: u8, colour: u8, interlaced: bool) -> Vec<u8> {
    let data = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[depth, colour, 0, 0, u8::from(interlaced)],
    ]
    .concat();
    [MAGIC, &chunk(b"IHDR", &data)].concat()
}

fn file(head: Vec<u8>, before: &[u8], data: &[u8]) -> Vec<u8> {
    [head.as_slice(), before, &chunk(b"IDAT", data), &chunk(b"IEND", &[])].concat()
}

/// Returns a small valid picture with `before` between its header and its pixels.
fn small(before: &[u8]) -> Vec<u8> {
    file(header(300, 200, 8, 2, false), before, &zeros(200 * 901))
}

/// Makes huge single-colour pictures of several depths, with all pixels, too many, and almost none.
fn sizes(visit: Visit<'_>) {
    let sizes = [
        (u32::MAX, u32::MAX),
        (0x7fff_ffff, 1),
        (1, 60_000_000),
        (65_500, 1_800),
        (10_900, 10_900),
        (7_000, 6_000),
        (4_000, 4_000),
    ];
    for (width, height) in sizes {
        for (depth, colour, samples) in [(1, 0, 1), (8, 2, 3), (8, 4, 2), (16, 6, 4)] {
            for interlaced in [false, true] {
                let row = (width as usize * usize::from(depth) * samples).div_ceil(8) + 1;
                let all = row.saturating_mul(height as usize);
                for (what, size) in
                    [("all", all), ("a hundred", 100), ("double", all.saturating_mul(2))]
                {
                    if size > 1_500 * MIB || what == "double" && all > 100 * MIB {
                        continue;
                    }
                    let head = header(width, height, depth, colour, interlaced);
                    let name = format!(
                        "{width}x{height} of {depth} bits, colour {colour}, interlaced {interlaced}, {what} pixels"
                    );
                    visit(Bomb { name, bytes: file(head, &[], &zeros(size)) });
                }
            }
        }
    }
    let name = "ninety thousand pixels and a gigabyte".to_owned();
    visit(Bomb { name, bytes: file(header(300, 300, 8, 0, false), &[], &zeros(1_000 * MIB)) });
}

/// Makes profiles and texts that decompress to a multiple of their size.
fn packed_metadata(visit: Visit<'_>) {
    for size in [8 * MIB, 31 * MIB, 33 * MIB, 100 * MIB, 1_000 * MIB, 3_000 * MIB] {
        let packed = zeros(size);
        let profile = [b"icc\0\0".as_slice(), &packed].concat();
        let text = [b"Comment\0\0".as_slice(), &packed].concat();
        let long = [b"XML:com.adobe.xmp\0\x01\0\0\0".as_slice(), &packed].concat();
        for (name, data) in [(b"iCCP", profile), (b"zTXt", text), (b"iTXt", long)] {
            let what = String::from_utf8_lossy(name).into_owned();
            let one = chunk(name, &data);
            visit(Bomb { name: format!("{what} of {size} bytes"), bytes: small(&one) });
            let many = one.repeat(5);
            visit(Bomb { name: format!("five {what} of {size} bytes"), bytes: small(&many) });
        }
    }
}

fn plain_metadata(visit: Visit<'_>) {
    for name in [b"tEXt", b"iTXt", b"eXIf", b"iCCP", b"PLTE", b"tRNS", b"abCD", b"caBX"] {
        let what = String::from_utf8_lossy(name).into_owned();
        for size in [0, 1, 100_000, 20 * MIB, 40 * MIB] {
            let mut data = b"MM\0*\0\0\0\x08\0\0\0\0".to_vec();
            data.resize(size, 0x41);
            let bytes = small(&chunk(name, &data));
            visit(Bomb { name: format!("plain {what} of {size} bytes"), bytes });
        }
        let many = chunk(name, b"a\0b").repeat(100_000);
        visit(Bomb { name: format!("a hundred thousand {what}"), bytes: small(&many) });
    }
    let many = chunk(b"abCD", &[]).repeat(1_100_000);
    visit(Bomb { name: "a million empty chunks".into(), bytes: small(&many) });
    let many = chunk(b"IDAT", &[]).repeat(500_000);
    visit(Bomb { name: "half a million empty pieces of pixels".into(), bytes: small(&many) });
}

fn animations(visit: Visit<'_>) {
    let control = |number: u32, width: u32, height: u32| {
        let mut data = number.to_be_bytes().to_vec();
        data.extend([width, height, 0, 0].iter().flat_map(|value| value.to_be_bytes()));
        data.extend([0, 1, 0, 10, 0, 0]);
        chunk(b"fcTL", &data)
    };
    for frames in [0, 1, 3, 20_000, 0x7fff_ffff] {
        for (width, height) in [(300, 200), (301, 200), (60_000, 60_000), (0, 0)] {
            let mut before = chunk(b"acTL", &[u32::to_be_bytes(frames), [0; 4]].concat());
            before.extend(control(0, width, height));
            let mut bytes = small(&before);
            bytes.truncate(bytes.len() - 12);
            for number in 0..frames.min(20_000) {
                bytes.extend(control(number * 2 + 1, width, height));
                bytes.extend(chunk(
                    b"fdAT",
                    &[&(number * 2 + 2).to_be_bytes()[..], &[0; 20]].concat(),
                ));
            }
            bytes.extend(chunk(b"IEND", &[]));
            visit(Bomb { name: format!("{frames} frames of {width}x{height}"), bytes });
        }
    }
}

fn lying_lengths(visit: Visit<'_>) {
    for name in [b"IHDR", b"IDAT", b"IEND", b"tEXt", b"iCCP", b"eXIf", b"acTL", b"PLTE"] {
        let what = String::from_utf8_lossy(name).into_owned();
        for length in [0, 12, 0x7fff_ffff, u32::MAX, u32::MAX - 11] {
            let chunk = lying_chunk(name, length, &[7; 40]);
            let name = format!("{what} of length {length:#x}");
            visit(Bomb { name, bytes: small(&chunk) });
            visit(Bomb {
                name: format!("{what} of length {length:#x} first"),
                bytes: [MAGIC, &chunk].concat(),
            });
        }
    }
}
