//! A model-based test: compares an index with a plain list through random inserts, removals and searches. The
//! index stays so small that every kind of index returns exact results.

use super::sample::Random;
use super::{Hit, Index, top_k};
use crate::ids::FaceId;

const DIM: usize = 16;

/// Runs 2,000 random operations on `index` (embeddings of 16 numbers) and on a list, and compares them.
/// Calls `maintain` at random steps. `maintain`, for instance a freeze, must not change a result.
pub(super) fn follow<I: Index>(mut index: I, mut maintain: impl FnMut(&mut I)) {
    let mut random = Random(11);
    let mut list: Vec<(FaceId, Vec<f32>)> = Vec::new();
    let mut removed: Vec<FaceId> = Vec::new();
    for step in 0..2_000 {
        match random.below(10) {
            0..4 => {
                let (face, embedding) = (random.face(), random.unit(DIM));
                assert!(index.insert(face, &embedding).is_ok());
                list.push((face, embedding));
            }
            4 if !list.is_empty() => {
                let place = random.below(list.len());
                list[place].1 = random.unit(DIM);
                assert!(index.insert(list[place].0, &list[place].1).is_ok());
            }
            5..7 if !list.is_empty() => {
                let (face, _) = list.swap_remove(random.below(list.len()));
                assert!(index.remove(&face), "{face} was not removed");
                assert!(!index.remove(&face), "{face} was removed twice");
                removed.push(face);
            }
            7 if step % 9 == 0 => maintain(&mut index),
            _ => check(&index, &list, &removed, &mut random),
        }
        assert_eq!(index.len(), list.len());
    }
}

fn check(index: &impl Index, list: &[(FaceId, Vec<f32>)], removed: &[FaceId], random: &mut Random) {
    let query = random.unit(DIM);
    let cosine = |v: &[f32]| v.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
    let mut expected: Vec<Hit> = Vec::new();
    for (face, v) in list {
        expected.push(Hit { face: *face, similarity: cosine(v) });
        let similarity = index.similarity(face, &query);
        assert!(similarity.is_some_and(|s| (s - cosine(v)).abs() < 0.01), "{similarity:?}");
        let kept = index.embedding(face).unwrap_or_default();
        let cosine: f32 = kept.iter().zip(v).map(|(a, b)| a * b).sum();
        assert!(kept.len() == DIM && cosine > 0.999, "{cosine}");
        assert!(index.similarity(face, &kept).is_some_and(|s| s > 0.99999));
    }
    expected.sort_by(top_k::rank);
    let k = random.below(list.len() + 3);
    let floor = random.below(20) as f32 / 10.0 - 1.0;
    let (Ok(nearest), Ok(above)) = (index.search(&query, k), index.search_above(&query, floor))
    else {
        unreachable!("a good query was refused");
    };
    let each = index.search_above_each(&[(&query, 2.0), (&query, floor)]);
    assert!(matches!(&each[..], [Ok(none), Ok(same)] if none.is_empty() && *same == above));
    assert_eq!(nearest.len(), k.min(list.len()));
    assert!(above.iter().all(|hit| hit.similarity >= floor));
    let surely = expected.iter().filter(|hit| hit.similarity > floor + 0.01);
    assert!(surely.count() <= above.len());
    for hits in [nearest, above] {
        assert!(hits.is_sorted_by(|a, b| top_k::rank(a, b).is_lt()), "{hits:?}");
        for (hit, e) in hits.iter().zip(&expected) {
            // Rounding may swap faces of nearly equal similarity, so the test compares similarities rank by
            // rank.
            assert!((hit.similarity - e.similarity).abs() < 0.01, "{hit:?} {e:?}");
            assert!(index.contains(&hit.face));
            assert_eq!(index.similarity(&hit.face, &query), Some(hit.similarity));
        }
    }
    assert!(!removed.iter().any(|face| index.contains(face)));
    assert!(removed.iter().all(|face| index.similarity(face, &query).is_none()));
    assert!(removed.iter().all(|face| index.embedding(face).is_none()));
}
