//! Scenario tests of the engine as a library, without command line or service.

mod decompression_bombs;
mod frame_memory;
mod guests;
mod light;
mod liveness;
mod model_based;
mod object_stores;
mod suppressions;
