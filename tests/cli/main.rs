//! Scenario tests of the command line; each runs the real program.

mod backup;
mod bad_input;
mod commands;
mod compat;
mod coverage;
mod data_folder;
mod image_formats;
mod indexing;
mod interrupt;
mod key_exports;
mod model_cache;
mod packs;
mod purge;
mod removed_records;
mod search;
