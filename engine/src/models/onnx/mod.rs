pub(super) mod dequantize;
pub(super) mod patch;
pub(super) mod schema;
