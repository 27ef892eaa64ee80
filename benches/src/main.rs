//! `picpick-bench`: measures the engine and the running service, and prints tables or JSON.
//!
//! Compare only figures of one run, because all of these come from one machine. A measurement that needs a
//! data folder creates the folder and removes it at the end.

mod accuracy;
mod attack;
mod calibrate;
mod coverage;
mod first_photo;
mod load;
mod pairs;
mod people;
mod pipeline;
mod purge;
mod setup;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "Measures the accuracy and the speed of PicPick", max_term_width = 80)]
struct BenchArgs {
    #[command(flatten)]
    setup: setup::Setup,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure open-set identification (1:N): TPIR, photo recall and precision at fixed FPIRs
    Accuracy(accuracy::AccuracyArgs),
    /// Measure presentation attack detection: how often live people are rejected (BPCER), and
    /// simulated screens and prints accepted (APCER)
    Attack(attack::AttackArgs),
    /// Compare the threshold estimated from an event's own photos with the threshold from strangers
    Calibrate(calibrate::CalibrateArgs),
    /// Measure the milliseconds from a guest's last camera frame to the first photo on the screen
    FirstPhoto(first_photo::FirstPhotoArgs),
    /// Measure photo recall by face quality, on photos reduced and blurred in fixed steps
    Coverage(coverage::CoverageArgs),
    /// Measure verification (1:1) on a list of pairs: accuracy at the best threshold, and TAR
    Pairs(pairs::PairsArgs),
    /// Measure the seconds that clustering a large collection into people takes
    People(people::PeopleArgs),
    /// Measure the running service under load: the search rate that it sustains, and its memory
    Load(load::LoadArgs),
    /// Measure what one studio notices of the loads of another: unread exports, slow readers, queued
    /// photos, open uploads
    Tenants(load::tenants::TenantsArgs),
    /// Measure photos per second and milliseconds per stage, on one thread and on all cores
    Pipeline(pipeline::PipelineArgs),
    /// Measure the seconds until a large collection's key is destroyed, and until the purge has a
    /// receipt
    Purge(purge::PurgeArgs),
}

fn main() -> ExitCode {
    let args = BenchArgs::parse();
    let result: Result<()> = match &args.command {
        Command::Accuracy(command) => accuracy::run(&args.setup, command),
        Command::Attack(command) => attack::run(&args.setup, command),
        Command::Calibrate(command) => calibrate::run(&args.setup, command),
        Command::FirstPhoto(command) => first_photo::run(&args.setup, command),
        Command::Coverage(command) => coverage::run(&args.setup, command),
        Command::Load(command) => load::run(&args.setup, command),
        Command::Tenants(command) => load::tenants::run(&args.setup, command),
        Command::Pairs(command) => pairs::run(&args.setup, command),
        Command::People(command) => people::run(&args.setup, command),
        Command::Pipeline(command) => pipeline::run(&args.setup, command),
        Command::Purge(command) => purge::run(&args.setup, command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
