//! 128-bit ids of collections, photos, faces, guests and suppressions.
//!
//! The ids of photos and faces are hashes of their content, so that indexing a photo a second time adds
//! nothing.

use hex::FromHex as _;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Parses the 32 hexadecimal digits that `Display` writes.
            fn from_str(text: &str) -> Result<Self, Error> {
                <[u8; 16]>::from_hex(text)
                    .map(Self)
                    .map_err(|_| Error::Id { kind: $what, received: text.to_owned() })
            }
        }
    };
}

id!(
    /// The id of a collection: random, so that it does not disclose the event.
    CollectionId,
    "collection"
);
id!(
    /// The id of a photo: the first 128 bits of SHA-256 over the file's bytes.
    PhotoId,
    "photo"
);
id!(
    /// The id of a face: the first 128 bits of SHA-256 over photo id, model pack and bounding box.
    FaceId,
    "face"
);
id!(
    /// The id of a guest of one collection: random, so that it does not disclose the person.
    GuestId,
    "guest"
);

id!(
    /// The id of a suppression of one collection; the caller chooses it.
    SuppressionId,
    "suppression"
);

impl GuestId {
    /// Creates an id from the operating system's random source.
    ///
    /// # Errors
    /// - `Error::Random` if the random source is not available.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
        Ok(Self(bytes))
    }
}

impl CollectionId {
    /// Creates an id from the operating system's random source.
    ///
    /// # Errors
    /// - `Error::Random` if the random source is not available.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
        Ok(Self(bytes))
    }
}

impl PhotoId {
    /// Returns the id of the photo with these file bytes.
    pub fn of(photo_bytes: &[u8]) -> Self {
        Self(first_half(Sha256::digest(photo_bytes).into()))
    }
}

impl FaceId {
    /// Returns the id of the face that the model pack `pack` finds at `bbox` (left, top, width, height in
    /// pixels) of `photo`.
    pub fn of(photo: PhotoId, pack: &str, bbox: [i32; 4]) -> Self {
        let mut hash = Sha256::new();
        hash.update(photo.0);
        hash.update((pack.len() as u64).to_le_bytes());
        hash.update(pack.as_bytes());
        for side in bbox {
            hash.update(side.to_le_bytes());
        }
        Self(first_half(hash.finalize().into()))
    }
}

fn first_half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_everything_else() {
        let id = PhotoId::of(b"photo");
        assert_eq!(id.to_string().parse::<PhotoId>().ok(), Some(id));
        for bad in [
            "",
            "zz",
            &id.to_string()[1..],
            &format!("{id}0"),
            "+0000000000000000000000000000000",
            "ä00000000000000000000000000000",
        ] {
            assert!(bad.parse::<PhotoId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_face_id_depends_on_photo_pack_and_box() {
        let (a, b) = (PhotoId::of(b"a"), PhotoId::of(b"b"));
        let face = FaceId::of(a, "pack", [1, 2, 3, 4]);
        assert_eq!(face, FaceId::of(a, "pack", [1, 2, 3, 4]));
        assert_ne!(face, FaceId::of(b, "pack", [1, 2, 3, 4]));
        assert_ne!(face, FaceId::of(a, "other", [1, 2, 3, 4]));
        assert_ne!(face, FaceId::of(a, "pack", [1, 2, 3, 5]));
    }
}
