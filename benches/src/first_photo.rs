//! Measures the time from a guest's last accepted camera frame to the first photo on the screen, in an event
//! with many faces.
//!
//! The real service, Debian's Chromium and this program run on one machine and compete for its cores. The
//! guest is a synthetic head made of a real photo, which turns as the page instructs; the other faces of the
//! event are synthetic too. The first guest arrives directly after the service has started, before the
//! event's collection is open.

use std::time::Instant;

use anyhow::{Context as _, Result};
use picpick_engine::indexing::Sink as _;
use picpick_engine::{Collection, DataDir, Pack};
use picpick_tests::album::Album;
use picpick_tests::poses::Poses;
use picpick_tests::synthetic_head::head_of;
use picpick_tests::{Sandbox, Service, browser, sample, synthetic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::setup::{Program, Setup};

/// The photo from which the guest's head is made.
const HEAD_PHOTO: &str = "obama3.jpg";
/// Photos of the guest.
const GUEST_PHOTOS: [&str; 3] = ["obama.jpg", "obama2.jpg", "obama3.jpg"];
/// Photos of other people.
const OTHER_PHOTOS: [&str; 3] = ["biden.jpg", "sample1.jpg", "sample2.jpg"];
const PHOTOS_PER_COMMIT: u32 = 64;

#[derive(clap::Args)]
pub struct FirstPhotoArgs {
    /// Faces in the event
    #[arg(long, default_value_t = 100_000)]
    faces: usize,
    /// Number of guests, who arrive one after another
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    guests: u32,
    #[command(flatten)]
    program: Program,
}

#[derive(Serialize)]
struct FirstPhotoReport {
    faces: usize,
    /// Duration of updating index and people for all faces, seconds.
    settled_s: f64,
    /// The guests in order of arrival; the first one arrived before the collection was open.
    guests: Vec<Run>,
}

/// The times of one guest, measured from the start of the request with the last accepted frame.
#[derive(Deserialize, Serialize)]
struct Run {
    /// Milliseconds until the end of the response that confirms the verification.
    judged_ms: f64,
    /// Milliseconds until the first photo was painted.
    on_screen_ms: f64,
}

pub fn run(setup: &Setup, args: &FirstPhotoArgs) -> Result<()> {
    let program = std::path::absolute(args.program.path()?)?;
    let sandbox = Sandbox::new(program.to_str().context("the program's path is not UTF-8")?);
    let mut service = Service::start_with(sandbox, Vec::new());
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "First photo");
    let album = Album { client: owner.client.clone(), event: event.clone() };
    for name in GUEST_PHOTOS.iter().chain(&OTHER_PHOTOS) {
        album.upload(name, &std::fs::read(sample(name))?);
    }
    album.wait_until_indexed();
    let created = owner.client.post(&album.path("/guest-links"), &json!({ "name": "Door" }));
    let link = created.is(201).field("url");
    let (_, token) = link.split_once("/g/").context("the guest link has no token")?;
    service.stop();
    let (faces, settled_s) = fill(&service, &event, args.faces)?;
    service.restart();
    let guests = guests(&service, token, args.guests)?;
    service.stop();
    show(setup, &FirstPhotoReport { faces, settled_s, guests })
}

/// Adds synthetic faces to `event` until the event has at least `faces_min`. Returns the number of faces, and
/// the duration of updating index and people, seconds. The service must be stopped.
fn fill(service: &Service, event: &str, faces_min: usize) -> Result<(usize, f64)> {
    let data = DataDir::open(&service.sandbox.data(), None)?;
    let pack = Pack::builtin(Pack::DEFAULT)?;
    let collection = Collection::open(&data, event, &pack)?;
    let mut number = 0;
    while collection.read_gallery(|gallery| gallery.face_count()) < faces_min {
        let numbers = number..number + PHOTOS_PER_COMMIT;
        collection.put(numbers.map(|number| synthetic::photo(number, pack.id())).collect())?;
        number += PHOTOS_PER_COMMIT;
    }
    let begun = Instant::now();
    collection.refresh()?;
    let settled_s = begun.elapsed().as_secs_f64();
    let faces = collection.read_gallery(|gallery| gallery.face_count());
    Ok((faces, settled_s))
}

/// Verifies `guests` guests in the browser, one after another, by the link with `token`.
fn guests(service: &Service, token: &str, guests: u32) -> Result<Vec<Run>> {
    let head = head_of(HEAD_PHOTO);
    let poses = Poses::new(&service.sandbox.path("poses"));
    let figures = service.sandbox.path("figures.json");
    let guest: Value = poses.all("guest", |yaw, pitch| head.turned(yaw, pitch, [0.0, 0.0]));
    let input = json!({
        "address": service.address(),
        "link": format!("/g/{token}"),
        "guest": guest,
        "cannot": [],
        "live": service.sandbox.path("live.y4m"),
        "photos": GUEST_PHOTOS.len(),
        "runs": guests,
        "figures": figures,
    });
    browser::run("first_photo", input);
    Ok(serde_json::from_slice(&std::fs::read(figures)?)?)
}

fn show(setup: &Setup, report: &FirstPhotoReport) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let FirstPhotoReport { faces, settled_s, guests } = report;
    println!("{faces} faces; index and people updated in {settled_s:.1} s");
    println!("{:>8}  {:>11}  {:>20}", "guest", "verified ms", "photo on screen ms");
    for (nth, Run { judged_ms, on_screen_ms }) in guests.iter().enumerate() {
        let name = if nth == 0 { "first".to_owned() } else { (nth + 1).to_string() };
        println!("{name:>8}  {judged_ms:>11.0}  {on_screen_ms:>20.0}");
    }
    Ok(())
}
