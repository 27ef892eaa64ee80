//! Any bytes as a photo: probing and decoding neither crash, nor take what was not announced.
//!
//! Small limits, so that a second sees many files; what is beyond them is refused the same way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use picpick_engine::{DecodeLimits, Error, decode, probe};

fuzz_target!(|bytes: &[u8]| {
    let limits = DecodeLimits {
        pixels_max: 1_000_000,
        decoded_bytes_max: 64 << 20,
        passed_pixels_max: 20_000_000,
        ..DecodeLimits::default()
    };
    let header = match probe(bytes, &limits) {
        Ok(header) => header,
        Err(Error::Image { reason }) => {
            assert!(!reason.is_empty());
            return;
        }
        Err(error) => panic!("{error}"),
    };
    match decode(bytes, &header, &limits) {
        Ok(picture) => {
            let stored = u64::from(header.width) * u64::from(header.height);
            assert_eq!(u64::from(picture.width()) * u64::from(picture.height()), stored);
            assert!(stored <= limits.pixels_max);
        }
        // The engine catches a decoder's panic; here it is a finding all the same.
        Err(Error::Image { reason }) => assert!(!reason.contains("gave up"), "{reason}"),
        Err(error) => panic!("{error}"),
    }
});
