//! Injection attacks on the challenge: a client that sends made frames in place of a camera's
//! (CEN/TS 18099: the method is a virtual camera or a call of the API, the instrument is one of
//! [`Instrument`]).
//!
//! Every frame is made from photos of people who are not in front of a camera, so each passed challenge is an
//! accepted attack. The attacker follows the guidance, never the live score, which no client receives.
//! The attacks with one instrument go to one event, which remembers the frames of all challenges.
//!
//! Beside the attacks, heads in the light of the screen show how often a guest passes and the light agrees.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use picpick_engine::liveness::{
    Challenge, LightAgreement, LightEvidence, Liveness, Progress, ScreenTint,
};
use picpick_engine::{Collection, DataDir, Pack, Picture, Pipeline, RetentionPolicy};
use picpick_tests::Rng;
use picpick_tests::guest::{angles, sway};
use picpick_tests::screen_light::Room;
use picpick_tests::synthetic_head::{Head, drawn, sample};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Time between two frames, ms; the camera page sends three to four frames a second.
const FRAME_EVERY_MS: u64 = 350;
/// Maximum number of frames of one challenge. Honest guests need about ten.
const FRAMES_MAX: usize = 60;
/// Number of frames without progress after which the attacker gives the challenge up: each of the four angles
/// of a turn is tried twice.
const FRAMES_WITHOUT_PROGRESS_MAX: usize = 8;
/// JPEG quality of made frames.
const JPEG_QUALITY: i32 = 90;
/// Number of frames of a library for one guidance: two to four angles of each turn, and as many straight ones.
const LIBRARY_FRAMES_PER_GUIDANCE: [(&str, usize); 5] =
    [("look_straight", 4), ("turn_left", 3), ("turn_right", 3), ("turn_up", 3), ("turn_down", 3)];

/// What an attacker injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Instrument {
    /// One photo, bent over the shape of a head anew for each frame.
    FreshWarps,
    /// 16 frames of that kind, made once and sent in each challenge.
    Library,
    /// The same library; each frame is cropped, brightened and encoded anew before it is sent.
    ReencodedLibrary,
    /// Straight frames of one person, turned frames of another.
    TwoPeople,
    /// Fresh warps in a light that follows the tints of another challenge.
    OtherLight,
    /// Not an attack: a head in front of a screen whose white light has 5 % of the room's.
    BrightRoom,
    /// Not an attack: the screen's light has 15 % of the room's.
    LitRoom,
    /// Not an attack: the screen's light has 50 % of the room's.
    DimRoom,
}

/// Largest change of exposure, white balance and colour of the room from frame to frame, relative.
const DRIFT: f32 = 0.03;

impl Instrument {
    fn name(self) -> &'static str {
        match self {
            Instrument::FreshWarps => "fresh warps of one photo",
            Instrument::Library => "stored library of 16 frames",
            Instrument::ReencodedLibrary => "the library, encoded anew",
            Instrument::TwoPeople => "two people in turn",
            Instrument::OtherLight => "warps in another light",
            Instrument::BrightRoom => "no attack: bright room",
            Instrument::LitRoom => "no attack: lit room",
            Instrument::DimRoom => "no attack: dim room",
        }
    }

    /// Returns the light of the screen, as a share of the room's.
    fn screen_share(self) -> f32 {
        match self {
            Instrument::BrightRoom => 0.05,
            Instrument::LitRoom => 0.15,
            Instrument::DimRoom | Instrument::OtherLight => 0.5,
            Instrument::FreshWarps
            | Instrument::Library
            | Instrument::ReencodedLibrary
            | Instrument::TwoPeople => 0.0,
        }
    }
}

#[derive(Serialize)]
pub struct InjectionReport {
    people: usize,
    /// People without one clear face in their first picture; they are left out.
    without_face: usize,
    /// Number of challenges by person and instrument.
    attempts: usize,
    rows: Vec<InjectionRow>,
}

