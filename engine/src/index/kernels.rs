//! SIMD kernels for dot products of int8 vectors, the inner loop of every search.
//!
//! The fastest kernel that the processor supports is chosen once, at run time. For codes of -127 to 127, all
//! kernels give equal integers, so results do not depend on the machine.

use std::sync::OnceLock;

/// An implementation of the dot products for one instruction set.
struct Kernel {
    name: &'static str,
    dot: fn(&[i8], &[i8]) -> i32,
    scan: fn(&[i8], &[i8], &mut [i32]),
}

/// Returns the name of the kernel in use: "avx512-vnni", "avx2", "neon" or "portable".
pub(crate) fn name() -> &'static str {
    chosen().name
}

/// Returns the dot product of `a` and `b`, over the shorter length. Codes must be -127 to 127 and lengths at
/// most 130,000, so that the sum fits an `i32`.
#[inline]
pub(super) fn dot(a: &[i8], b: &[i8]) -> i32 {
    (chosen().dot)(a, b)
}

/// Sets `dots[i]` to the dot product of `query` \[D\] and row `i` of `rows` \[N, D\], row-major. If `rows`
/// has fewer than `dots.len()` rows, the remaining elements of `dots` are unchanged.
pub(super) fn scan(query: &[i8], rows: &[i8], dots: &mut [i32]) {
    if !query.is_empty() {
        (chosen().scan)(query, rows, dots);
    }
}

