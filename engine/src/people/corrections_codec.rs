//! Encodes the owner's corrections as the bytes of a note, and decodes them.
//!
//! The encoding is Protobuf, so that a later version can add fields that this version ignores. The decoder
//! checks all lengths, the limits, and that no constraints contradict each other.

use prost::Message;
use std::collections::BTreeSet;

use super::corrections::{CannotLink, Corrections, MustLink};
use crate::ids::FaceId;

/// The corrections in Protobuf. A list of faces is the concatenation of their ids, 16 bytes each.
#[derive(Clone, PartialEq, Message)]
struct CorrectionsRow {
    #[prost(message, repeated, tag = "1")]
    must_links: Vec<MustLinkRow>,
    #[prost(message, repeated, tag = "2")]
    cannot_links: Vec<CannotLinkRow>,
    #[prost(bytes = "vec", tag = "3")]
    hidden: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct MustLinkRow {
    #[prost(bytes = "vec", tag = "1")]
    faces: Vec<u8>,
    #[prost(bool, tag = "2")]
    allow_same_photo: bool,
}

#[derive(Clone, PartialEq, Message)]
struct CannotLinkRow {
    #[prost(bytes = "vec", tag = "1")]
    one: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    other: Vec<u8>,
}

impl Corrections {
    /// Encodes the corrections as Protobuf.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let together = |group: &MustLink| MustLinkRow {
            faces: bytes_of(&group.faces),
            allow_same_photo: group.allow_same_photo,
        };
        let apart = |one: &CannotLink| {
            let [one, other] = one.sides.each_ref().map(bytes_of);
            CannotLinkRow { one, other }
        };
        let row = CorrectionsRow {
            must_links: self.must_links.iter().map(together).collect(),
            cannot_links: self.cannot_links.iter().map(apart).collect(),
            hidden: bytes_of(&self.hidden),
        };
        row.encode_to_vec()
    }

    /// Decodes the bytes of `to_bytes`. Returns `None` if the bytes are damaged, or the corrections are too
    /// many or contradict each other.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let row = CorrectionsRow::decode(bytes).ok()?;
        let together = |row: &MustLinkRow| {
            let faces = faces_in(&row.faces)?;
            let allow_same_photo = row.allow_same_photo;
            (faces.len() > 1).then_some(MustLink { faces, allow_same_photo })
        };
        let apart = |row: &CannotLinkRow| {
            let sides = [faces_in(&row.one)?, faces_in(&row.other)?];
            sides.iter().all(|side| !side.is_empty()).then_some(CannotLink { sides })
        };
        let read = Self {
            must_links: row.must_links.iter().map(together).collect::<Option<_>>()?,
            cannot_links: row.cannot_links.iter().map(apart).collect::<Option<_>>()?,
            hidden: faces_in(&row.hidden)?,
        };
        (read.check().is_ok() && read.is_consistent()).then_some(read)
    }
}

fn bytes_of(faces: &BTreeSet<FaceId>) -> Vec<u8> {
    faces.iter().flat_map(|face| face.0).collect()
}

fn faces_in(bytes: &[u8]) -> Option<BTreeSet<FaceId>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().map(|id| FaceId(*id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::corrections::PersonRef;

    fn person(ids: &[u8]) -> PersonRef {
        let faces: Vec<FaceId> = ids.iter().map(|id| FaceId([*id; 16])).collect();
        PersonRef { best: faces[0], faces }
    }

    fn corrections() -> Corrections {
        let mut corrections = Corrections::default();
        corrections.merge(&[person(&[1, 2]), person(&[3])], true, |_| false);
        corrections.split(
            &[FaceId([5; 16])],
            &[FaceId([6; 16]), FaceId([7; 16])],
            &[],
            FaceId([6; 16]),
        );
        corrections.hide(&person(&[9]), true);
        corrections
    }

    #[test]
    fn corrections_round_trip_and_damage_never_panics() {
        let bytes = corrections().to_bytes();
        assert_eq!(Corrections::from_bytes(&bytes), Some(corrections()));
        assert_eq!(Corrections::from_bytes(&[]), Some(Corrections::default()));
        for at in 0..bytes.len() {
            assert_ne!(Corrections::from_bytes(&bytes[..at]), Some(corrections()), "cut at {at}");
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let read = Corrections::from_bytes(&changed);
                assert!(read.is_none_or(|read| read.is_consistent()), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn contradictory_and_oversized_corrections_are_refused() {
        let (one, two) = (FaceId([1; 16]), FaceId([2; 16]));
        let both = BTreeSet::from([one, two]);
        let together = || MustLink { faces: both.clone(), allow_same_photo: false };
        let apart = CannotLink { sides: [BTreeSet::from([one]), BTreeSet::from([two])] };
        let mut corrections = Corrections { cannot_links: vec![apart], ..Corrections::default() };
        assert!(Corrections::from_bytes(&corrections.to_bytes()).is_some());
        corrections.must_links.push(together());
        assert_eq!(Corrections::from_bytes(&corrections.to_bytes()), None, "together and apart");
        let twice = Corrections { must_links: vec![together(), together()], ..Default::default() };
        assert_eq!(Corrections::from_bytes(&twice.to_bytes()), None, "in two groups");
        let sides = [both.clone(), both];
        let itself = Corrections { cannot_links: vec![CannotLink { sides }], ..Default::default() };
        assert_eq!(Corrections::from_bytes(&itself.to_bytes()), None, "apart from itself");
        let id = |n: u32| FaceId([n.to_le_bytes(); 4].as_flattened().try_into().unwrap());
        let many = Corrections { hidden: (0..10_001).map(id).collect(), ..Default::default() };
        assert_eq!(Corrections::from_bytes(&many.to_bytes()), None, "10,001 corrections");
    }
}
