//! Encodes pictures in many formats, and builds files whose content contradicts their headers. Works in memory.

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
    /// Decodes the photo at `path`.
    pub fn open(path: &Path) -> Self {
        Self(image::load_from_memory(&std::fs::read(path).unwrap()).unwrap())
    }

    /// Draws a picture whose pixel at (x, y) is `colour(x, y)`.
    pub fn of(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        Self(DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            image::Rgb(colour(x, y))
        })))
    }

    /// Draws a picture of one colour.
    pub fn blank(width: u32, height: u32) -> Self {
        Self(DynamicImage::ImageRgb8(RgbImage::from_pixel(
            width,
            height,
            image::Rgb([120, 140, 90]),
        )))
    }

    /// Returns this picture with `other` at its right, scaled to equal height.
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

    /// Scales the picture so that its longest side has `side` px.
    pub fn within(&self, side: u32) -> Self {
        Self(self.0.resize(side, side, FilterType::Triangle))
    }

    /// Blurs the picture with a Gaussian of `sigma` px.
    pub fn blurred(&self, sigma: f32) -> Self {
        Self(self.0.blur(sigma))
    }

    /// Scales the width by `share` and keeps the height, which gives a face the proportions of a profile.
    pub fn narrowed(&self, share: f32) -> Self {
        let (width, height) = self.size();
        Self(self.0.resize_exact((width as f32 * share) as u32, height, FilterType::Triangle))
    }

    /// Crops the square of `side` px around the centre of `bbox`, moved by `shift`, and scales it to 300 ×
    /// 300 px.
    pub fn face(&self, bbox: [i32; 4], side: i32, shift: [i32; 2]) -> Self {
        let [x, y, width, height] = bbox;
        let (left, top) =
            (x + width / 2 - side / 2 + shift[0], y + height / 2 - side / 2 + shift[1]);
        let (left, top) = (left.max(0) as u32, top.max(0) as u32);
        let cut = self.0.crop_imm(left, top, side as u32, side as u32);
        Self(cut.resize_exact(300, 300, FilterType::Triangle))
    }

    /// Rotates the picture by 90° to the left, as a camera stores it with EXIF orientation 6.
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

    /// Encodes a JPEG with many scans, like photos exported for the web.
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

    /// Encodes a CMYK JPEG as Adobe programs store it, with inverted values: 255 is no ink.
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

    /// Encodes an animated PNG: this picture, then `second`, which must have the same size.
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

    /// Encodes an animated WebP: this picture, then `second`, which must have the same size.
    pub fn moving_webp(&self, second: &Self) -> Vec<u8> {
        let (width, height) = self.size();
        let side = |value: u32| value.to_le_bytes()[..3].to_vec();
        let mut canvas = vec![2, 0, 0, 0];
        canvas.extend([side(width - 1), side(height - 1)].concat());
        let frame = |still: Vec<u8>| {
            let mut data =
                [side(0), side(0), side(width - 1), side(height - 1), side(100)].concat();
            data.push(0);
            // The still file's chunk with its name, length and padding.
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

/// Returns `jpeg` with an EXIF orientation.
pub fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// Returns `jpeg` with another size in its frame header.
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

/// Returns a small PNG whose header claims `side` × `side` px and that has almost no pixels.
pub fn png_claiming(side: u32) -> Vec<u8> {
    png_of(side, 8, &deflated(1000))
}

/// Returns a valid PNG of `side` × `side` black pixels of one bit: a small file, a large picture.
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

/// Returns a PNG chunk with its length and checksum.
pub fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(data);
    [&(data.len() as u32).to_be_bytes()[..], name, data, &sum.sum().to_be_bytes()].concat()
}

/// Returns the concatenated contents of all IDAT chunks.
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

/// Returns a RIFF chunk with its length and padding.
pub fn riff(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [&name[..], &(data.len() as u32).to_le_bytes()[..], data].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}
