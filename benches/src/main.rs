//! `picpick-bench`: measures the engine and the running service on real photos, as tables or as JSON.
//!
//! Every figure comes from one run on one machine; compare ratios within a run. Knows nothing of anybody's
//! data folder: what it needs it makes and removes.

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
#[command(version, about = "Measures PicPick on real photos")]
struct Args {
    #[command(flatten)]
    setup: setup::Setup,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Open-set search (1:N): TPIR, photo recall and precision at stated false positive rates
    Accuracy(accuracy::Args),
    /// Presentation attacks: how often people are refused, and imitated screens and prints pass
    Attack(attack::Args),
    /// The threshold that an event's own photos speak for, against the one that strangers give
    Calibrate(calibrate::Args),
    /// Milliseconds from a guest's last frame until their first photo is on a browser's screen
    FirstPhoto(first_photo::Args),
    /// Photo recall by the quality of the face, on photos made smaller and blurred in known steps
    Coverage(coverage::Args),
    /// Verification (1:1) on a list of pairs: accuracy at the best threshold
    Pairs(pairs::Args),
    /// Seconds until the people of a large collection have formed
    People(accounts::Args),
    /// The running service under load: how many searches a second it answers in time, and its memory
    Load(load::Args),
    /// Photos per second and milliseconds per stage, on one thread and on all
    Pipeline(pipeline::Args),
    /// Seconds until a large collection's key is gone, and until its purge is attested
    Purge(purge::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done: Result<()> = match &args.command {
        Command::Accuracy(command) => accuracy::run(&args.setup, command),
        Command::Attack(command) => attack::run(&args.setup, command),
        Command::Calibrate(command) => calibrate::run(&args.setup, command),
        Command::FirstPhoto(command) => first_photo::run(&args.setup, command),
        Command::Coverage(command) => coverage::run(&args.setup, command),
        Command::Load(command) => load::run(&args.setup, command),
        Command::Pairs(command) => pairs::run(&args.setup, command),
        Command::People(command) => accounts::run(&args.setup, command),
        Command::Pipeline(command) => pipeline::run(&args.setup, command),
        Command::Purge(command) => purge::run(&args.setup, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
