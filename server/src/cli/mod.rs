//! The command line: one module for each command, which turns its arguments into a [`Report`].
//!
//! Commands write progress and notes to standard error. Only the report goes to standard output, at the end,
//! and `start` prints it. Commands get their configuration from `config` instead of reading the environment.

mod audit;
mod backup;
mod bucket;
mod collections;
mod compare;
mod contact_sheet;
mod context;
mod coverage;
mod demo;
mod doctor;
mod doctor_selftest;
mod erase;
mod faces;
mod file_walk;
mod format;
mod index;
mod interrupt;
mod keys;
mod models;
mod pack_option;
mod people;
mod people_corrections;
mod photos;
mod progress;
mod query_images;
mod receipt;
mod report;
mod retention;
mod retention_options;
mod scan;
mod search;
mod search_outcome;
mod serve;
mod start;
mod table;
mod threshold;
mod upload;
mod upload_progress;
mod watch;

use clap::{Parser, Subcommand};

use crate::config::RawConfig;
use context::Context;
use report::Report;

pub use start::main;

const EXAMPLES: &str = "\
From photos to one person's photos:
  picpick models fetch
  picpick collections create 'Anna & Ben'
  picpick index 'Anna & Ben' /photos/wedding
  picpick search 'Anna & Ben' selfie.jpg --sheet found.html

Exit status: 0 done, 1 failed, 2 wrong usage, 3 nothing found.";

/// Finds a person's photos of an event by a selfie.
///
/// Photos are read in place and never changed. Faces are kept encrypted in a data folder on this
/// machine.
#[derive(Parser, Debug)]
#[command(name = "picpick", version, after_help = EXAMPLES, max_term_width = 80)]
struct Arguments {
    #[command(flatten)]
    config: RawConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Download the models that find and compare faces, or list them
    #[command(subcommand)]
    Models(models::Command),
    /// Check processor, models and folders, and report what is missing
    Doctor(doctor::Arguments),
    /// Create, list, describe or delete collections (one per event)
    #[command(subcommand)]
    Collections(collections::Command),
    /// Find the faces in photos and add them to a collection
    Index(index::Arguments),
    /// Find a person's photos with one or more selfies
    Search(search::Arguments),
    /// List or correct the people of a collection
    People(people::Arguments),
    /// Show, preview or change how similar faces must be to match
    Threshold(threshold::Arguments),
    /// Estimate which photos guests will find and which they will miss
    Coverage(coverage::Arguments),
    /// List the photos of a collection, or remove some
    #[command(subcommand)]
    Photos(photos::Command),
    /// List the faces of a collection, or remove some
    #[command(subcommand)]
    Faces(faces::Command),
    /// Copy collections, encrypted, to a folder or a bucket
    Backup(backup::Save),
    /// Restore collections from a backup
    Restore(backup::Load),
    /// Erase one person's faces, found by a selfie, from a collection
    Erase(erase::Arguments),
    /// Verify or list purge receipts, or show the key that verifies them
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// List the end dates of collections, and purge those that are due
    #[command(subcommand)]
    Retention(retention::Command),
    /// Scan raw files for face data in places where none may be
    Scan(scan::Arguments),
    /// List key fingerprints, or replace the key-encryption key
    #[command(subcommand)]
    Keys(keys::Command),
    /// Check whether two photos show the same person
    Compare(compare::Arguments),
    /// Run the service: accounts, events, uploads and search over HTTP
    Serve(serve::Arguments),
    /// Upload photos to an event of the service
    Upload(upload::Arguments),
    /// Upload photos to the service as they arrive in a folder
    Watch(watch::Arguments),
    /// Verify the service's audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Try it on sample photos: download, index, search, contact sheet
    Demo(demo::Arguments),
}

impl Command {
    fn run(self, context: &Context) -> anyhow::Result<Report> {
        match self {
            Command::Models(command) => models::run(context, command),
            Command::Doctor(arguments) => doctor::run(context, &arguments),
            Command::Collections(command) => collections::run(context, command),
            Command::Index(arguments) => index::run(context, &arguments),
            Command::Audit(command) => audit::run(context, &command),
            Command::Serve(arguments) => serve::run(context, arguments),
            Command::Upload(arguments) => upload::run(context, &arguments),
            Command::Watch(arguments) => watch::run(context, &arguments),
            Command::Search(arguments) => search::run(context, &arguments),
            Command::People(arguments) => people::run(context, &arguments),
            Command::Threshold(arguments) => threshold::run(context, &arguments),
            Command::Coverage(arguments) => coverage::run(context, &arguments),
            Command::Photos(command) => photos::run(context, command),
            Command::Faces(command) => faces::run(context, command),
            Command::Backup(arguments) => backup::save(context, &arguments),
            Command::Restore(arguments) => backup::load(context, &arguments),
            Command::Erase(arguments) => erase::run(context, &arguments),
            Command::Receipt(command) => receipt::run(context, command),
            Command::Retention(command) => retention::run(context, &command),
            Command::Scan(arguments) => scan::run(context, &arguments),
            Command::Keys(command) => keys::run(context, &command),
            Command::Compare(arguments) => compare::run(context, &arguments),
            Command::Demo(arguments) => demo::run(context, &arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_text_fits_80_columns() {
        fn check(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            command.get_subcommands_mut().for_each(check);
        }
        let mut command = Arguments::command();
        command.build();
        check(&mut command);
    }
}
