use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

/// Number of rows and of columns of a tile of products. A tile of 512 × 512 `f32` takes 1 MiB, which fits the
/// cache of one core.
const TILE: usize = 512;
/// Number of dot products that one comparison with `least` covers. Few products are at least `least`, so one
/// comparison for 64 products takes less time than 64 comparisons.
const STRETCH: usize = 64;

/// A row and a column whose dot product is at least the `least` of [`find_close`].
pub(super) struct ClosePair {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) product: f32,
}

/// Arranges vectors of `dim` numbers as the rows of a matrix, shape `[N, dim]`. The matrix is empty if the
/// length of `numbers` is no multiple of `dim`.
pub(super) fn stack_rows(numbers: Vec<f32>, dim: usize) -> Array2<f32> {
    let count = numbers.len().checked_div(dim).unwrap_or(0);
    Array2::from_shape_vec((count, dim), numbers).unwrap_or_default()
}

/// Returns all pairs of a row of `rows` \[N, D\] and a row of `columns` \[M, D\] whose dot product is at
/// least `least`, sorted by row. Computes blocked matrix products on all cores; the result is exact up to
/// rounding. Row `i` is compared with the columns before `end(i)`; `end` must not decrease.
pub(super) fn find_close(
    rows: ArrayView2<'_, f32>,
    columns: ArrayView2<'_, f32>,
    end: impl Fn(usize) -> usize + Sync,
    least: f32,
) -> Vec<ClosePair> {
    let starts: Vec<usize> = (0..rows.nrows()).step_by(TILE).collect();
    let band = |start: usize| {
        let band = rows.slice(s![start..(start + TILE).min(rows.nrows()), ..]);
        let last = end(start + band.nrows() - 1).min(columns.nrows());
        let mut tile = Array2::<f32>::zeros((band.nrows(), TILE));
        let mut found = Vec::new();
        for first in (0..last).step_by(TILE) {
            let part = columns.slice(s![first..(first + TILE).min(last), ..]);
            let mut products = tile.slice_mut(s![.., ..part.nrows()]);
            general_mat_mul(1.0, &band, &part.t(), 0.0, &mut products);
            for (row, line) in (start..).zip(products.rows()) {
                let compared = end(row).saturating_sub(first).min(line.len());
                let line = line.to_slice().and_then(|line| line.get(..compared));
                add_close(&mut found, (row, first), line.unwrap_or_default(), least);
            }
        }
        found.sort_by_key(|close: &ClosePair| close.row);
        found
    };
    starts.into_par_iter().flat_map_iter(band).collect()
}

/// Adds the close pairs among one row's products with the columns from `first` on.
fn add_close(found: &mut Vec<ClosePair>, (row, first): (usize, usize), line: &[f32], least: f32) {
    for (start, stretch) in (first..).step_by(STRETCH).zip(line.chunks(STRETCH)) {
        // The fold has no early exit, so that the compiler can use vector registers.
        if stretch.iter().fold(false, |any, &product| any | (product >= least)) {
            let near = (start..).zip(stretch).filter(|(_, product)| **product >= least);
            found.extend(near.map(|(column, &product)| ClosePair { row, column, product }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Makes vectors of small integers, so that every product is exact.
    fn vectors(count: usize, seed: usize) -> Array2<f32> {
        let number = |i: usize| ((i * 7919 + seed * 104_729) % 11) as f32 - 5.0;
        stack_rows((0..count * 3).map(number).collect(), 3)
    }

    fn plain(rows: &Array2<f32>, columns: &Array2<f32>, least: f32) -> BTreeSet<(usize, usize)> {
        let all = (0..rows.nrows()).flat_map(|row| (0..columns.nrows()).map(move |c| (row, c)));
        all.filter(|&(row, column)| rows.row(row).dot(&columns.row(column)) >= least).collect()
    }

    #[test]
    fn close_pairs_are_found_once_at_every_tile_size() {
        for (rows, columns) in [(1, 1), (3, TILE), (TILE + 1, 2 * TILE + 70), (700, 65), (0, 5)] {
            let (rows, columns) = (vectors(rows, 1), vectors(columns, 2));
            let found = find_close(rows.view(), columns.view(), |_| usize::MAX, 40.0);
            let named: Vec<_> = found.iter().map(|close| (close.row, close.column)).collect();
            let expected = plain(&rows, &columns, 40.0);
            assert_eq!(named.len(), expected.len());
            assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), expected);
            assert!(found.is_sorted_by_key(|close| close.row));
        }
    }

    #[test]
    fn columns_from_the_end_on_are_left_out() {
        let all = vectors(TILE + 300, 3);
        let found = find_close(all.slice(s![200.., ..]), all.view(), |row| 200 + row, 30.0);
        let pairs: BTreeSet<_> =
            found.iter().map(|close| (200 + close.row, close.column)).collect();
        let expected = plain(&all, &all, 30.0);
        let expected: BTreeSet<_> =
            expected.into_iter().filter(|&(row, column)| row >= 200 && column < row).collect();
        assert!(!expected.is_empty());
        assert_eq!(pairs, expected);
    }
}
