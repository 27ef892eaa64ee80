use super::*;
use crate::models::onnx::schema::Attribute;

/// Creates an int8 constant.
pub(crate) fn int8(name: &str, dims: &[i64], values: &[i8]) -> Tensor {
    Tensor {
        dims: dims.to_vec(),
        data_type: Some(data_type::INT8),
        name: Some(name.to_owned()),
        raw_data: Some(values.iter().map(|value| *value as u8).collect()),
        ..Tensor::default()
    }
}

/// Creates a float constant.
pub(crate) fn float(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    let raw = values.iter().flat_map(|value| value.to_le_bytes());
    Tensor {
        dims: dims.to_vec(),
        data_type: Some(data_type::FLOAT),
        name: Some(name.to_owned()),
        raw_data: Some(raw.collect()),
        ..Tensor::default()
    }
}

/// Creates the node `w = DequantizeLinear(q, s, z)` with these attributes.
pub(crate) fn dequantise(attributes: &[(&str, i64)]) -> Node {
    let attribute = |(name, value): &(&str, i64)| Attribute {
        name: Some((*name).to_owned()),
        i: Some(*value),
        r#type: Some(2),
        ..Attribute::default()
    };
    Node {
        op_type: Some("DequantizeLinear".to_owned()),
        name: Some("dq".to_owned()),
        input: ["q", "s", "z"].map(str::to_owned).to_vec(),
        output: vec!["w".to_owned()],
        attribute: attributes.iter().map(attribute).collect(),
        ..Node::default()
    }
}

fn graph(attributes: &[(&str, i64)], constants: [Tensor; 3]) -> Graph {
    Graph {
        node: vec![dequantise(attributes)],
        initializer: constants.to_vec(),
        ..Graph::default()
    }
}

fn folded(attributes: &[(&str, i64)], constants: [Tensor; 3]) -> Result<Vec<f32>, String> {
    let mut graph = graph(attributes, constants);
    fold(&mut graph)?;
    assert!(graph.node.is_empty());
    let weight = graph.initializer.last().unwrap();
    assert_eq!(weight.name.as_deref(), Some("w"));
    let count = weight.dims.iter().product::<i64>() as usize;
    floats(weight, count)
}

fn numbers(count: usize) -> Vec<i8> {
    (0..count).map(|n| (n * 37 % 251) as u8 as i8).collect()
}

/// Blocks along the last of two dimensions; the last block is shorter.
#[test]
fn blocks_along_a_row() {
    let q = numbers(3 * 5);
    let s = [0.5, 2.0, 0.25, 3.0, 0.1, 7.0, 1.5, 0.75, 4.0];
    let z = [0, 1, -2, 3, -4, 5, 6, 7, 127];
    let constants = [int8("q", &[3, 5], &q), float("s", &[3, 3], &s), int8("z", &[3, 3], &z)];
    let values = folded(&[("axis", 1), ("block_size", 2)], constants.clone()).unwrap();
    for row in 0..3 {
        for column in 0..5 {
            let block = row * 3 + column / 2;
            let expected =
                f32::from(i16::from(q[row * 5 + column]) - i16::from(z[block])) * s[block];
            assert_eq!(values[row * 5 + column], expected, "{row} {column}");
        }
    }
    // A negative axis counts from the end.
    assert_eq!(folded(&[("axis", -1), ("block_size", 2)], constants).unwrap(), values);
}

/// Blocks along the middle of three dimensions.
#[test]
fn blocks_along_the_middle() {
    let q = numbers(2 * 4 * 3);
    let s: Vec<f32> = (1..=12).map(|n| n as f32 / 8.0).collect();
    let z = numbers(12);
    let constants =
        [int8("q", &[2, 4, 3], &q), float("s", &[2, 2, 3], &s), int8("z", &[2, 2, 3], &z)];
    let values = folded(&[("axis", 1), ("block_size", 2)], constants).unwrap();
    for (a, b, c) in (0..24).map(|n| (n / 12, n / 3 % 4, n % 3)) {
        let (at, block) = (a * 12 + b * 3 + c, a * 6 + b / 2 * 3 + c);
        let expected = f32::from(i16::from(q[at]) - i16::from(z[block])) * s[block];
        assert_eq!(values[at], expected, "{a} {b} {c}");
    }
}

#[test]
fn one_scale_serves_all_whatever_the_block_size() {
    for dims in [&[][..], &[1], &[1, 1]] {
        let constants =
            [int8("q", &[2, 2], &[1, 2, 3, -4]), float("s", dims, &[0.5]), int8("z", dims, &[1])];
        let values = folded(&[("axis", 0), ("block_size", 64)], constants).unwrap();
        assert_eq!(values, [0.0, 0.5, 1.0, -2.5]);
    }
}

