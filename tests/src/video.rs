use std::io::{BufWriter, Write};
use std::path::Path;

use picpick_engine::Picture;

/// Writes `frames` at `fps` frames/s as YUV4MPEG2 with 4:2:0 chroma, which Chromium's
/// `--use-file-for-fake-video-capture` reads and plays in a loop. All frames must have the same size, with
/// even sides.
pub fn y4m(path: &Path, frames: &[Picture], fps: u32) {
    let first = frames.first().expect("a video has a frame");
    let (width, height) = (first.width() as usize, first.height() as usize);
    assert!(width.is_multiple_of(2) && height.is_multiple_of(2), "{width}x{height} has odd sides");
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg").unwrap();
    for frame in frames {
        assert_eq!((frame.width() as usize, frame.height() as usize), (width, height));
        file.write_all(b"FRAME\n").unwrap();
        file.write_all(&i420(frame)).unwrap();
    }
    file.flush().unwrap();
}

/// Converts a picture to luma and two chroma planes of half the width and height: BT.601, limited range.
fn i420(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixel = |x: usize, y: usize| {
        let start = (y * width + x) * 3;
        [0, 1, 2].map(|channel| f32::from(picture.pixels()[start + channel]))
    };
    let mix = |base: f32, weights: [f32; 3], colour: [f32; 3]| {
        let sum: f32 = weights.iter().zip(colour).map(|(weight, value)| weight * value).sum();
        (base + sum / 255.0 + 0.5) as u8
    };
    let mut out = Vec::with_capacity(width * height * 3 / 2);
    for y in 0..height {
        out.extend((0..width).map(|x| mix(16.0, [65.481, 128.553, 24.966], pixel(x, y))));
    }
    for weights in [[-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]] {
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
                let mean =
                    [0, 1, 2].map(|c| four.iter().map(|colour| colour[c]).sum::<f32>() / 4.0);
                out.push(mix(128.0, weights, mean));
            }
        }
    }
    out
}
