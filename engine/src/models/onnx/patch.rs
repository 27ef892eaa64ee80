use std::collections::{HashMap, HashSet};

use prost::Message;

use super::dequantize;
use super::schema::{
    Dimension, GraphProto, ModelProto, TensorProto, TensorShapeProto, ValueInfoProto, data_type,
};
use crate::error::{Error, Result};
use crate::models::manifest::Patch;

/// Version of the patches, part of the cached file's name. A change of a patch's output must raise the
/// version.
pub const PATCH_VERSION: u32 = 1;

/// The first ONNX IR version in which weights may be constants that are not graph inputs.
const CONSTANT_WEIGHTS_IR_VERSION: i64 = 4;

/// Applies `patches` to the ONNX model `bytes`. Always removes unused constants and inputs, and converts
/// weights that are listed as graph inputs to constants, so that the runtime can fold them. `bytes` may be
/// arbitrary: no allocation exceeds a few times their length. `name` names the model in errors.
///
/// # Errors
/// - [`Error::Model`] if `bytes` are not an ONNX model, or if a patch does not fit the model.
pub fn apply(name: &str, bytes: &[u8], patches: &[Patch]) -> Result<Vec<u8>> {
    patched(bytes, patches).map_err(|reason| Error::Model { name: name.to_owned(), reason })
}

fn patched(bytes: &[u8], patches: &[Patch]) -> std::result::Result<Vec<u8>, String> {
    let mut model =
        ModelProto::decode(bytes).map_err(|error| format!("not an ONNX model: {error}"))?;
    let graph = model.graph.as_mut().ok_or("not an ONNX model: no graph")?;
    // Folding comes first, because the other patches examine the inputs and constants in use.
    if patches.contains(&Patch::FoldBlockQuantised) {
        dequantize::dequantize_weights(graph)?;
    }
    drop_unused(graph);
    for patch in patches {
        match patch {
            Patch::FoldBlockQuantised => {}
            Patch::SymbolicBatch => free_input(graph, &[(0, "batch")])?,
            Patch::SymbolicSize => free_input(graph, &[(2, "height"), (3, "width")])?,
            Patch::ReshapeBatch => keep_batch_in_reshapes(graph)?,
        }
    }
    let ir_version = model.ir_version.unwrap_or_default();
    model.ir_version = Some(ir_version.max(CONSTANT_WEIGHTS_IR_VERSION));
    Ok(model.encode_to_vec())
}

/// Drops unused constants, and inputs that are unused or have the name of a constant.
fn drop_unused(graph: &mut GraphProto) {
    let mut used = HashSet::new();
    collect_used(graph, &mut used);
    let is_used = |name: &Option<String>| used.contains(name.as_deref().unwrap_or_default());
    let constants: HashSet<String> = graph.initializer.iter().map(name_of).collect();
    let is_constant =
        |name: &Option<String>| constants.contains(name.as_deref().unwrap_or_default());
    graph.initializer.retain(|tensor| is_used(&tensor.name));
    graph.input.retain(|input| is_used(&input.name) && !is_constant(&input.name));
}

/// Collects the names that nodes or outputs refer to, including the bodies of control-flow nodes.
fn collect_used(graph: &GraphProto, used: &mut HashSet<String>) {
    used.extend(graph.output.iter().filter_map(|output| output.name.clone()));
    for node in &graph.node {
        used.extend(node.input.iter().cloned());
        for attribute in &node.attribute {
            for body in attribute.g.iter().chain(&attribute.graphs) {
                collect_used(body, used);
            }
        }
    }
}

fn name_of(tensor: &TensorProto) -> String {
    tensor.name.clone().unwrap_or_default()
}

fn dims(value: &mut ValueInfoProto) -> Option<&mut Vec<Dimension>> {
    let shape: &mut TensorShapeProto =
        value.r#type.as_mut()?.tensor_type.as_mut()?.shape.as_mut()?;
    Some(&mut shape.dim)
}