/// The outcome of the attacks with one instrument.
#[derive(Serialize)]
struct InjectionRow {
    instrument: &'static str,
    attempts: usize,
    /// Number of accepted attacks.
    accepted: usize,
    /// Number of accepted attacks beyond each person's first attempt. A library is new in the first attempt.
    accepted_later: usize,
    /// Number of people who were accepted at least once.
    people_accepted: usize,
    /// Number of accepted challenges by agreement with the light of the screen.
    light: BTreeMap<&'static str, usize>,
    /// Mean score of the light in accepted challenges.
    light_score: f64,
    /// Variation of the light in accepted challenges: median and 95th percentile.
    light_variation: [f32; 2],
    /// Mean number of frames of accepted challenges.
    frames: f64,
    /// Number of refused attempts by reason; `given_up` are challenges without progress.
    refused: BTreeMap<&'static str, usize>,
}

/// The outcome of one challenge.
struct Outcome {
    /// The reason why it was not accepted; `None` if it was.
    refused: Option<&'static str>,
    light: LightEvidence,
    frames: usize,
}

/// Attacks `attempts` challenges for each person with each of `instruments`, with the first picture of each
/// person. Prints a line on standard error after each person.
///
/// # Errors
/// - A picture cannot be read.
/// - A model fails.
pub fn run(
    pack: &Pack,
    pipeline: &Pipeline,
    liveness: &Liveness,
    people: &[Vec<PathBuf>],
    instruments: &[Instrument],
    attempts: usize,
) -> Result<InjectionReport> {
    let heads: Vec<Option<Head>> = people
        .par_iter()
        .map(|pictures| {
            let path = pictures.first().context("a person without pictures")?;
            let bytes =
                std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Head::try_of(pipeline, liveness, &bytes))
        })
        .collect::<Result<_>>()?;
    let found: Vec<Head> = heads.into_iter().flatten().collect();
    let rows = instruments.iter().map(|&instrument| {
        let folder = tempfile::tempdir()?;
        let event = new_event(folder.path(), pack)?;
        let (attacked, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let outcomes = (0..found.len()).into_par_iter().map(|nth| {
            let (head, other) = (&found[nth], &found[(nth + 1) % found.len()]);
            let mut attacker = Attacker::new(instrument, head, other, nth as u64)?;
            let outcomes = (0..attempts)
                .map(|_| attacker.attack(pipeline, liveness, &event))
                .collect::<Result<Vec<_>>>()?;
            let new = accepted(&outcomes);
            let passed = passed.fetch_add(new, Ordering::Relaxed) + new;
            let attacked = attacked.fetch_add(1, Ordering::Relaxed) + 1;
            eprintln!(
                "{}: {attacked} of {} people, {passed} of {} challenges accepted",
                instrument.name(),
                found.len(),
                attacked * attempts
            );
            Ok(outcomes)
        });
        Ok(row(instrument, &outcomes.collect::<Result<Vec<_>>>()?))
    });
    Ok(InjectionReport {
        people: found.len(),
        without_face: people.len() - found.len(),
        attempts,
        rows: rows.collect::<Result<_>>()?,
    })
}

/// Creates an event, for its memory of frames.
fn new_event(folder: &Path, pack: &Pack) -> Result<Collection> {
    let data = DataDir::open(folder, None)?;
    let keep = RetentionPolicy {
        purpose: "event_gallery".into(),
        legal_basis: "consent".into(),
        ends_unix_s: None,
    };
    data.create("event", pack.id(), &keep)?;
    Ok(Collection::open(&data, "event", pack)?)
}

/// Returns the number of accepted challenges.
fn accepted(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.refused.is_none()).count()
}

