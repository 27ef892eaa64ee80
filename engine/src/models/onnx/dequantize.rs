//! Converts block-quantised weights (`DequantizeLinear` over constants) to float weights:
//! weight = (q - zero point) · scale, as the ONNX operator defines (opset 21).

use std::collections::HashMap;

use super::schema::{GraphProto, NodeProto, TensorProto, data_type};

/// `TensorProto.DataLocation.EXTERNAL`: the values are in another file.
const EXTERNAL: i32 = 1;

/// Replaces every `DequantizeLinear` node with a float constant of the node's output name. The quantised
/// constants remain, unused.
pub(super) fn dequantize_weights(graph: &mut GraphProto) -> Result<(), String> {
    let is_quantised = |node: &NodeProto| node.op_type.as_deref() == Some("DequantizeLinear");
    let (quantised, others): (Vec<NodeProto>, Vec<NodeProto>) =
        std::mem::take(&mut graph.node).into_iter().partition(is_quantised);
    graph.node = others;
    if quantised.is_empty() {
        return Err("expected block-quantised weights, found none".to_owned());
    }
    let constants: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_deref().unwrap_or_default(), tensor))
        .collect();
    let folded = quantised
        .iter()
        .map(|node| {
            let name = node.name.as_deref().unwrap_or_default();
            dequantize_node(node, &constants).map_err(|reason| format!("node '{name}': {reason}"))
        })
        .collect::<Result<Vec<_>, _>>()?;

    graph.initializer.extend(folded);
    Ok(())
}

fn dequantize_node(
    node: &NodeProto,
    constants: &HashMap<&str, &TensorProto>,
) -> Result<TensorProto, String> {
    let constant = |nth: usize, what: &str| {
        let name = node.input.get(nth).map(String::as_str).unwrap_or_default();
        let found = constants.get(name).copied();
        found.ok_or_else(|| format!("expected a constant {what}, received '{name}'"))
    };
    let weight = constant(0, "weight")?;
    let scale = constant(1, "scale")?;
    let has_zero_point = node.input.get(2).is_some_and(|name| !name.is_empty());
    let zero_point = has_zero_point.then(|| constant(2, "zero point")).transpose()?;
    let output = node.output.first().filter(|name| !name.is_empty());
    let output = output.ok_or("expected an output name, received none")?;

    let shape = TensorShape::of(weight)?;
    let quantised = integers(weight, shape.count)?;
    let scales = floats(scale, TensorShape::of(scale)?.count)?;
    let zero_points = match zero_point {
        Some(tensor) if tensor.dims == scale.dims => integers(tensor, scales.len())?,
        Some(tensor) => {
            let (expected, received) = (&scale.dims, &tensor.dims);
            return Err(format!("zero point: expected shape {expected:?}, received {received:?}"));
        }
        None => vec![0; scales.len()],
    };
    let grid = BlockGrid::new(node, &shape, &scale.dims)?;
    let mut raw = Vec::with_capacity(quantised.len().saturating_mul(4));
    for (nth, q) in quantised.iter().enumerate() {
        let at = grid.index(nth);
        let (Some(scale), Some(zero)) = (scales.get(at), zero_points.get(at)) else {
            return Err(format!("element {nth} has no scale"));
        };
        let value = (i64::from(*q) - i64::from(*zero)) as f32 * scale;
        raw.extend_from_slice(&value.to_le_bytes());
    }
    Ok(TensorProto {
        dims: weight.dims.clone(),
        data_type: Some(data_type::FLOAT),
        name: Some(output.clone()),
        raw_data: Some(raw),
        ..TensorProto::default()
    })
}

/// A tensor's dimensions. No dimension is 0, and their product fits `usize`, so the product of any subset
/// fits too.
struct TensorShape {
    sizes: Vec<usize>,
    count: usize,
}

impl TensorShape {
    fn of(tensor: &TensorProto) -> Result<Self, String> {
        let refused = || format!("the shape {:?} is invalid", tensor.dims);
        let mut sizes = Vec::with_capacity(tensor.dims.len());
        let mut count = 1_usize;
        for dim in &tensor.dims {
            let size = usize::try_from(*dim).map_err(|_| refused())?;
            if size == 0 {
                return Err(refused());
            }
            count = count.checked_mul(size).ok_or_else(refused)?;
            sizes.push(size);
        }
        Ok(Self { sizes, count })
    }
}

/// The mapping from the elements of a weight to their scales.
enum BlockGrid {
    /// One scale for all elements. A block size, which some files also have, is ignored.
    One,
    /// Element (outer, a, inner) has the scale (outer, a / block, inner), or the scale a if `per_axis`.
    Blocks { length: usize, inner: usize, block: usize, scales: usize, per_axis: bool },
}

