//! Measures, from two views, the distance of the nose from the plane of eyes and mouth corners.
//!
//! A move or tilt of a flat picture moves all its points by one homography. The four points of eyes and mouth
//! corners determine the homography, which gives the position of a flat nose (Hartley and Zisserman, Multiple
//! View Geometry, 4.1). A real nose protrudes by about 0.4 of the distance from eyes to mouth, and moves
//! ahead of the plane when the head turns.

use crate::detect::Landmarks;

type Matrix = [[f64; 3]; 3];

/// Returns the offset of the nose in `now` from the position that it would have if `front` were a
/// flat picture: (along the line of the eyes, across this line), positive to the right and down, in distances
/// from eyes to mouth. Returns `None` for landmarks that determine no plane, for instance with three points
/// on one line.
pub(super) fn relief(front: &Landmarks, now: &Landmarks) -> Option<[f32; 2]> {
    let map = product(&basis(now)?, &inverse(&basis(front)?)?);
    let [x, y, w] = apply(&map, homogeneous(front[2]));
    let flat = [(x / w) as f32, (y / w) as f32];
    let [left, right, nose, mouth_left, mouth_right] = *now;
    let middle = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let (eyes, mouth) = (middle(left, right), middle(mouth_left, mouth_right));
    let length = (mouth[0] - eyes[0]).hypot(mouth[1] - eyes[1]);
    let roll = (right[1] - left[1]).atan2(right[0] - left[0]);
    let off = [(nose[0] - flat[0]) / length, (nose[1] - flat[1]) / length];
    let upright =
        [off[0] * roll.cos() + off[1] * roll.sin(), off[1] * roll.cos() - off[0] * roll.sin()];
    upright.iter().all(|value| value.is_finite()).then_some(upright)
}

fn homogeneous([x, y]: [f32; 2]) -> [f64; 3] {
    [f64::from(x), f64::from(y), 1.0]
}

/// Returns the projective basis of eyes and mouth corners. Its columns are three of the points, scaled so
/// that their sum is the fourth point. Two such bases give the homography between two views.
fn basis([left, right, _, mouth_left, mouth_right]: &Landmarks) -> Option<Matrix> {
    let [a, b, c] = [*left, *right, *mouth_left].map(homogeneous);
    let columns = transposed(&[a, b, c]);
    let scales = apply(&inverse(&columns)?, homogeneous(*mouth_right));
    Some(columns.map(|row| [row[0] * scales[0], row[1] * scales[1], row[2] * scales[2]]))
}

fn transposed(m: &Matrix) -> Matrix {
    [0, 1, 2].map(|i| [m[0][i], m[1][i], m[2][i]])
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn apply(m: &Matrix, v: [f64; 3]) -> [f64; 3] {
    m.map(|row| dot(row, v))
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let columns = transposed(b);
    a.map(|row| columns.map(|column| dot(row, column)))
}

/// Returns the inverse; `None` for a singular matrix.
fn inverse(m: &Matrix) -> Option<Matrix> {
    let [a, b, c] = *m;
    let determinant = dot(a, cross(b, c));
    let columns = [cross(b, c), cross(c, a), cross(a, b)];
    (determinant.is_finite() && determinant.abs() > 1e-9)
        .then(|| transposed(&columns).map(|row| row.map(|value| value / determinant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: Landmarks = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]];

    #[test]
    fn a_flat_picture_keeps_its_nose_however_it_is_tilted() {
        for map in [
            [[1.3, 0.1, 20.0], [-0.2, 0.9, 5.0], [0.0, 0.0, 1.0]],
            [[0.6, 0.0, 40.0], [0.1, 1.1, 2.0], [0.004, -0.001, 1.0]],
        ] {
            let moved = FRONT.map(|point| {
                let [x, y, w] = apply(&map, homogeneous(point));
                [(x / w) as f32, (y / w) as f32]
            });
            let [along, down] = relief(&FRONT, &moved).unwrap();
            assert!(along.abs() < 1e-3 && down.abs() < 1e-3, "{along} {down}");
        }
    }

    #[test]
    fn a_protruding_nose_moves_ahead_at_every_roll() {
        for roll in [0.0f32, 0.5, -0.7] {
            let mut turned = FRONT;
            turned[2][0] += 8.0;
            let turned = turned
                .map(|[x, y]| [x * roll.cos() - y * roll.sin(), x * roll.sin() + y * roll.cos()]);
            let [along, down] = relief(&FRONT, &turned).unwrap();
            assert!((along - 0.197).abs() < 0.01 && down.abs() < 0.01, "{along} {down}");
        }
    }

    #[test]
    fn landmarks_that_fix_no_plane_have_no_relief() {
        let line = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]];
        assert!(relief(&FRONT, &line).is_none() || relief(&line, &FRONT).is_none());
        assert!(relief(&line, &FRONT).is_none());
        assert!(relief(&[[7.0; 2]; 5], &FRONT).is_none());
        assert!(relief(&[[f32::NAN; 2]; 5], &FRONT).is_none());
    }
}