/// Prefetches the first 128 bytes of `row` into the processor's cache. A graph search calls this function as
/// soon as it knows which rows it will read. The hardware prefetcher loads the later bytes.
#[inline]
pub(super) fn prefetch(row: &[i8]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(64).take(2) {
        // SAFETY: a prefetch is a hint that reads nothing, whatever the address, and every x86-64
        // processor has SSE.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

fn chosen() -> &'static Kernel {
    static CHOSEN: OnceLock<Kernel> = OnceLock::new();
    CHOSEN.get_or_init(|| available().next().unwrap_or(PORTABLE))
}

/// Returns the kernels that this processor supports, fastest first.
fn available() -> impl Iterator<Item = Kernel> {
    #[cfg(target_arch = "x86_64")]
    let special = x86::available();
    #[cfg(target_arch = "aarch64")]
    let special = [Some(neon::KERNEL)];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let special: [Option<Kernel>; 0] = [];
    special.into_iter().flatten().chain([PORTABLE])
}

const PORTABLE: Kernel = Kernel {
    name: "portable",
    dot: dot_portable,
    scan: |query, rows, dots| {
        for (row, out) in rows.chunks_exact(query.len()).zip(dots) {
            *out = dot_portable(query, row);
        }
    },
};

fn dot_portable(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;
    use std::arch::x86_64::*;

    pub(super) fn available() -> [Option<Kernel>; 2] {
        let vnni = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        [
            vnni.then_some(Kernel {
                name: "avx512-vnni",
                // SAFETY: the kernel is offered only where its three features were detected.
                dot: |a, b| unsafe { dot_vnni(a, b) },
                // SAFETY: as for `dot`.
                scan: |query, rows, dots| unsafe { scan_vnni(query, rows, dots) },
            }),
            is_x86_feature_detected!("avx2").then_some(Kernel {
                name: "avx2",
                // SAFETY: the kernel is offered only where AVX2 was detected.
                dot: |a, b| unsafe { dot_avx2(a, b) },
                // SAFETY: as for `dot`.
                scan: |query, rows, dots| unsafe { scan_avx2(query, rows, dots) },
            }),
        ]
    }

    /// Loads 64 codes of `v` from index `at` on, with zeros beyond the end of `v`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load_512(v: &[i8], at: usize) -> __m512i {
        match v.len().saturating_sub(at) {
            // SAFETY: at least 64 bytes of the slice follow `at`.
            64.. => unsafe { _mm512_loadu_si512(v.as_ptr().add(at).cast()) },
            0 => _mm512_setzero_si512(),
            // SAFETY: the mask selects exactly the bytes left after `at`, and a masked load does not
            // read the other bytes.
            left => unsafe { _mm512_maskz_loadu_epi8((1 << left) - 1, v.as_ptr().add(at)) },
        }
    }

    // VNNI multiplies unsigned by signed bytes. A flip of the sign bits adds 128 to each number of one
    // operand and makes it unsigned. The dot product is then too large by 128 times the sum of the other
    // operand, so the kernels subtract this excess.

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn dot_vnni(a: &[i8], b: &[i8]) -> i32 {
        let flip = _mm512_set1_epi8(-128);
        let (mut dot, mut excess) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for at in (0..a.len().min(b.len())).step_by(64) {
            let y = load_512(b, at);
            dot = _mm512_dpbusd_epi32(dot, _mm512_xor_si512(load_512(a, at), flip), y);
            excess = _mm512_dpbusd_epi32(excess, flip, y);
        }
        _mm512_reduce_add_epi32(_mm512_sub_epi32(dot, excess))
    }

    /// Processes four rows at a time, because the sum over the lanes of each single row would take longer
    /// than the products.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn scan_vnni(query: &[i8], rows: &[i8], dots: &mut [i32]) {
        let flip = _mm512_set1_epi8(-128);
        let excess = 128 * query.iter().map(|&y| i32::from(y)).sum::<i32>();
        let len = query.len();
        let mut done = 0;
        for (four, out) in rows.chunks_exact(4 * len).zip(dots.chunks_exact_mut(4)) {
            let mut sums = [_mm512_setzero_si512(); 4];
            for at in (0..len).step_by(64) {
                let y = load_512(query, at);
                for (row, sum) in four.chunks_exact(len).zip(&mut sums) {
                    let x = _mm512_xor_si512(load_512(row, at), flip);
                    *sum = _mm512_dpbusd_epi32(*sum, x, y);
                }
            }
            let four = _mm_sub_epi32(sums_of_4(sums), _mm_set1_epi32(excess));
            // SAFETY: `out` holds four numbers of 32 bits, and the store needs no alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), four) };
            done += 4;
        }
        let rest = rows.get(done * len..).unwrap_or_default();
        for (row, out) in rest.chunks_exact(len).zip(dots.iter_mut().skip(done)) {
            let mut dot = _mm512_setzero_si512();
            for at in (0..len).step_by(64) {
                let x = _mm512_xor_si512(load_512(row, at), flip);
                dot = _mm512_dpbusd_epi32(dot, x, load_512(query, at));
            }
            *out = _mm512_reduce_add_epi32(dot) - excess;
        }
    }

    /// Returns the sum of the lanes of each of the four vectors, in order.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn sums_of_4([a, b, c, d]: [__m512i; 4]) -> __m128i {
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        let all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let half =
            _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
        _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn dot_avx2(a: &[i8], b: &[i8]) -> i32 {
        let len = a.len().min(b.len());
        let whole = len - len % 32;
        let ones = _mm256_set1_epi16(1);
        let mut dot = _mm256_setzero_si256();
        for at in (0..whole).step_by(32) {
            // SAFETY: `at + 32` is at most the length of either slice.
            let (x, y) = unsafe {
                (
                    _mm256_loadu_si256(a.as_ptr().add(at).cast()),
                    _mm256_loadu_si256(b.as_ptr().add(at).cast()),
                )
            };
            // x * y = |x| * (y with the sign of x). The sum of two products of at most 127 * 127 fits an i16.
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x));
            dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, ones));
        }
        let half = _mm_add_epi32(_mm256_castsi256_si128(dot), _mm256_extracti128_si256::<1>(dot));
        let half = _mm_add_epi32(half, _mm_shuffle_epi32::<0b00_00_11_10>(half));
        let half = _mm_add_epi32(half, _mm_shuffle_epi32::<0b00_00_00_01>(half));
        _mm_cvtsi128_si32(half) + super::dot_portable(&a[whole..len], &b[whole..len])
    }

    #[target_feature(enable = "avx2")]
    fn scan_avx2(query: &[i8], rows: &[i8], dots: &mut [i32]) {
        for (row, out) in rows.chunks_exact(query.len()).zip(dots) {
            *out = dot_avx2(query, row);
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::Kernel;
    use std::arch::aarch64::*;

    /// The NEON kernel. It needs no detection, because every 64-bit ARM processor has NEON.
    pub(super) const KERNEL: Kernel = Kernel {
        name: "neon",
        dot: dot_neon,
        scan: |query, rows, dots| {
            for (row, out) in rows.chunks_exact(query.len()).zip(dots) {
                *out = dot_neon(query, row);
            }
        },
    };

    #[inline]
    fn dot_neon(a: &[i8], b: &[i8]) -> i32 {
        let len = a.len().min(b.len());
        let whole = len - len % 16;
        // SAFETY: every aarch64 processor has NEON, and `at + 16` is at most the length of either slice.
        let dot = unsafe {
            let mut dot = vdupq_n_s32(0);
            for at in (0..whole).step_by(16) {
                let (x, y) = (vld1q_s8(a.as_ptr().add(at)), vld1q_s8(b.as_ptr().add(at)));
                dot = vpadalq_s16(dot, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
                dot = vpadalq_s16(dot, vmull_high_s8(x, y));
            }
            vaddvq_s32(dot)
        };
        dot + super::dot_portable(&a[whole..len], &b[whole..len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::sample::Random;

    /// Returns the expected dot product, summed in 64 bits.
    fn expected(a: &[i8], b: &[i8]) -> i32 {
        let sum: i64 = a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
        sum.try_into().unwrap()
    }

    #[test]
    fn every_kernel_gives_the_same_integer() {
        let mut random = Random(1);
        for kernel in available() {
            for len in 0..=300 {
                let any: Vec<i8> = (0..len).map(|_| random.code()).collect();
                let other: Vec<i8> = (0..len).map(|_| random.code()).collect();
                let ends: Vec<i8> =
                    (0..len).map(|_| random.code().signum().max(-1) * 127).collect();
                for (a, b) in [
                    (&any, &other),
                    (&any, &ends),
                    (&ends, &any),
                    (&vec![127; len], &vec![127; len]),
                    (&vec![-127; len], &vec![127; len]),
                    (&vec![-127; len], &vec![-127; len]),
                ] {
                    assert_eq!((kernel.dot)(a, b), expected(a, b), "{} {len}", kernel.name);
                    assert_eq!((kernel.dot)(b, a), expected(a, b), "{} {len}", kernel.name);
                }
            }
        }
    }

    #[test]
    fn a_scan_gives_the_dot_product_of_each_row() {
        let mut random = Random(2);
        for kernel in available() {
            for len in (1..=300).step_by(7).chain([64, 128, 512]) {
                let query: Vec<i8> = (0..len).map(|_| random.code()).collect();
                let rows: Vec<i8> = (0..len * 9).map(|_| random.code()).collect();
                let mut dots = [i32::MIN; 10];
                (kernel.scan)(&query, &rows, &mut dots);
                for (row, dot) in rows.chunks(len).zip(dots) {
                    assert_eq!(dot, expected(&query, row), "{} {len}", kernel.name);
                }
                assert_eq!(dots[9], i32::MIN, "{} wrote past the rows", kernel.name);
            }
        }
        scan(&[], &[], &mut []);
    }

    #[test]
    fn the_fastest_kernel_is_chosen() {
        assert_eq!(name(), available().next().unwrap().name);
    }
}