fn row(instrument: Instrument, people: &[Vec<Outcome>]) -> InjectionRow {
    let (mut refused, mut light) = (BTreeMap::new(), BTreeMap::new());
    let (mut score, mut frames, mut variations) = (0.0, 0.0, Vec::new());
    for outcome in people.iter().flatten() {
        if let Some(reason) = outcome.refused {
            *refused.entry(reason).or_default() += 1;
            continue;
        }
        *light.entry(outcome.light.agreement.code()).or_default() += 1;
        score += f64::from(outcome.light.score);
        variations.push(outcome.light.variation);
        frames += outcome.frames as f64;
    }
    variations.sort_by(f32::total_cmp);
    let variation = |percent| variations.get(variations.len() * percent / 100).copied();
    let all_accepted = people.iter().map(|outcomes| accepted(outcomes)).sum();
    let mean = |sum: f64| sum / (all_accepted as f64).max(1.0);
    InjectionRow {
        instrument: instrument.name(),
        attempts: people.iter().map(Vec::len).sum(),
        accepted: all_accepted,
        accepted_later: people.iter().map(|o| accepted(o.get(1..).unwrap_or_default())).sum(),
        people_accepted: people.iter().filter(|outcomes| accepted(outcomes) > 0).count(),
        light,
        light_score: mean(score),
        light_variation: [50, 95].map(|percent| variation(percent).unwrap_or_default()),
        frames: mean(frames),
        refused,
    }
}

/// An attacker who makes frames from photos.
struct Attacker<'a> {
    instrument: Instrument,
    head: &'a Head,
    /// The person of the turned frames of `Instrument::TwoPeople`.
    other: &'a Head,
    library: Vec<(&'static str, Picture)>,
    /// Number of frames sent in all challenges; no two fresh frames are equal.
    sent: usize,
    room: Room,
    rng: Rng,
}

impl<'a> Attacker<'a> {
    fn new(instrument: Instrument, head: &'a Head, other: &'a Head, seed: u64) -> Result<Self> {
        let room = Room::new(instrument.screen_share(), DRIFT, seed);
        let (library, sent, rng) = (Vec::new(), 0, Rng::new(seed));
        let mut attacker = Self { instrument, head, other, library, sent, room, rng };
        if matches!(instrument, Instrument::Library | Instrument::ReencodedLibrary) {
            for (guidance, frames) in LIBRARY_FRAMES_PER_GUIDANCE {
                for nth in 0..frames {
                    attacker.sent += 1;
                    attacker.library.push((guidance, attacker.warp(guidance, nth)));
                }
            }
        }
        Ok(attacker)
    }

    /// Runs one challenge to its end.
    fn attack(
        &mut self,
        pipeline: &Pipeline,
        liveness: &Liveness,
        event: &Collection,
    ) -> Result<Outcome> {
        let mut challenge = Challenge::random()?;
        let mut recorded = ScreenTint::Rose;
        let (mut guidance, mut waited) = (challenge.awaited(), 0);
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        for nth in 0..FRAMES_MAX {
            let uses = used.entry(guidance.code()).or_default();
            if nth % 2 == 0 {
                recorded = *self.rng.pick(&ScreenTint::ALL);
            }
            let tint = match self.instrument {
                Instrument::OtherLight => recorded,
                _ => challenge.tint(),
            };
            let frame = self.frame(guidance.code(), waited, *uses, tint.rgb())?;
            *uses += 1;
            let analysis = pipeline.analyse_frame(liveness, &frame)?;
            let at_ms = nth as u64 * FRAME_EVERY_MS;
            let refused = match event.advance_challenge(&mut challenge, &analysis, at_ms)? {
                Progress::Passed => None,
                Progress::Failed(reason) => Some(reason.code()),
                Progress::Wait(next) => {
                    waited = if next == guidance { waited + 1 } else { 0 };
                    guidance = next;
                    if waited >= FRAMES_WITHOUT_PROGRESS_MAX {
                        break;
                    }
                    continue;
                }
            };
            return Ok(Outcome { refused, light: challenge.light_evidence(), frames: nth + 1 });
        }
        event.remember_frames(challenge.prints())?;
        let light = challenge.light_evidence();
        Ok(Outcome { refused: Some("given_up"), light, frames: FRAMES_MAX })
    }

