use picpick_engine::Picture;

use crate::error::Result;
use crate::infra::photo_store::Rendition;

/// Greatest length of the longer side, pixels, and JPEG quality (0 to 100) of the derivative for screens.
pub const WEB: (u32, i32) = (2048, 82);
/// Greatest length of the longer side, pixels, and JPEG quality (0 to 100) of the derivative for lists.
const THUMB: (u32, i32) = (480, 78);

/// Returns the derivative `kind` of a photo as a JPEG. The JPEG is encoded from pixels only, so it contains no
/// EXIF or other metadata of the camera.
pub fn render(kind: Rendition, picture: &Picture) -> Result<Vec<u8>> {
    let (side_px_max, quality) = if kind == Rendition::Thumb { THUMB } else { WEB };
    Ok(picture.to_jpeg(side_px_max, quality)?)
}
