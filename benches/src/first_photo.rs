//! How long after the last accepted frame a guest's first photo is on the screen, in an event of many faces.
//!
//! The service is the real program, the browser Debian's Chromium, the guest a head made of a real photo that turns
//! as the page asks; the other faces of the event are made up. Everything runs on this machine and takes its share
//! of it. The first guest comes right after a start, when the event's collection is not open yet.

use std::time::Instant;

use anyhow::{Context as _, Result};
use picpick_engine::{Collection, DEFAULT_PACK, DataFolder, Pack, Sink as _};
use picpick_tests::album::Album;
use picpick_tests::poses::Poses;
use picpick_tests::synthetic_head::head_of;
use picpick_tests::{Sandbox, Service, browser, sample, synthetic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::setup::{Program, Setup};

/// Whose photo the guest's head is made of: it turns every way.
const GUEST: &str = "obama3.jpg";
/// Photos of the guest, and of others.
const THEIRS: [&str; 3] = ["obama.jpg", "obama2.jpg", "obama3.jpg"];
const OTHERS: [&str; 3] = ["biden.jpg", "sample1.jpg", "sample2.jpg"];
const PHOTOS_A_COMMIT: u32 = 64;

#[derive(clap::Args)]
pub struct Args {
    /// Faces in the event
    #[arg(long, default_value_t = 100_000)]
    faces: usize,
    /// Guests, one after the other
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    guests: u32,
    #[command(flatten)]
    program: Program,
}

#[derive(Serialize)]
struct Report {
    faces: usize,
    /// Until people and index of all these faces were made.
    settled_s: f64,
    /// The first came when the collection was not open yet.
    guests: Vec<Run>,
}

/// From the sending of the last accepted frame.
#[derive(Deserialize, Serialize)]
struct Run {
    /// Until the answer that the guest has passed.
    judged_ms: f64,
    /// Until the first photo was painted.
    on_screen_ms: f64,
}

pub fn run(setup: &Setup, args: &Args) -> Result<()> {
    let program = std::path::absolute(args.program.path()?)?;
    let sandbox = Sandbox::new(program.to_str().context("the program's path is not UTF-8")?);
    let mut service = Service::start_with(sandbox, Vec::new());
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "First photo");
    let album = Album { client: owner.client.clone(), event: event.clone() };
    for name in THEIRS.iter().chain(&OTHERS) {
        album.upload(name, &std::fs::read(sample(name))?);
    }
    album.wait_until_indexed();
    let made = owner.client.post(&album.path("/guest-links"), &json!({ "name": "Door" }));
    let link = made.is(201).field("url");
    let (_, token) = link.split_once("/g/").context("a guest link without a token")?;
    service.stop();
    let (faces, settled_s) = fill(&service, &event, args.faces)?;
    service.restart();
    let guests = guests(&service, token, args.guests)?;
    service.stop();
    show(setup, &Report { faces, settled_s, guests })
}

/// Adds made-up faces until there are `wanted`; how many there are, and how long people and index took.
fn fill(service: &Service, event: &str, wanted: usize) -> Result<(usize, f64)> {
    let data = DataFolder::open(&service.sandbox.data(), None)?;
    let pack = Pack::builtin(DEFAULT_PACK)?;
    let collection = Collection::open(&data, event, &pack)?;
    let mut number = 0;
    while collection.gallery().face_count() < wanted {
        let numbers = number..number + PHOTOS_A_COMMIT;
        collection.put(numbers.map(|number| synthetic::photo(number, pack.id())).collect())?;
        number += PHOTOS_A_COMMIT;
    }
    let begun = Instant::now();
    collection.settle()?;
    let settled_s = begun.elapsed().as_secs_f64();
    let faces = collection.gallery().face_count();
    Ok((faces, settled_s))
}

fn guests(service: &Service, token: &str, guests: u32) -> Result<Vec<Run>> {
    let head = head_of(GUEST);
    let poses = Poses::new(&service.sandbox.path("poses"));
    let figures = service.sandbox.path("figures.json");
    let guest: Value = poses.all("guest", |yaw, pitch| head.turned(yaw, pitch, [0.0, 0.0]));
    let told = json!({
        "address": service.address(),
        "link": format!("/g/{token}"),
        "guest": guest,
        "cannot": [],
        "live": service.sandbox.path("live.y4m"),
        "photos": THEIRS.len(),
        "runs": guests,
        "figures": figures,
    });
    browser::run("first_photo", told);
    Ok(serde_json::from_slice(&std::fs::read(figures)?)?)
}

fn show(setup: &Setup, report: &Report) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { faces, settled_s, guests } = report;
    println!("{faces} faces, whose people and index were made in {settled_s:.1} s");
    println!("{:>8}  {:>10}  {:>20}", "guest", "judged ms", "photo on screen ms");
    for (nth, Run { judged_ms, on_screen_ms }) in guests.iter().enumerate() {
        let name = if nth == 0 { "first".to_owned() } else { (nth + 1).to_string() };
        println!("{name:>8}  {judged_ms:>10.0}  {on_screen_ms:>20.0}");
    }
    Ok(())
}