    /// Returns the next frame as JPEG. `waited` counts frames without progress, `uses` the earlier frames of
    /// this challenge for this guidance.
    fn frame(
        &mut self,
        guidance: &str,
        waited: usize,
        uses: usize,
        tint: [u8; 3],
    ) -> Result<Vec<u8>> {
        self.sent += 1;
        let stored = || {
            let fitting: Vec<_> =
                self.library.iter().filter(|(frame_for, _)| *frame_for == guidance).collect();
            let straight = || self.library.first();
            // Guidance such as `closer` has no frames of its own.
            fitting.get(uses % fitting.len().max(1)).copied().or_else(straight)
        };
        let picture = match self.instrument {
            Instrument::FreshWarps | Instrument::TwoPeople => self.warp(guidance, waited),
            Instrument::OtherLight
            | Instrument::BrightRoom
            | Instrument::LitRoom
            | Instrument::DimRoom => {
                let (head, picture) = (self.head, self.warp(guidance, waited));
                self.room.lit(head, &picture, tint)
            }
            Instrument::Library => stored().context("an empty library")?.1.clone(),
            Instrument::ReencodedLibrary => {
                varied(&stored().context("an empty library")?.1, self.sent)
            }
        };
        Ok(picture.to_jpeg(u32::MAX, JPEG_QUALITY - (self.sent % 3) as i32)?)
    }

    fn warp(&self, guidance: &str, waited: usize) -> Picture {
        let [yaw, pitch] = angles(guidance, waited);
        let is_turn = guidance.starts_with("turn");
        let head = match self.instrument {
            Instrument::TwoPeople if is_turn => self.other,
            _ => self.head,
        };
        head.turned(yaw, pitch, sway(self.sent))
    }
}

/// Returns `picture` enlarged by 0 to 3 % about a point that `nth` chooses, and brighter or darker by at most
/// 6 of 255.
fn varied(picture: &Picture, nth: usize) -> Picture {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let zoom = 1.0 + (nth * 7 % 10) as f32 * 0.003;
    let [right, down] = sway(nth).map(|px| px * 0.3);
    let light = (nth * 5 % 13) as f32 - 6.0;
    drawn((picture.width(), picture.height()), |x, y| {
        let source = [(x - width / 2.0) / zoom, (y - height / 2.0) / zoom];
        sample(picture, source[0] + width / 2.0 + right, source[1] + height / 2.0 + down)
            .map(|value| (value + light).clamp(0.0, 254.0))
    })
}

impl InjectionReport {
    pub fn show(&self) {
        println!(
            "\nInjected frames: {} people, {} challenges each ({} without one clear face left out)",
            self.people, self.attempts, self.without_face
        );
        println!(
            "{:<28} {:>9} {:>8} {:>11} {:>7} {:>8} {:>7} {:>8} {:>6} {:>6} {:>12}",
            "instrument",
            "accepted",
            "rate",
            "not first",
            "people",
            "light",
            "differs",
            "unclear",
            "score",
            "frames",
            "variation"
        );
        for row in &self.rows {
            let light =
                |agreement: LightAgreement| row.light.get(agreement.code()).copied().unwrap_or(0);
            println!(
                "{:<28} {:>9} {:>7.1}% {:>11} {:>7} {:>8} {:>7} {:>8} {:>6.2} {:>6.1} {:>6.3} {:>5.3}",
                row.instrument,
                row.accepted,
                100.0 * row.accepted as f64 / row.attempts.max(1) as f64,
                row.accepted_later,
                row.people_accepted,
                light(LightAgreement::Agrees),
                light(LightAgreement::Differs),
                light(LightAgreement::Unclear),
                row.light_score,
                row.frames,
                row.light_variation[0],
                row.light_variation[1]
            );
            let reasons: Vec<_> =
                row.refused.iter().map(|(reason, times)| format!("{reason} {times}")).collect();
            println!("  refused: {}", reasons.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_people_and_later_attempts() {
        let outcome = |refused| {
            let light =
                LightEvidence { score: 0.5, variation: 0.1, agreement: LightAgreement::Agrees };
            Outcome { refused, light, frames: 10 }
        };
        let people =
            [vec![None, Some("replay"), None], vec![None, Some("replay")], vec![Some("attack")]]
                .map(|person| person.into_iter().map(outcome).collect());
        let row = row(Instrument::Library, &people);
        assert_eq!((row.attempts, row.accepted, row.accepted_later), (6, 3, 1));
        assert_eq!((row.people_accepted, row.frames), (2, 10.0));
        assert_eq!(row.light, BTreeMap::from([("agrees", 3)]));
        assert_eq!(row.refused, BTreeMap::from([("attack", 1), ("replay", 2)]));
    }
}
