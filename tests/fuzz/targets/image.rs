//! Probes and decodes bytes as a photo. Neither step may crash or return an error other than `Error::Image`,
//! and the picture must have the size that the header announced. The limits are small, so that each file takes
//! little time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use picpick_engine::{DecodeLimits, Error, Picture};

fuzz_target!(|bytes: &[u8]| {
    let limits = DecodeLimits {
        pixels_max: 1_000_000,
        decoded_bytes_max: 64 << 20,
        pixel_passes_max: 20_000_000,
        ..DecodeLimits::default()
    };
    let header = match Picture::probe(bytes, &limits) {
        Ok(header) => header,
        Err(Error::Image { reason }) => {
            assert!(!reason.is_empty());
            return;
        }
        Err(error) => panic!("{error}"),
    };
    match header.decode(bytes, &limits) {
        Ok(picture) => {
            let stored = u64::from(header.width) * u64::from(header.height);
            assert_eq!(u64::from(picture.width()) * u64::from(picture.height()), stored);
            assert!(stored <= limits.pixels_max);
        }
        // The engine turns a decoder's panic into an error; here it is a finding.
        Err(Error::Image { reason }) => assert!(!reason.contains("gave up"), "{reason}"),
        Err(error) => panic!("{error}"),
    }
});