#[test]
fn without_a_block_size_scales_go_along_the_axis() {
    let constants = [
        int8("q", &[2, 2], &[1, 2, 3, 4]),
        float("s", &[2], &[10.0, 100.0]),
        int8("z", &[2], &[0, 1]),
    ];
    let columns = folded(&[], constants.clone()).unwrap();
    assert_eq!(columns, [10.0, 100.0, 30.0, 300.0]);
    let rows = folded(&[("axis", 0)], constants).unwrap();
    assert_eq!(rows, [10.0, 20.0, 200.0, 300.0]);
}

#[test]
fn the_zero_point_may_be_left_out_and_values_may_be_typed() {
    let mut node = dequantise(&[]);
    node.input.truncate(2);
    let q = Tensor {
        raw_data: None,
        int32_data: vec![200, 7],
        data_type: Some(data_type::UINT8),
        ..int8("q", &[2], &[])
    };
    let s = Tensor { raw_data: None, float_data: vec![0.5], ..float("s", &[], &[]) };
    let mut graph = Graph { node: vec![node], initializer: vec![q, s], ..Graph::default() };
    fold(&mut graph).unwrap();
    assert_eq!(floats(graph.initializer.last().unwrap(), 2).unwrap(), [100.0, 3.5]);
}

#[test]
fn mismatched_sizes_are_errors() {
    let good = || {
        [
            int8("q", &[2, 4], &numbers(8)),
            float("s", &[2, 2], &[1.0; 4]),
            int8("z", &[2, 2], &[0; 4]),
        ]
    };
    let with = |nth: usize, tensor: Tensor| {
        let mut constants = good();
        constants[nth] = tensor;
        constants
    };
    let blocks = [("axis", 1), ("block_size", 2)];
    assert!(folded(&blocks, good()).is_ok());
    let huge = i64::MAX / 2;
    let external = Tensor { data_location: Some(EXTERNAL), ..int8("q", &[2, 4], &numbers(8)) };
    let doubles = Tensor { data_type: Some(11), ..float("s", &[2, 2], &[1.0; 4]) };
    type Case<'a> = (&'a str, &'a [(&'a str, i64)], [Tensor; 3]);
    let cases: Vec<Case<'_>> = vec![
        ("block size 0", &[("axis", 1), ("block_size", 0)], good()),
        ("negative block size", &[("axis", 1), ("block_size", -2)], good()),
        ("block size too small", &[("axis", 1), ("block_size", 1)], good()),
        ("block size too large", &[("axis", 1), ("block_size", i64::MAX)], good()),
        ("axis too large", &[("axis", 2), ("block_size", 2)], good()),
        ("axis too small", &[("axis", i64::MIN), ("block_size", 2)], good()),
        ("no weight", &blocks, with(0, int8("other", &[2, 4], &numbers(8)))),
        ("no scale", &blocks, with(1, float("other", &[2, 2], &[1.0; 4]))),
        ("no zero point", &blocks, with(2, int8("other", &[2, 2], &[0; 4]))),
        ("huge shape", &blocks, with(0, int8("q", &[huge, huge], &numbers(8)))),
        ("large shape", &blocks, with(0, int8("q", &[1 << 20, 1 << 20], &numbers(8)))),
        ("empty shape", &blocks, with(0, int8("q", &[0, huge, huge], &[]))),
        ("negative shape", &blocks, with(0, int8("q", &[-2, -4], &numbers(8)))),
        ("few values", &blocks, with(0, int8("q", &[2, 4], &numbers(7)))),
        ("few scales", &blocks, with(1, float("s", &[2, 2], &[1.0; 3]))),
        (
            "odd bytes",
            &blocks,
            with(1, Tensor { raw_data: Some(vec![0; 15]), ..good()[1].clone() }),
        ),
        ("zero point's shape", &blocks, with(2, int8("z", &[4], &[0; 4]))),
        ("external weights", &blocks, with(0, external)),
        ("scale's type", &blocks, with(1, doubles)),
        ("weight's type", &blocks, with(0, float("q", &[2, 4], &[1.0; 8]))),
    ];
    for (what, attributes, constants) in cases {
        let reason = folded(attributes, constants);
        assert!(reason.is_err(), "{what}: accepted");
    }
    assert!(fold(&mut Graph::default()).is_err());
}
