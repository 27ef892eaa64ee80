//! Embeddings quantised to int8 codes in one contiguous table, and the scan over it.
//!
//! Similarity is the cosine of the codes, so the similarity of a face to itself is 1, up to floating-point
//! rounding.

use rayon::prelude::*;

use super::top_k::TopK;
use super::{Hit, kernels};
use crate::error::{Error, Result};
use crate::ids::FaceId;

/// Limits the length of an embedding to 4,096 numbers. The embeddings of models in use have 128 to 1,024
/// numbers.
pub(super) const DIM_MAX: usize = 4_096;

/// The row length is a multiple of 64 bytes, the width of the widest kernel. The padding is zeros.
const ALIGN: usize = 64;

/// The number of rows scored at a time. Range: 64 to 1,024. Cost: a larger block is evicted from the
/// processor's nearest caches before the next of several queries reads it. At D = 128, four or eight queries
/// take 10 to 15 % longer with 1,024 rows. A smaller block adds overhead per block. Measure the time of
/// `search_above_each` for eight queries over 100,000 rows.
const BLOCK_ROWS: usize = 256;

/// The number of rows per task of a parallel scan. A table of at most this size is scanned on the calling
/// thread. Range: 8,192 to 131,072. Cost: the scan of a smaller part takes less time than waking a thread for
/// it, about 20 µs; a larger part leaves cores idle. Measure the time of one exact search over 200,000 faces.
const PART_ROWS: usize = 32_768;

/// One embedding quantised to int8.
pub(super) struct Code {
    /// \[stride\]: D codes, -127..127, then zeros.
    values: Vec<i8>,
    /// 1 over the norm of `values`.
    scale: f32,
}

impl Code {
    /// Quantises an embedding: rounds each number to the nearest 1/127 of the largest absolute value.
    ///
    /// # Errors
    /// - `Dimension`: the length is not `dim`, or `dim` exceeds `DIM_MAX`.
    /// - `Damaged`: a number is not finite, or all are zero or subnormal.
    pub(super) fn new(dim: usize, embedding: &[f32]) -> Result<Self> {
        if embedding.len() != dim || dim > DIM_MAX {
            return Err(Error::Dimension { expected: dim.min(DIM_MAX), received: embedding.len() });
        }
        let largest = embedding.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
        // `max` ignores NaN, so NaN is checked separately.
        if !largest.is_normal() || embedding.iter().any(|x| x.is_nan()) {
            return Err(Error::Damaged {
                what: "an embedding".into(),
                reason: "expected finite numbers that are not all zero".into(),
            });
        }
        let mut values = vec![0; dim.next_multiple_of(ALIGN)];
        for (value, x) in values.iter_mut().zip(embedding) {
            // The quotient is -1..1, and a cast from float to integer saturates.
            *value = (x / largest * 127.0).round() as i8;
        }
        let scale = scale_of(&values);
        Ok(Self { values, scale })
    }
}

/// A table of codes, one row per face.
#[derive(Clone)]
pub(super) struct QuantizedRows {
    dim: usize,
    stride: usize,
    /// \[N, stride\], -127..127.
    codes: Vec<i8>,
    /// \[N\]: 1 over the norm of the row, 0 for a row of zeros.
    scales: Vec<f32>,
}