/// Makes the `freed` dimensions of image inputs ([N, C, H, W]) symbolic. Relaxes the shapes of outputs and
/// inner values, which followed from the old sizes.
fn free_input(graph: &mut GraphProto, freed: &[(usize, &str)]) -> std::result::Result<(), String> {
    let mut batch = None;
    for input in &mut graph.input {
        let Some(dims) = dims(input).filter(|dims| dims.len() == 4) else {
            continue;
        };
        batch = dims.first().cloned();
        for (axis, name) in freed {
            if let Some(dim) = dims.get_mut(*axis) {
                *dim = named(name);
            }
        }
    }
    let batch = batch.ok_or("expected an image input of shape [N, C, H, W], found none")?;
    for output in &mut graph.output {
        if let Some(dims) = dims(output) {
            forget(dims, &batch, freed);
        }
    }
    // Shapes of inner values are only hints; the runtime infers them again.
    graph.value_info.clear();
    Ok(())
}

/// Relaxes an output's dimensions. The first dimension is the batch if it equals the input's old batch size;
/// otherwise it merges batch and cells, and becomes unknown. The other dimensions become unknown if a height
/// or width is freed.
fn forget(dims: &mut [Dimension], old_batch: &Dimension, freed: &[(usize, &str)]) {
    let Some((first, rest)) = dims.split_first_mut() else {
        return;
    };
    if first.dim_value.is_some() && first.dim_value != old_batch.dim_value {
        *first = Dimension::default();
    }
    for (axis, name) in freed {
        if *axis > 0 {
            rest.fill(Dimension::default());
        } else if first.dim_value.is_some() {
            *first = named(name);
        }
    }
}

fn named(name: &str) -> Dimension {
    Dimension { dim_param: Some(name.to_owned()), ..Dimension::default() }
}

/// Changes constant reshape targets `[1, -1, ..]` to `[0, -1, ..]`. A 0 copies the input's dimension, which
/// is the batch here, so that each image has its own row.
fn keep_batch_in_reshapes(graph: &mut GraphProto) -> std::result::Result<(), String> {
    let mut uses: HashMap<&str, (usize, usize)> = HashMap::new();
    for node in &graph.node {
        let reshape = node.op_type.as_deref() == Some("Reshape");
        for (nth, input) in node.input.iter().enumerate() {
            let (as_target, other) = uses.entry(input).or_default();
            let counter = if reshape && nth == 1 { as_target } else { other };
            *counter += 1;
        }
    }
    let targets: HashSet<String> = uses
        .into_iter()
        .filter(|(_, (as_target, other))| *as_target > 0 && *other == 0)
        .map(|(name, _)| name.to_owned())
        .collect();
    let mut found = false;
    for tensor in &mut graph.initializer {
        if !targets.contains(tensor.name.as_deref().unwrap_or_default()) {
            continue;
        }
        let Some(mut sizes) = int64_values(tensor) else {
            continue;
        };
        if let [first @ 1, -1, ..] = sizes.as_mut_slice() {
            *first = 0;
            tensor.int64_data.clear();
            tensor.raw_data = Some(sizes.iter().flat_map(|size| size.to_le_bytes()).collect());
            found = true;
        }
    }
    if found {
        return Ok(());
    }
    Err("expected a constant reshape to [1, -1, ..], found none".to_owned())
}

/// Returns the values of a constant int64 vector; `None` for any other tensor.
fn int64_values(tensor: &TensorProto) -> Option<Vec<i64>> {
    let is_vector = tensor.data_type == Some(data_type::INT64) && tensor.dims.len() == 1;
    if !is_vector {
        return None;
    }
    let Some(raw) = tensor.raw_data.as_ref().filter(|raw| !raw.is_empty()) else {
        return Some(tensor.int64_data.clone());
    };
    let (values, rest) = raw.as_chunks::<8>();
    rest.is_empty().then(|| values.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests;
