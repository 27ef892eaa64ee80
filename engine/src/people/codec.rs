//! The byte format of the partition of faces into the parts of people.
//!
//! version (u32) ‖ number of parts (u32) ‖ for each part: number of faces (u32) ‖ face ids (16 bytes each).
//! Numbers are little endian. There is no checksum, because the store encrypts the bytes with authentication.

use crate::ids::FaceId;

const VERSION: u32 = 1;

pub(super) fn encode<'a>(persons: impl Iterator<Item = &'a [FaceId]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut count = 0u32;
    for faces in persons {
        count += 1;
        bytes.extend_from_slice(&(faces.len() as u32).to_le_bytes());
        faces.iter().for_each(|face| bytes.extend_from_slice(&face.0));
    }
    [VERSION.to_le_bytes().as_slice(), &count.to_le_bytes(), &bytes].concat()
}

pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Vec<FaceId>>> {
    let mut rest = bytes;
    (number(&mut rest)? == VERSION).then_some(())?;
    let persons = number(&mut rest)?;
    let mut all = Vec::new();
    for _ in 0..persons {
        let faces = number(&mut rest)? as usize;
        let (ids, after) = rest.split_at_checked(faces.checked_mul(16)?)?;
        all.push(ids.as_chunks::<16>().0.iter().map(|id| FaceId(*id)).collect());
        rest = after;
    }
    rest.is_empty().then_some(all)
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_comes_back_and_damage_is_noticed() {
        let persons = [vec![FaceId([1; 16]), FaceId([2; 16])], vec![], vec![FaceId([3; 16])]];
        let bytes = encode(persons.iter().map(Vec::as_slice));
        assert_eq!(decode(&bytes).as_deref(), Some(persons.as_slice()));
        for i in 0..bytes.len() {
            assert_eq!(decode(&bytes[..i]), None, "cut at {i}");
        }
        let mut absurd = bytes;
        absurd[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&absurd), None);
    }
}