impl QuantizedRows {
    /// Makes an empty table for embeddings of `dim` numbers.
    pub(super) fn new(dim: usize) -> Self {
        Self { dim, stride: dim.next_multiple_of(ALIGN), codes: Vec::new(), scales: Vec::new() }
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    /// Returns the codes of one row with padding, \[stride\].
    #[inline]
    pub(super) fn row(&self, row: usize) -> &[i8] {
        &self.codes[row * self.stride..][..self.stride]
    }

    /// Returns the codes of one row without padding, \[D\].
    pub(super) fn values(&self, row: usize) -> &[i8] {
        &self.row(row)[..self.dim]
    }

    /// Returns whether the row was cleared. A scale of 0 identifies a cleared row, because no embedding has
    /// codes that are all zero.
    #[inline]
    pub(super) fn is_clear(&self, row: usize) -> bool {
        self.scales[row] == 0.0
    }

    pub(super) fn push(&mut self, code: &Code) {
        self.codes.extend_from_slice(&code.values);
        self.scales.push(code.scale);
    }

    /// Appends `values` \[D\], each -127..127.
    pub(super) fn push_values(&mut self, values: &[i8]) {
        let end = self.codes.len() + self.stride;
        self.codes.extend_from_slice(values);
        self.codes.resize(end, 0);
        self.scales.push(scale_of(values));
    }

    pub(super) fn set(&mut self, row: usize, code: &Code) {
        self.codes[row * self.stride..][..self.stride].copy_from_slice(&code.values);
        self.scales[row] = code.scale;
    }

    /// Overwrites the row with zeros.
    pub(super) fn clear(&mut self, row: usize) {
        self.codes[row * self.stride..][..self.stride].fill(0);
        self.scales[row] = 0.0;
    }

    /// Removes the row and moves the last row to its position.
    pub(super) fn swap_remove(&mut self, row: usize) {
        let end = self.overwrite_with_last(row);
        self.codes.truncate(end);
        self.scales.swap_remove(row);
    }

    /// Copies the codes of the last row over the codes of `row` and sets the last row to zeros, so that the
    /// table's unused capacity contains no code. Returns the offset of the zeros.
    fn overwrite_with_last(&mut self, row: usize) -> usize {
        let last = (self.len() - 1) * self.stride;
        self.codes.copy_within(last.., row * self.stride);
        self.codes[last..].fill(0);
        last
    }

    /// Returns the similarity of a row to `code`, -1..1; 0 for a cleared row.
    #[inline]
    pub(super) fn similarity(&self, row: usize, code: &Code) -> f32 {
        let dot = kernels::dot(&code.values, self.row(row));
        cosine(dot, code.scale, self.scales[row])
    }

    /// Returns the unit vector that a row's codes represent, \[D\]; zeros for a cleared row.
    pub(super) fn embedding(&self, row: usize) -> Vec<f32> {
        let scale = self.scales[row];
        self.values(row).iter().map(|&value| f32::from(value) * scale).collect()
    }

    /// Returns the similarity of two rows, -1..1.
    #[inline]
    pub(super) fn similarity_between(&self, a: usize, b: usize) -> f32 {
        let dot = kernels::dot(self.row(a), self.row(b));
        cosine(dot, self.scales[a], self.scales[b])
    }

    /// Returns the best `k` rows with a similarity of at least `floor` to `code`, best first, named by `ids`
    /// \[N\]. Skips cleared rows.
    pub(super) fn scan(&self, ids: &[FaceId], code: &Code, k: usize, floor: f32) -> Vec<Hit> {
        self.scan_each(ids, &[(code, floor)], k).pop().unwrap_or_default()
    }

    /// Runs `scan` for each (code, floor) in one pass, which reads the table from memory once.
    pub(super) fn scan_each(
        &self,
        ids: &[FaceId],
        queries: &[(&Code, f32)],
        k: usize,
    ) -> Vec<Vec<Hit>> {
        let none = || queries.iter().map(|(_, floor)| TopK::new(k, *floor)).collect::<Vec<_>>();
        let hits = |best: Vec<TopK>| best.into_iter().map(TopK::into_hits).collect();
        let part = |from: usize, ids: &[FaceId]| -> Vec<Vec<Hit>> {
            let mut best = none();
            for (n, ids) in ids.chunks(BLOCK_ROWS).enumerate() {
                for ((code, _), best) in queries.iter().zip(&mut best) {
                    self.score(from + n * BLOCK_ROWS, ids, code, best);
                }
            }
            hits(best)
        };
        if ids.len() <= PART_ROWS {
            return part(0, ids);
        }
        let parts: Vec<Vec<Vec<Hit>>> = ids
            .par_chunks(PART_ROWS)
            .enumerate()
            .map(|(n, ids)| part(n * PART_ROWS, ids))
            .collect();
        let mut best = none();
        for part in parts {
            for (best, hits) in best.iter_mut().zip(part) {
                hits.into_iter().for_each(|hit| best.offer(hit.face, hit.similarity));
            }
        }
        hits(best)
    }

    /// Offers a block of rows to `best`: the rows from `from` on, one per element of `ids`, at most
    /// `BLOCK_ROWS`.
    fn score(&self, from: usize, ids: &[FaceId], code: &Code, best: &mut TopK) {
        let mut dots = [0; BLOCK_ROWS];
        let codes = &self.codes[from * self.stride..][..ids.len() * self.stride];
        kernels::scan(&code.values, codes, &mut dots);
        for ((&dot, &scale), &face) in dots.iter().zip(&self.scales[from..]).zip(ids) {
            let similarity = cosine(dot, code.scale, scale);
            if similarity >= best.floor() && scale != 0.0 {
                best.offer(face, similarity);
            }
        }
    }
}

/// Returns the cosine of two codes from their dot product and scales, clamped because rounding can exceed 1.
#[inline]
fn cosine(dot: i32, scale_a: f32, scale_b: f32) -> f32 {
    (dot as f32 * (scale_a * scale_b)).clamp(-1.0, 1.0)
}

/// Returns 1 over the norm of the codes; 0 if all are zero.
fn scale_of(values: &[i8]) -> f32 {
    match kernels::dot(values, values) {
        0 => 0.0,
        squares => (f64::from(squares).sqrt().recip()) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_embedding_is_refused() {
        for bad in [[0.0; 3], [f32::NAN, 0.5, 0.0], [0.5, f32::INFINITY, 0.0], [1e-40, 0.0, 0.0]] {
            assert!(matches!(Code::new(3, &bad), Err(Error::Damaged { .. })), "{bad:?}");
        }
        for (dim, received) in [(2, 3), (4, 3), (DIM_MAX + 1, DIM_MAX + 1)] {
            let refusal = Code::new(dim, &vec![0.1; received]);
            assert!(matches!(refusal, Err(Error::Dimension { .. })), "{dim}");
        }
        assert!(Code::new(3, &[f32::MIN_POSITIVE, f32::MAX, -f32::MAX]).is_ok());
    }

    #[test]
    fn similarity_is_the_cosine_whatever_the_norm() {
        let mut rows = QuantizedRows::new(3);
        rows.push(&Code::new(3, &[3.0, 4.0, 0.0]).unwrap());
        for (query, cosine) in [
            ([0.03, 0.04, 0.0], 1.0),
            ([-6.0, -8.0, 0.0], -1.0),
            ([0.0, 0.0, 2.0], 0.0),
            ([1.0, 0.0, 0.0], 0.6),
        ] {
            let similarity = rows.similarity(0, &Code::new(3, &query).unwrap());
            assert!((similarity - cosine).abs() < 0.005, "{query:?}: {similarity}");
            assert!(similarity.abs() <= 1.0);
        }
    }

    #[test]
    fn a_removed_row_leaves_no_codes_in_memory() {
        let mut rows = QuantizedRows::new(2);
        for x in [1.0, 2.0, 3.0] {
            rows.push(&Code::new(2, &[x, 1.0]).unwrap());
        }
        let (first, third) = (rows.row(0).to_vec(), rows.row(2).to_vec());
        let end = rows.overwrite_with_last(1);
        assert_eq!(rows.codes, [first, third, vec![0; ALIGN]].concat());
        assert_eq!(end, 2 * ALIGN);
        rows.overwrite_with_last(2);
        assert_eq!(rows.row(2), [0; ALIGN]);
        for left in [2, 1, 0] {
            rows.swap_remove(0);
            assert_eq!((rows.len(), rows.codes.len()), (left, left * ALIGN));
        }
    }
}
