//! The byte format of a frozen graph. The caller encrypts the bytes.
//!
//! All numbers are little-endian u32. The bytes contain, in order:
//!
//! - the header: magic (8 bytes), version, D, number of rows N, number of layers, and for each layer, from
//!   the base upwards, its number of rows and its number of links;
//! - the ids \[N, 16\];
//! - the codes \[N, D\] as i8;
//! - for each layer, the end offset of each row's links, and the links;
//! - the SHA-256 of all bytes before it.
//!
//! Every version begins with magic and version, and ends with the SHA-256. The decoder refuses damaged bytes
//! before it allocates memory for the sizes in the header.

use sha2::{Digest, Sha256};

use super::graph::{Graph, Links};
use super::quantized::{DIM_MAX, QuantizedRows};
use crate::error::{Error, Result};
use crate::ids::FaceId;

const MAGIC: &[u8; 8] = b"PPgraph\0";
const VERSION: u32 = 1;

/// The length of a SHA-256 in bytes.
const DIGEST: usize = 32;

/// Limits the layers that the decoder accepts to 64, more than a builder makes.
const LAYERS_MAX: usize = 64;

pub(super) fn encode(graph: &Graph) -> Vec<u8> {
    let (rows, layers) = (graph.rows(), graph.layers());
    let links: usize = layers.iter().map(|l| l.starts.len() + l.targets.len()).sum();
    let header = 24 + 8 * layers.len();
    let mut bytes =
        Vec::with_capacity(header + rows.len() * (16 + rows.dim()) + links * 4 + DIGEST);
    bytes.extend_from_slice(MAGIC);
    let put = |bytes: &mut Vec<u8>, n: usize| bytes.extend_from_slice(&(n as u32).to_le_bytes());
    for n in [VERSION as usize, rows.dim(), rows.len(), layers.len()] {
        put(&mut bytes, n);
    }
    for layer in layers {
        put(&mut bytes, layer.len());
        put(&mut bytes, layer.targets.len());
    }
    graph.ids().iter().for_each(|id| bytes.extend_from_slice(&id.0));
    for row in 0..rows.len() {
        bytes.extend(rows.values(row).iter().map(|&value| value as u8));
    }
    for layer in layers {
        for n in layer.starts.iter().skip(1).chain(&layer.targets) {
            bytes.extend_from_slice(&n.to_le_bytes());
        }
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Graph> {
    let (mut body, digest) = bytes
        .split_at_checked(bytes.len().saturating_sub(DIGEST))
        .ok_or_else(|| damaged("it is too short"))?;
    if Sha256::digest(body)[..] != *digest {
        return Err(damaged("its checksum does not match"));
    }
    let input = &mut body;
    if take(input, MAGIC.len())? != MAGIC {
        return Err(damaged("it is not a face graph"));
    }
    match number(input)? as u32 {
        0 => Err(damaged("its version is 0")),
        VERSION => decode_body(input),
        received => {
            Err(Error::NewerFormat { what: "the face graph".into(), expected: VERSION, received })
        }
    }
}

/// Decodes the bytes between the version and the SHA-256.
fn decode_body(input: &mut &[u8]) -> Result<Graph> {
    let (dim, count, layer_count) = (number(input)?, number(input)?, number(input)?);
    if !(1..=DIM_MAX).contains(&dim) || layer_count > LAYERS_MAX {
        return Err(damaged("its header is out of range"));
    }
    let mut sizes = Vec::with_capacity(layer_count);
    for _ in 0..layer_count {
        sizes.push((number(input)?, number(input)?));
    }
    // Rows are sorted by level: the base layer has all rows, and no layer has more rows than the layer below
    // it.
    let bases = sizes.iter().map(|size| size.0);
    let descending = sizes.iter().zip(bases.skip(1)).all(|(a, b)| a.0 >= b);
    if sizes.first().map_or(0, |base| base.0) != count
        || sizes.iter().any(|s| s.0 == 0)
        || !descending
    {
        return Err(damaged("the sizes of its layers do not match its rows"));
    }
    let ids: Vec<FaceId> =
        take(input, product(count, 16)?)?.as_chunks().0.iter().map(|id| FaceId(*id)).collect();
    let mut rows = QuantizedRows::new(dim);
    let mut values = Vec::with_capacity(dim);
    for row in take(input, product(count, dim)?)?.chunks_exact(dim) {
        values.clear();
        values.extend(row.iter().map(|&byte| byte as i8));
        if values.contains(&i8::MIN) {
            return Err(damaged("a code is out of range"));
        }
        rows.push_values(&values);
    }
    let mut layers = Vec::with_capacity(layer_count);
    for (nodes, links) in sizes {
        layers.push(decode_links(input, nodes, links)?);
    }
    if !input.is_empty() {
        return Err(damaged("bytes follow its end"));
    }
    let live = (0..count).filter(|&row| !rows.is_clear(row)).count();
    let graph = Graph::new(rows, ids, layers);
    if graph.len() != live {
        return Err(damaged("it contains a face twice"));
    }
    Ok(graph)
}

/// Decodes one layer of `nodes` rows and `links` links.
fn decode_links(input: &mut &[u8], nodes: usize, links: usize) -> Result<Links> {
    let ends = numbers(input, nodes)?;
    let targets = numbers(input, links)?;
    let mut starts = Vec::with_capacity(nodes + 1);
    starts.push(0);
    starts.extend(ends);
    if !starts.is_sorted() || starts.last().map_or(0, |&end| end as usize) != links {
        return Err(damaged("the offsets of its links are inconsistent"));
    }
    if targets.iter().any(|&row| row as usize >= nodes) {
        return Err(damaged("a link points outside its layer"));
    }
    Ok(Links { starts, targets })
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Result<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(len).ok_or_else(|| damaged("it ends too early"))?;
    *input = rest;
    Ok(taken)
}

fn number(input: &mut &[u8]) -> Result<usize> {
    Ok(numbers(input, 1)?.iter().map(|&n| n as usize).sum())
}

fn numbers(input: &mut &[u8], count: usize) -> Result<Vec<u32>> {
    let bytes = take(input, product(count, 4)?)?;
    Ok(bytes.as_chunks().0.iter().map(|n| u32::from_le_bytes(*n)).collect())
}

fn product(a: usize, b: usize) -> Result<usize> {
    a.checked_mul(b).ok_or_else(|| damaged("its lengths are out of range"))
}

fn damaged(reason: &str) -> Error {
    Error::Damaged { what: "the face graph".into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::quantized::Code;
    use crate::index::sample::{Random, SyntheticPeople, fill};
    use crate::index::search_layer::LayerSearch;
    use crate::index::{HnswIndex, Index};

    fn sample() -> Vec<u8> {
        let mut people = SyntheticPeople::new(12, 60);
        let faces = people.faces();
        let mut index = HnswIndex::new(12);
        fill(&mut index, &faces);
        index.freeze().unwrap();
        assert!(index.remove(&faces[7].0));
        index.to_bytes()
    }

    /// Replaces the checksum with the checksum of the changed bytes.
    fn sign(bytes: &mut [u8]) {
        let (body, digest) = bytes.split_at_mut(bytes.len() - DIGEST);
        digest.copy_from_slice(&Sha256::digest(body));
    }

    fn corrupt(bytes: &mut Vec<u8>, random: &mut Random) {
        let place = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes[place] = random.word() as u8,
            2 => drop(bytes.remove(place)),
            3 => bytes.insert(place, random.word() as u8),
            _ => {
                let end = (place + random.below(64)).min(bytes.len());
                bytes[place..end].fill_with(|| random.word() as u8);
            }
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = sample();
        assert_eq!(encode(&decode(&good).unwrap()), good);
        let mut random = Random(6);
        for _ in 0..2_000 {
            let mut bytes = good.clone();
            corrupt(&mut bytes, &mut random);
            let refused = matches!(decode(&bytes), Err(Error::Damaged { .. }));
            assert!(refused || bytes == good);
        }
        let lengths = (0..good.len()).filter(|n| n % 17 == 0 || *n < 200 || n + 100 > good.len());
        for length in lengths {
            assert!(matches!(decode(&good[..length]), Err(Error::Damaged { .. })), "{length}");
        }
    }

    #[test]
    fn signed_nonsense_neither_panics_nor_reads_as_something_else() {
        let good = sample();
        let mut random = Random(8);
        let mut read = 0;
        for _ in 0..2_000 {
            let mut bytes = good.clone();
            for _ in 0..1 + random.below(2) {
                corrupt(&mut bytes, &mut random);
            }
            sign(&mut bytes);
            if let Ok(graph) = decode(&bytes) {
                read += 1;
                assert_eq!(encode(&graph), bytes);
                let dim = graph.rows().dim();
                let code = Code::new(dim, &random.unit(dim)).unwrap();
                LayerSearch::nearest(&graph, &code, 50).hits(10, -1.0);
            }
        }
        assert!(read > 100, "too few changed graphs passed the checks: {read}");
    }

    #[test]
    fn absurd_headers_are_refused_before_memory_is_taken() {
        let good = sample();
        for field in (12..48).step_by(4) {
            for value in [u32::MAX, u32::MAX / 2, 1 << 24, 5_000] {
                let mut bytes = good.clone();
                bytes[field..field + 4].copy_from_slice(&value.to_le_bytes());
                sign(&mut bytes);
                assert!(matches!(decode(&bytes), Err(Error::Damaged { .. })), "{field} {value}");
            }
        }
    }

    #[test]
    fn newer_versions_and_damage_give_different_errors() {
        let mut bytes = sample();
        bytes[8] = 2;
        sign(&mut bytes);
        let refusal = decode(&bytes).err();
        assert!(matches!(refusal, Some(Error::NewerFormat { expected: 1, received: 2, .. })));
        bytes[8] = 0;
        sign(&mut bytes);
        assert!(matches!(decode(&bytes), Err(Error::Damaged { .. })));
    }

    #[test]
    fn an_empty_graph_round_trips() {
        let bytes = HnswIndex::new(128).to_bytes();
        let index = HnswIndex::from_bytes(&bytes).unwrap();
        assert!(index.is_empty() && index.dim() == 128);
    }
}
