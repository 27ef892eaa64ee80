//! The smaller pictures of a photo, for screens and for lists: how large they are, and making one.
//!
//! Made from pixels alone, so that nothing a camera wrote beside them goes along. Knows nothing of who asks.

use picpick_engine::{Picture, to_jpeg};

use crate::blob::Kind;
use crate::error::Result;

/// Longer sides in pixels, and JPEG qualities.
pub const WEB: (u32, i32) = (2048, 82);
const THUMB: (u32, i32) = (480, 78);

/// The `kind` of a photo from its `picture`, a JPEG.
pub fn derive(kind: Kind, picture: &Picture) -> Result<Vec<u8>> {
    let (side_px_max, quality) = if kind == Kind::Thumb { THUMB } else { WEB };
    Ok(to_jpeg(picture, side_px_max, quality)?)
}
