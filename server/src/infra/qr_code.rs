use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use crate::error::{ApiError, Result};

/// Renders `text` as a QR code (ISO/IEC 18004) in SVG. Error correction level Q recovers 25 % damage, for
/// printed cards that get wet. Errors if `text` is too long for a QR code.
pub fn svg(text: &str) -> Result<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::Q).map_err(ApiError::internal)?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(240, 240).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_a_picture_without_anything_to_run() {
        let picture = svg("https://photos.example/g/ppq_x").unwrap();
        assert!(picture.contains("<svg") && picture.contains("<path"), "{picture}");
        assert!(!picture.contains("<script") && !picture.contains("ppq_x"));
        assert!(svg(&"x".repeat(4000)).is_err());
    }
}
