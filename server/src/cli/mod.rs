//! The command line: one module for each command, which turns its arguments into a [`Report`].
//!
//! Commands write progress and notes to standard error. At the end, `start` prints the report, which alone
//! goes to standard output. Commands get their configuration from `config` instead of reading the
//! environment.

mod account;
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
mod passphrase;
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
struct CliArguments {
    #[command(flatten)]
    config: RawConfig,
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Subcommand, Debug)]
enum CliCommand {
    /// Download the models that find and compare faces, or list them
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Check processor, models and folders, and report what is missing
    Doctor(doctor::DoctorArguments),
    /// Create, list, describe or delete collections (one per event)
    #[command(subcommand)]
    Collections(collections::CollectionsCommand),
    /// Find the faces in photos and add them to a collection
    Index(index::IndexArguments),
    /// Find a person's photos with one or more selfies
    Search(search::SearchArguments),
    /// List or correct the people of a collection
    People(people::PeopleArguments),
    /// Show, preview or change the similarity at which faces match
    Threshold(threshold::ThresholdArguments),
    /// Estimate which photos guests will find and which they will miss
    Coverage(coverage::CoverageArguments),
    /// List the photos of a collection, or remove some
    #[command(subcommand)]
    Photos(photos::PhotosCommand),
    /// List the faces of a collection, or remove some
    #[command(subcommand)]
    Faces(faces::FacesCommand),
    /// Copy collections, encrypted, to a folder or a bucket
    Backup(backup::BackupArguments),
    /// Restore collections from a backup
    Restore(backup::RestoreArguments),
    /// Erase one person's faces, found by a selfie, from a collection
    Erase(erase::EraseArguments),
    /// Verify or list purge receipts, or show the key that verifies them
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// List the end dates of collections, and purge those that are due
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// Scan raw files for face data in places where none may be
    Scan(scan::ScanArguments),
    /// List keys, replace the key-encryption key, export or restore the keyring
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check whether two photos show the same person
    Compare(compare::CompareArguments),
    /// Run the service: accounts, events, uploads and search over HTTP
    Serve(Box<serve::ServeArguments>),
    /// Upload photos to an event of the service
    Upload(upload::UploadArguments),
    /// Upload photos to the service as they arrive in a folder
    Watch(watch::WatchArguments),
    /// List the service's accounts, or help a user who cannot sign in
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Verify the service's audit log, or accept lost entries after a restore
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Try picpick on sample photos: download, index, search, contact sheet
    Demo(demo::DemoArguments),
}

impl CliCommand {
    fn run(self, context: &Context) -> anyhow::Result<Report> {
        match self {
            CliCommand::Models(command) => models::run(context, command),
            CliCommand::Doctor(arguments) => doctor::run(context, &arguments),
            CliCommand::Collections(command) => collections::run(context, command),
            CliCommand::Index(arguments) => index::run(context, &arguments),
            CliCommand::Account(command) => account::run(context, &command),
            CliCommand::Audit(command) => audit::run(context, &command),
            CliCommand::Serve(arguments) => serve::run(context, *arguments),
            CliCommand::Upload(arguments) => upload::run(context, &arguments),
            CliCommand::Watch(arguments) => watch::run(context, &arguments),
            CliCommand::Search(arguments) => search::run(context, &arguments),
            CliCommand::People(arguments) => people::run(context, &arguments),
            CliCommand::Threshold(arguments) => threshold::run(context, &arguments),
            CliCommand::Coverage(arguments) => coverage::run(context, &arguments),
            CliCommand::Photos(command) => photos::run(context, command),
            CliCommand::Faces(command) => faces::run(context, command),
            CliCommand::Backup(arguments) => backup::save(context, &arguments),
            CliCommand::Restore(arguments) => backup::load(context, &arguments),
            CliCommand::Erase(arguments) => erase::run(context, &arguments),
            CliCommand::Receipt(command) => receipt::run(context, command),
            CliCommand::Retention(command) => retention::run(context, &command),
            CliCommand::Scan(arguments) => scan::run(context, &arguments),
            CliCommand::Keys(command) => keys::run(context, &command),
            CliCommand::Compare(arguments) => compare::run(context, &arguments),
            CliCommand::Demo(arguments) => demo::run(context, &arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        CliArguments::command().debug_assert();
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
        let mut command = CliArguments::command();
        command.build();
        check(&mut command);
    }
}
