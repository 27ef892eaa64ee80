//! Photos made from real ones, and files that only pretend: the only place that encodes pictures.
//!
//! Everything is made in memory from bytes. Knows nothing of `picpick`.

use std::io::{Cursor, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage};

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// An upright picture.
#[derive(Clone)]
pub struct Drawing(DynamicImage);

impl Drawing {
    /// The photo at `path`.
    pub fn open(path: &Path) -> Self {
        Self(image::load_from_memory(&std::fs::read(path).unwrap()).unwrap())
    }

    /// The colours that `colour` gives for each place.
    pub fn of(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        Self(DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            image::Rgb(colour(x, y))
        })))
    }

    /// One colour, nothing on it.
    pub fn blank(width: u32, height: u32) -> Self {
        Self(DynamicImage::ImageRgb8(RgbImage::from_pixel(
            width,
            height,
            image::Rgb([120, 140, 90]),
        )))
    }

    /// This picture and another one at its right, equally high.
    pub fn beside(&self, other: &Self) -> Self {
        let height = self.0.height().max(other.0.height());
        let scaled =
            |of: &DynamicImage| of.resize(u32::MAX, height, FilterType::CatmullRom).to_rgb8();
        let (left, right) = (scaled(&self.0), scaled(&other.0));
        let mut both = RgbImage::new(left.width() + right.width(), height);
        image::imageops::replace(&mut both, &left, 0, 0);
        image::imageops::replace(&mut both, &right, i64::from(left.width()), 0);
        Self(DynamicImage::ImageRgb8(both))
    }

    /// No side longer than `side`.
    pub fn within(&self, side: u32) -> Self {
        Self(self.0.resize(side, side, FilterType::Triangle))
    }

    /// Out of focus: Gaussian blur of `sigma` pixels.
    pub fn blurred(&self, sigma: f32) -> Self {
        Self(self.0.blur(sigma))
    }

    /// As wide as `share` of it, and as high as it is: a face seen from the side, as far as proportions tell.
    pub fn narrowed(&self, share: f32) -> Self {
        let (width, height) = self.size();
        Self(self.0.resize_exact((width as f32 * share) as u32, height, FilterType::Triangle))
    }

    /// The square of `side` around the middle of `bbox`, moved by `shift`, as 300 × 300.
    pub fn face(&self, bbox: [i32; 4], side: i32, shift: [i32; 2]) -> Self {
        let [x, y, width, height] = bbox;
        let (left, top) =
            (x + width / 2 - side / 2 + shift[0], y + height / 2 - side / 2 + shift[1]);
        let (left, top) = (left.max(0) as u32, top.max(0) as u32);
        let cut = self.0.crop_imm(left, top, side as u32, side as u32);
        Self(cut.resize_exact(300, 300, FilterType::Triangle))
    }

    /// Turned a quarter to the left: what a camera stores with EXIF orientation 6.
    pub fn turned_left(&self) -> Self {
        Self(self.0.rotate270())
    }

    pub fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    pub fn jpeg(&self) -> Vec<u8> {
        encode_jpeg(&DynamicImage::ImageRgb8(self.0.to_rgb8()))
    }

    pub fn grey_jpeg(&self) -> Vec<u8> {
        encode_jpeg(&DynamicImage::ImageLuma8(self.0.to_luma8()))
    }

    /// In many scans, as web exports are.
    pub fn progressive_jpeg(&self) -> Vec<u8> {
        let (width, height) = self.size();
        let (width, height) = (width as usize, height as usize);
        let pixels = self.0.to_rgb8().into_raw();
        let format = turbojpeg::PixelFormat::RGB;
        let picture =
            turbojpeg::Image { pixels: pixels.as_slice(), width, pitch: width * 3, height, format };
        let mut compressor = turbojpeg::Compressor::new().unwrap();
        compressor.set_progressive(true).unwrap();
        compressor.compress_to_vec(picture).unwrap()
    }

    pub fn png(&self) -> Vec<u8> {
        encode(&DynamicImage::ImageRgb8(self.0.to_rgb8()), ImageFormat::Png)
    }

    pub fn grey_png(&self) -> Vec<u8> {
        encode(&DynamicImage::ImageLuma8(self.0.to_luma8()), ImageFormat::Png)
    }

    pub fn deep_png(&self) -> Vec<u8> {
        encode(&DynamicImage::ImageRgba16(self.0.to_rgba16()), ImageFormat::Png)
    }

    pub fn webp(&self) -> Vec<u8> {
        encode(&DynamicImage::ImageRgb8(self.0.to_rgb8()), ImageFormat::WebP)
    }

    /// Four inks as Adobe programs store them: each value is the paper that stays bare.
    pub fn cmyk_jpeg(&self) -> Vec<u8> {
        let (width, height) = self.size();
        let (width, height) = (width as usize, height as usize);
        let mut inks = Vec::with_capacity(width * height * 4);
        for pixel in self.0.to_rgb8().pixels() {
            let lightest = u32::from(*pixel.0.iter().max().unwrap()).max(1);
            inks.extend(pixel.0.map(|value| (u32::from(value) * 255 / lightest) as u8));
            inks.push(lightest as u8);
        }
        let format = turbojpeg::PixelFormat::CMYK;
        let picture =
            turbojpeg::Image { pixels: inks.as_slice(), width, pitch: width * 4, height, format };
        turbojpeg::compress(picture, 92, turbojpeg::Subsamp::None).unwrap().to_vec()
    }

    /// A PNG that moves: this picture and then `second`, which has the same size.
    pub fn moving_png(&self, second: &Self) -> Vec<u8> {
        let (width, height) = self.size();
        let control = |number: u32| {
            let mut data = number.to_be_bytes().to_vec();
            data.extend([width, height, 0, 0].iter().flat_map(|value| value.to_be_bytes()));
            data.extend([0, 1, 0, 10, 0, 0]);
            chunk(b"fcTL", &data)
        };
        let (first, second) = (self.png(), second.png());
        let mut out = first[..33].to_vec();
        out.extend(chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
        out.extend(control(0));
        out.extend(chunk(b"IDAT", &idat(&first)));
        out.extend(control(1));
        let mut data = 2_u32.to_be_bytes().to_vec();
        data.extend(idat(&second));
        out.extend(chunk(b"fdAT", &data));
        out.extend(chunk(b"IEND", &[]));
        out
    }

    /// A WebP that moves: this picture and then `second`, which has the same size.
    pub fn moving_webp(&self, second: &Self) -> Vec<u8> {
        let (width, height) = self.size();
        let side = |value: u32| value.to_le_bytes()[..3].to_vec();
        let mut canvas = vec![2, 0, 0, 0];
        canvas.extend([side(width - 1), side(height - 1)].concat());
        let frame = |still: Vec<u8>| {
            let mut data =
                [side(0), side(0), side(width - 1), side(height - 1), side(100)].concat();
            data.push(0);
            // The still file's own chunk, with its name, its length and its padding.
            data.extend_from_slice(&still[12..]);
            riff(b"ANMF", &data)
        };
        let mut body = b"WEBP".to_vec();
        body.extend(riff(b"VP8X", &canvas));
        body.extend(riff(b"ANIM", &[255, 255, 255, 255, 0, 0]));
        body.extend(frame(self.webp()));
        body.extend(frame(second.webp()));
        riff(b"RIFF", &body)
    }
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn encode_jpeg(picture: &DynamicImage) -> Vec<u8> {
    let mut out = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut out, 92)).unwrap();
    out
}