impl BlockGrid {
    fn new(node: &NodeProto, shape: &TensorShape, scale_dims: &[i64]) -> Result<Self, String> {
        if scale_dims.iter().all(|dim| *dim == 1) {
            return Ok(Self::One);
        }
        let rank = shape.sizes.len();
        let wanted = attribute(node, "axis").unwrap_or(1);
        let axis = if wanted < 0 { wanted.saturating_add(rank as i64) } else { wanted };
        let axis = usize::try_from(axis).ok().filter(|axis| *axis < rank);
        let axis =
            axis.ok_or_else(|| format!("axis: expected one of {rank}, received {wanted}"))?;
        let length = shape.sizes.get(axis).copied().unwrap_or_default();
        let inner = shape.sizes.iter().skip(axis + 1).product();
        let block = attribute(node, "block_size").unwrap_or(0);
        let mut expected: Vec<i64> = shape.sizes.iter().map(|size| *size as i64).collect();
        let (block, per_axis) = match usize::try_from(block) {
            Ok(0) => {
                expected = vec![length as i64];
                (1, true)
            }
            Ok(block) => {
                if let Some(size) = expected.get_mut(axis) {
                    *size = length.div_ceil(block) as i64;
                }
                (block, false)
            }
            Err(_) => return Err(format!("block_size: expected 0 or more, received {block}")),
        };
        if scale_dims != expected {
            return Err(format!("scale: expected shape {expected:?}, received {scale_dims:?}"));
        }
        let scales = length.div_ceil(block);
        Ok(Self::Blocks { length, inner, block, scales, per_axis })
    }

    /// Returns the index of the scale of element `nth`, both in row-major order. No dimension is 0 (see
    /// [`TensorShape`]), so there is no division by zero.
    fn index(&self, nth: usize) -> usize {
        let Self::Blocks { length, inner, block, scales, per_axis } = self else {
            return 0;
        };
        let along = nth / inner % length / block;
        if *per_axis {
            return along;
        }
        let outer = nth / inner / length;
        (outer * scales + along) * inner + nth % inner
    }
}

fn attribute(node: &NodeProto, name: &str) -> Option<i64> {
    let named =
        |attribute: &&super::schema::AttributeProto| attribute.name.as_deref() == Some(name);
    node.attribute.iter().find(named)?.i
}

/// Returns the values of an integer tensor of `count` elements.
fn integers(tensor: &TensorProto, count: usize) -> Result<Vec<i32>, String> {
    let raw = raw(tensor)?;
    let values: Vec<i32> = match (tensor.data_type, raw) {
        (Some(data_type::INT8), Some(raw)) => raw.iter().map(|b| i32::from(*b as i8)).collect(),
        (Some(data_type::UINT8), Some(raw)) => raw.iter().map(|b| i32::from(*b)).collect(),
        (Some(data_type::INT32), Some(raw)) => {
            words(raw)?.iter().map(|b| i32::from_le_bytes(*b)).collect()
        }
        (Some(data_type::INT8 | data_type::UINT8 | data_type::INT32), None) => {
            tensor.int32_data.clone()
        }
        (other, _) => {
            return Err(format!("expected int8, uint8 or int32, received type {other:?}"));
        }
    };
    counted(values, count)
}

/// Returns the values of a float32 tensor of `count` elements.
fn floats(tensor: &TensorProto, count: usize) -> Result<Vec<f32>, String> {
    let values = match (tensor.data_type, raw(tensor)?) {
        (Some(data_type::FLOAT), Some(raw)) => {
            words(raw)?.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        (Some(data_type::FLOAT), None) => tensor.float_data.clone(),
        (other, _) => return Err(format!("scale: expected float32, received type {other:?}")),
    };
    counted(values, count)
}

/// Returns the raw bytes of a tensor; `None` if its values are in a typed field.
fn raw(tensor: &TensorProto) -> Result<Option<&[u8]>, String> {
    if tensor.data_location == Some(EXTERNAL) {
        return Err(
            "weights in an external file are not supported; store them in the ONNX file".to_owned()
        );
    }
    Ok(tensor.raw_data.as_deref().filter(|raw| !raw.is_empty()))
}

fn words(raw: &[u8]) -> Result<&[[u8; 4]], String> {
    match raw.as_chunks::<4>() {
        (words, []) => Ok(words),
        (_, rest) => Err(format!("expected a multiple of 4 bytes, {} are left over", rest.len())),
    }
}

fn counted<T>(values: Vec<T>, count: usize) -> Result<Vec<T>, String> {
    if values.len() == count {
        return Ok(values);
    }
    Err(format!("expected {count} values, received {}", values.len()))
}

#[cfg(test)]
pub(super) mod tests;
