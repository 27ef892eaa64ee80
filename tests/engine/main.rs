//! Scenarios of the engine as a library: real photos, no command line, no service.

mod decompression_bombs;
mod guests;
mod liveness;
mod model_based;
mod object_stores;
