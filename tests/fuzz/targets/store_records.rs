//! Parses bytes as a record of a store: a photo's row, the people, the face graph, an id, or corrections of
//! people; the first byte selects the kind. A parsed record must be equal after encoding and parsing it
//! again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use picpick_engine::fuzz::{self, HnswIndex, Index, People, PersonFace};
use picpick_engine::{CollectionId, FaceId, PhotoId};
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 5 {
        0 => row(bytes),
        1 => people(bytes),
        2 => graph(bytes),
        3 => ids(bytes),
        _ => corrections(bytes),
    }
});

fn row(bytes: &[u8]) {
    if let Some(photo) = fuzz::read_row(bytes) {
        let again = fuzz::write_row(&photo);
        // Compared as bytes: scores may be NaN, which is not equal to itself.
        let read = fuzz::read_row(&again).map(|photo| fuzz::write_row(&photo));
        assert_eq!(read, Some(again));
    }
}

fn people(bytes: &[u8]) {
    // A face exists for every id in the bytes.
    let embedding = [0.6, 0.8];
    let ids = bytes.get(12..).unwrap_or_default().as_chunks::<16>().0;
    let faces: Vec<PersonFace<'_>> = ids
        .iter()
        .map(|id| PersonFace {
            id: FaceId(*id),
            photo: PhotoId([0; 16]),
            quality: 1.0,
            embedding: &embedding,
        })
        .collect();
    if let Ok(people) = People::from_bytes(bytes, &faces) {
        let again = people.to_bytes();
        assert_eq!(
            People::from_bytes(&again, &faces).map(|people| people.to_bytes()).ok(),
            Some(again)
        );
    }
}

fn corrections(bytes: &[u8]) {
    if let Some(again) = fuzz::read_corrections(bytes) {
        assert_eq!(fuzz::read_corrections(&again), Some(again));
    }
}

fn graph(bytes: &[u8]) {
    // Appends a correct checksum, because a fuzzer would not find one.
    let signed = [bytes, &Sha256::digest(bytes)].concat();
    if let Ok(index) = HnswIndex::from_bytes(&signed) {
        let query = vec![0.5; index.dim()];
        let _ = index.search(&query, 10);
        let again = index.to_bytes();
        assert_eq!(HnswIndex::from_bytes(&again).map(|index| index.to_bytes()).ok(), Some(again));
    }
}

fn ids(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<PhotoId>() {
        assert_eq!(id.to_string().parse::<PhotoId>().ok(), Some(id));
    }
    let _ = (text.parse::<FaceId>(), text.parse::<CollectionId>());
}