/// `jpeg` with an EXIF block that says how the camera was held.
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// `jpeg` with another size in its frame header.
pub fn with_size(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut out = jpeg.to_vec();
    let mut at = 2;
    // Segment after segment: marker, length, content; 0xc0 to 0xc2 is the frame header.
    while !(0xc0..=0xc2).contains(&out[at + 1]) {
        at += 2 + usize::from(u16::from_be_bytes([out[at + 2], out[at + 3]]));
    }
    out[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    out[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    out
}

/// A small PNG whose header claims `side` × `side` and that holds next to nothing.
pub fn png_claiming(side: u32) -> Vec<u8> {
    png_of(side, 8, &deflated(1000))
}

/// A whole, valid PNG of `side` × `side` black pixels of one bit; small as a file, large as a picture.
pub fn black_png(side: u32) -> Vec<u8> {
    let row = 1 + (side as usize).div_ceil(8);
    png_of(side, 1, &deflated(row * side as usize))
}

fn png_of(side: u32, depth: u8, data: &[u8]) -> Vec<u8> {
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[depth, 0, 0, 0, 0]].concat();
    [PNG_MAGIC, &chunk(b"IHDR", &header), &chunk(b"IDAT", data), &chunk(b"IEND", &[])].concat()
}

fn deflated(zeros: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let block = vec![0; 1 << 20];
    let mut left = zeros;
    while left > 0 {
        let now = left.min(block.len());
        encoder.write_all(&block[..now]).unwrap();
        left -= now;
    }
    encoder.finish().unwrap()
}

/// A PNG chunk with its length and checksum.
pub fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(data);
    [&(data.len() as u32).to_be_bytes()[..], name, data, &sum.sum().to_be_bytes()].concat()
}

/// The joined contents of all IDAT chunks.
fn idat(png: &[u8]) -> Vec<u8> {
    let (mut at, mut data) = (PNG_MAGIC.len(), Vec::new());
    while let Some(length) = png.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            data.extend_from_slice(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    data
}

/// A RIFF chunk with its length and padding.
pub fn riff(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [&name[..], &(data.len() as u32).to_le_bytes()[..], data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}
