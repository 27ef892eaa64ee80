//! The command line: one module per command, each from its arguments to a [`Report`].
//!
//! Everything for people goes to standard error or, as the report, to standard output at the end. No
//! command prints its result itself, and none reads the environment.

mod audit;
mod backup;
mod bucket;
mod collections;
mod compare;
mod contact;
mod context;
mod corrected;
mod coverage;
mod demo;
mod doctor;
mod doctor_check;
mod erase;
mod faces;
mod format;
mod index;
mod interrupt;
mod keep;
mod keys;
mod models;
mod packs;
mod people;
mod photos;
mod progress;
mod receipt;
mod report;
mod retention;
mod scan;
mod search;
mod selfie;
mod serve;
mod sheet;
mod start;
mod table;
mod threshold;
mod transfer;
mod upload;
mod walk;
mod watch;

use clap::{Parser, Subcommand};

use crate::config::RawConfig;
use context::Context;
use report::Report;

pub use report::Usage;
pub use start::main;

const EXAMPLES: &str = "\
From photos to one person's photos:
  picpick models fetch
  picpick collections create 'Anna & Ben'
  picpick index 'Anna & Ben' /photos/wedding
  picpick search 'Anna & Ben' selfie.jpg --sheet found.html

Exit status: 0 done, 1 failed, 2 wrong usage, 3 nothing found.";

/// Finds the photos of an event that show one person, from a selfie.
///
/// Photos are read where they are and never changed; faces are kept encrypted in a data folder on
/// this machine.
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
    /// Check this machine: processor, models, speed, folders; says what is missing
    Doctor(doctor::Arguments),
    /// Make, list, describe or delete collections (one per event)
    #[command(subcommand)]
    Collections(collections::Command),
    /// Find the faces in photos and add them to a collection
    Index(index::Arguments),
    /// Find a person's photos by one or more selfies
    Search(search::Arguments),
    /// List the people of a collection, most photographed first
    People(people::Arguments),
    /// Say how alike faces must be, what the photos themselves say, or change it
    Threshold(threshold::Arguments),
    /// What guests will find of a collection, what not, and in which photos
    Coverage(coverage::Arguments),
    /// List the photos of a collection, or take some out
    #[command(subcommand)]
    Photos(photos::Command),
    /// List the faces of a collection, or take some out
    #[command(subcommand)]
    Faces(faces::Command),
    /// Copy collections, sealed, to a folder or a bucket
    Backup(backup::Save),
    /// Bring collections back from a backup
    Restore(backup::Load),
    /// Erase all faces of one person from a collection, found by a selfie
    Erase(erase::Arguments),
    /// Check purge receipts, list them, show the key that checks them
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// List what is kept until when, and purge what is due
    #[command(subcommand)]
    Retention(retention::Command),
    /// Look for face data in raw files where none may be
    Scan(scan::Arguments),
    /// List the keys by fingerprint, or replace the key-encryption key
    #[command(subcommand)]
    Keys(keys::Command),
    /// Say whether two photos show the same person
    Compare(compare::Arguments),
    /// Run the service: accounts, events, uploads and search over HTTP
    Serve(serve::Arguments),
    /// Send photos to the service, into an event
    Upload(upload::Arguments),
    /// Send the photos that arrive in a folder to the service
    Watch(watch::Arguments),
    /// Check the service's audit
    #[command(subcommand)]
    Audit(audit::Command),
    /// Try it all on sample photos: download, index, search, contact sheet
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
