use super::*;
use crate::models::onnx::dequantize::tests::{dequantise, float, int8};
use crate::models::onnx::schema::{Attribute, Node, TensorType, Type};

fn value(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = |size: &i64| Dimension { dim_value: Some(*size), ..Dimension::default() };
    let shape = Shape { dim: dims.iter().map(dim).collect() };
    let tensor_type = TensorType { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    ValueInfo {
        name: Some(name.to_owned()),
        r#type: Some(Type { tensor_type: Some(tensor_type), ..Type::default() }),
        ..ValueInfo::default()
    }
}

fn target(name: &str, sizes: &[i64]) -> Tensor {
    Tensor {
        dims: vec![sizes.len() as i64],
        data_type: Some(data_type::INT64),
        name: Some(name.to_owned()),
        int64_data: sizes.to_vec(),
        ..Tensor::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Node::default()
    }
}

/// A model with the properties of the packages' files: a quantised weight, constants listed as inputs, an
/// unused input, fixed sizes, outdated shape hints and a reshape to [1, -1, 4].
fn model() -> Model {
    let mut branch = node("If", &["flag"], "branched");
    branch.attribute.push(Attribute {
        g: Some(Graph { node: vec![node("Identity", &["kept"], "inner")], ..Graph::default() }),
        ..Attribute::default()
    });
    let graph = Graph {
        node: vec![
            dequantise(&[("axis", 1), ("block_size", 2)]),
            branch,
            node("Conv", &["image", "w"], "conv"),
            node("Reshape", &["conv", "to"], "out"),
            node("Reshape", &["w", "weight_to"], "unused"),
        ],
        initializer: vec![
            int8("q", &[2, 4], &[1, 2, 3, 4, 5, 6, 7, 8]),
            float("s", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            int8("z", &[2, 2], &[0; 4]),
            target("to", &[1, -1, 4]),
            target("weight_to", &[1, 8, 1]),
            float("kept", &[], &[1.0]),
            float("flag", &[], &[1.0]),
        ],
        input: vec![
            value("q", &[2, 4]),
            value("orphan", &[32, 3, 3, 3]),
            value("image", &[10, 3, 64, 64]),
            value("to", &[3]),
        ],
        output: vec![value("out", &[10, 100, 4]), value("merged", &[1000, 4])],
        value_info: vec![value("conv", &[10, 3, 64, 64])],
        quantization_annotation: vec![vec![1, 2, 3]],
        ..Graph::default()
    };
    Model {
        ir_version: Some(3),
        graph: Some(graph),
        opset_import: vec![vec![16, 21]],
        functions: vec![vec![9, 9]],
        ..Model::default()
    }
}

const ALL: [Patch; 4] =
    [Patch::FoldBlockQuantised, Patch::SymbolicBatch, Patch::SymbolicSize, Patch::ReshapeBatch];

fn after(patches: &[Patch]) -> Model {
    let bytes = apply("test", &model().encode_to_vec(), patches).unwrap();
    Model::decode(bytes.as_slice()).unwrap()
}

/// Formats the name or size of each dimension, `?` if unknown.
fn shown(values: &mut [ValueInfo]) -> Vec<String> {
    let show = |dim: &Dimension| match (&dim.dim_param, dim.dim_value) {
        (Some(name), _) => name.clone(),
        (None, Some(size)) => size.to_string(),
        (None, None) => "?".to_owned(),
    };
    values
        .iter_mut()
        .map(|value| dims(value).unwrap().iter().map(show).collect::<Vec<_>>().join(" "))
        .collect()
}

fn constants(graph: &Graph) -> Vec<String> {
    let mut names: Vec<_> = graph.initializer.iter().map(name_of).collect();
    names.sort_unstable();
    names
}

#[test]
fn folding_leaves_float_weights_and_nothing_unused() {
    let model = after(&[Patch::FoldBlockQuantised]);
    let graph = model.graph.unwrap();
    assert!(graph.node.iter().all(|node| node.op_type.as_deref() != Some("DequantizeLinear")));
    assert_eq!(constants(&graph), ["flag", "kept", "to", "w", "weight_to"]);
    let inputs: Vec<_> = graph.input.iter().map(|input| input.name.as_deref()).collect();
    assert_eq!(inputs, [Some("image")]);
    assert_eq!(model.ir_version, Some(CONSTANT_WEIGHTS_IR_VERSION));
}

#[test]
fn opaque_fields_survive() {
    let before = model();
    let after = after(&ALL);
    assert_eq!(after.functions, before.functions);
    assert_eq!(after.opset_import, before.opset_import);
    let annotation = |model: Model| model.graph.unwrap().quantization_annotation;
    assert_eq!(annotation(after), annotation(before));
}

#[test]
fn a_free_batch_keeps_the_other_sizes() {
    let mut graph = after(&[Patch::SymbolicBatch]).graph.unwrap();
    assert_eq!(shown(&mut graph.input), ["batch 3 64 64"]);
    assert_eq!(shown(&mut graph.output), ["batch 100 4", "? 4"]);
    assert!(graph.value_info.is_empty());
}

#[test]
fn a_free_size_keeps_the_batch() {
    let mut graph = after(&[Patch::SymbolicSize]).graph.unwrap();
    assert_eq!(shown(&mut graph.input), ["10 3 height width"]);
    assert_eq!(shown(&mut graph.output), ["10 ? ?", "? ?"]);
    let mut graph = after(&ALL).graph.unwrap();
    assert_eq!(shown(&mut graph.input), ["batch 3 height width"]);
    assert_eq!(shown(&mut graph.output), ["batch ? ?", "? ?"]);
}

#[test]
fn reshapes_of_data_keep_the_batch_and_those_of_weights_stay() {
    let graph = after(&ALL).graph.unwrap();
    let sizes = |name: &str| {
        let found = graph.initializer.iter().find(|tensor| name_of(tensor) == name);
        int64_values(found.unwrap()).unwrap()
    };
    assert_eq!(sizes("to"), [0, -1, 4]);
    assert_eq!(sizes("weight_to"), [1, 8, 1]);
}

#[test]
fn patches_that_do_not_fit_are_refused() {
    let empty = Model { graph: Some(Graph::default()), ..Model::default() };
    for patch in ALL {
        let error = apply("a.onnx", &empty.encode_to_vec(), &[patch]).unwrap_err();
        assert!(matches!(error, Error::Model { .. }));
        assert!(error.to_string().contains("a.onnx"), "{error}");
    }
    for bytes in [&b""[..], b"garbage", b"<html>", &[0xff; 64]] {
        assert!(matches!(apply("a.onnx", bytes, &[]), Err(Error::Model { .. })));
    }
}

/// Truncated and altered bytes give a model or an error, never a panic.
#[test]
fn malformed_bytes_do_no_harm() {
    let whole = model().encode_to_vec();
    for length in 0..whole.len() {
        let _ = apply("cut", &whole[..length], &ALL);
    }
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            // Knuth's MMIX generator, so that every run alters the same bytes.
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = (state >> 24) as u8;
        }
        let _ = apply("altered", &bytes, &ALL);
    }
}

/// The decoder's depth limit rejects deeply nested control-flow bodies.
#[test]
fn deep_nesting_is_an_error() {
    let mut graph = Graph::default();
    for _ in 0..200 {
        let mut outer = node("If", &[], "out");
        outer.attribute.push(Attribute { g: Some(graph), ..Attribute::default() });
        graph = Graph { node: vec![outer], ..Graph::default() };
    }
    let model = Model { graph: Some(graph), ..Model::default() };
    assert!(apply("deep", &model.encode_to_vec(), &[]).is_err());
}
