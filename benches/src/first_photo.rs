//! Measures the times from a guest's link, and from the last accepted camera frame, to the first photo on the
//! screen, in an event with many faces; and how many guests get to their photos.
//!
//! The real service, Debian's Chromium and this program run on one machine and compete for its cores. The
//! guests are synthetic heads made of real photos, which turn as the page instructs; the other faces of the
//! event are synthetic too. The first guest arrives directly after the service has started, before the
//! event's collection is open.

use std::time::Instant;

use anyhow::{Context as _, Result};
use picpick_engine::indexing::Sink as _;
use picpick_engine::{Collection, DataDir, Pack};
use picpick_tests::album::Album;
use picpick_tests::poses::Poses;
use picpick_tests::synthetic_head::{Head, head_of};
use picpick_tests::{Sandbox, Service, browser, sample, synthetic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::setup::{Program, Setup};

/// The photos from which the guests' heads are made, in turn, each with the number of the event's photos that show
/// the person.
const HEAD_PHOTOS: [(&str, usize); 4] =
    [("obama3.jpg", 3), ("biden.jpg", 1), ("obama.jpg", 3), ("sample5.jpg", 1)];
const EVENT_PHOTOS: [&str; 7] = [
    "obama.jpg",
    "obama2.jpg",
    "obama3.jpg",
    "biden.jpg",
    "sample1.jpg",
    "sample2.jpg",
    "sample5.jpg",
];
const PHOTOS_PER_COMMIT: u32 = 64;

#[derive(clap::Args)]
pub struct FirstPhotoArgs {
    /// Faces in the event
    #[arg(long, default_value_t = 100_000)]
    faces: usize,
    /// Number of guests, who arrive one after another
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    guests: u32,
    /// How guests prove who they are
    #[arg(long, value_enum, default_value_t = Proof::Selfie)]
    proof: Proof,
    /// Seconds after the registration at which a guest reads the code
    #[arg(long, default_value_t = 5)]
    mail_s: u32,
    #[command(flatten)]
    program: Program,
}

/// The values of an event's `guest_proof`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Proof {
    Selfie,
    ContactCode,
    GuestList,
}

#[derive(Serialize)]
struct FirstPhotoReport {
    faces: usize,
    /// Duration of updating index and people for all faces, seconds.
    settled_s: f64,
    proof: Proof,
    /// The guests in order of arrival; the first one arrived before the collection was open.
    guests: Vec<Run>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Run {
    Found(Times),
    Lost {
        /// Why the guest did not get to the photos.
        failed: String,
    },
}

/// The times of one guest. The first two are measured from the start of the request with the last accepted
/// frame; with a code, they contain the time to enter it.
#[derive(Deserialize, Serialize)]
struct Times {
    /// Milliseconds until the end of the response that confirms the verification.
    judged_ms: f64,
    /// Milliseconds until the first photo was painted.
    on_screen_ms: f64,
    /// Milliseconds from opening the link until the first photo was painted. The guest types and reads at once.
    from_link_ms: f64,
    /// Why earlier tries of the guest failed.
    failures: Vec<String>,
}

pub fn run(setup: &Setup, args: &FirstPhotoArgs) -> Result<()> {
    let program = std::path::absolute(args.program.path()?)?;
    let sandbox = Sandbox::new(program.to_str().context("the program's path is not UTF-8")?);
    let mut service = Service::start_with(sandbox, Vec::new());
    let owner = service.owner();
    let event = owner.new_event(&owner.studio(), "First photo");
    let album = Album { client: owner.client.clone(), event: event.clone() };
    for name in EVENT_PHOTOS {
        album.upload(name, &std::fs::read(sample(name))?);
    }
    album.wait_until_indexed();
    let proof = json!({ "guest_proof": args.proof });
    owner.client.patch(&album.path(""), &proof).is(200);
    if args.proof == Proof::GuestList {
        let contacts: Vec<_> = (0..args.guests).map(contact).collect();
        owner.client.post(&album.path("/guest-list"), &json!({ "contacts": contacts })).is(200);
    }
    let created = owner.client.post(&album.path("/guest-links"), &json!({ "name": "Door" }));
    let link = created.is(201).field("url");
    let (_, token) = link.split_once("/g/").context("the guest link has no token")?;
    service.stop();
    let (faces, settled_s) = fill(&service, &event, args.faces)?;
    service.restart();
    let guests = guests(&service, token, args)?;
    service.stop();
    show(setup, &FirstPhotoReport { faces, settled_s, proof: args.proof, guests })
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

/// Returns the address of a guest, as in `browser/first_photo.mjs`.
fn contact(number: u32) -> String {
    format!("guest{number}@mail.example")
}

/// Returns the yaw and pitch that a guest adds to each pose, up to 3 degrees to each side: Roberts's R2 sequence,
/// whose points keep a distance from each other.
fn own_angles(number: u32) -> [f32; 2] {
    [0.754_877_7, 0.569_840_3].map(|root| 6.0 * (number as f32 * root).fract() - 3.0)
}

/// Verifies the guests in the browser, one after another, by the link with `token`.
fn guests(service: &Service, token: &str, args: &FirstPhotoArgs) -> Result<Vec<Run>> {
    let heads = HEAD_PHOTOS.map(|(name, photos)| (head_of(name), photos));
    let poses = Poses::new(&service.sandbox.path("poses"));
    let figures = service.sandbox.path("figures.json");
    // Guests with one head turn it by angles of their own, because the event remembers frames: the same pictures
    // again would be a replay.
    let guest = |(number, (head, photos)): (u32, &(Head, usize))| {
        let [yaw_more, pitch_more] = own_angles(number);
        let poses = poses.all(&format!("guest{number}"), |yaw, pitch| {
            head.turned(yaw + yaw_more, pitch + pitch_more, [0.0, 0.0])
        });
        json!({ "poses": poses, "photos": photos })
    };
    let guests: Vec<Value> = (0..args.guests).zip(heads.iter().cycle()).map(guest).collect();
    let input = json!({
        "address": service.address(),
        "link": format!("/g/{token}"),
        "guests": guests,
        "live": service.sandbox.path("live.y4m"),
        "mail_ms": 1000 * args.mail_s,
        "outbox": service.sandbox.data().join("outbox"),
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
    println!("{} faces; index and people updated in {:.1} s", report.faces, report.settled_s);
    println!(
        "{:>8}  {:>11}  {:>20}  {:>12}  failed tries",
        "guest", "verified ms", "photo on screen ms", "from link ms"
    );
    let (mut from_link, mut at_once) = (Vec::new(), 0);
    for (nth, run) in report.guests.iter().enumerate() {
        let name = if nth == 0 { "first".to_owned() } else { (nth + 1).to_string() };
        match run {
            Run::Found(Times { judged_ms, on_screen_ms, from_link_ms, failures }) => {
                println!(
                    "{name:>8}  {judged_ms:>11.0}  {on_screen_ms:>20.0}  {from_link_ms:>12.0}  {}",
                    failures.join(", ")
                );
                from_link.push(*from_link_ms);
                at_once += usize::from(failures.is_empty());
            }
            Run::Lost { failed } => println!("{name:>8}  {failed}"),
        }
    }
    from_link.sort_by(f64::total_cmp);
    if let Some(median) = from_link.get(from_link.len() / 2) {
        let (found, all) = (from_link.len(), report.guests.len());
        println!(
            "{found} of {all} guests got to their photos, {at_once} at the first try; median from the link \
             {median:.0} ms"
        );
    }
    Ok(())
}
