use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use picpick_tests::album::variant;
use serde::Serialize;
use serde_json::json;

use super::super::process::Service;
use super::super::statistics::Quantiles;
use super::world::{Reply, World};

/// Interval of the photos that are uploaded one by one.
const PHOTO_EVERY: Duration = Duration::from_secs(4);

/// The requests of one kind.
#[derive(Serialize)]
pub struct ProbeFound {
    pub sent: usize,
    pub failed: usize,
    pub latency: Quantiles,
}

/// What the measured studio has noticed.
#[derive(Serialize)]
pub struct Probed {
    sign_in: ProbeFound,
    album: ProbeFound,
    search: ProbeFound,
    /// Seconds from the beginning of each upload until the photo is indexed.
    pub indexed_s: Vec<f64>,
    pub rss_mib_max: f64,
}

impl Probed {
    pub fn latencies(&self) -> [(&'static str, &ProbeFound); 3] {
        [("sign-in", &self.sign_in), ("album", &self.album), ("search", &self.search)]
    }
}

/// Sends the requests of the measured studio for a while, each kind at intervals.
pub fn probe(service: &Service, world: &World, time: Duration) -> Result<Probed> {
    let end = Instant::now() + time;
    let credentials = world.credentials();
    let face = json!({ "face": world.face });
    let search = format!("/events/{}/search/face", world.measured.event);
    let rss = Mutex::new(0.0_f64);
    std::thread::scope(|scope| {
        let sign_in = scope.spawn(|| {
            repeat(end, Duration::from_millis(250), 201, |number| {
                world.outside.at(100 + number).post("/session", &credentials)
            })
        });
        let album = scope.spawn(|| {
            repeat(end, Duration::from_millis(100), 200, |_| world.visitor.get("/album/photos"))
        });
        let searches = scope.spawn(|| {
            repeat(end, Duration::from_millis(200), 200, |_| {
                world.measured.caller.post(&search, &face)
            })
        });
        let photos = scope.spawn(|| photos(world, end));
        let memory = scope.spawn(|| -> Result<()> {
            while Instant::now() < end {
                let now = service.usage()?.rss_mib;
                let mut most = rss.lock();
                *most = most.max(now);
                drop(most);
                std::thread::sleep(Duration::from_millis(500));
            }
            Ok(())
        });
        let lost = "a probe panicked";
        memory.join().ok().context(lost)??;
        Ok(Probed {
            sign_in: sign_in.join().ok().context(lost)?,
            album: album.join().ok().context(lost)?,
            search: searches.join().ok().context(lost)?,
            indexed_s: photos.join().ok().context(lost)??,
            rss_mib_max: *rss.lock(),
        })
    })
}

/// Sends a request at each interval, or as soon as the one before is answered.
fn repeat(
    end: Instant,
    every: Duration,
    status: u16,
    send: impl Fn(usize) -> Result<Reply>,
) -> ProbeFound {
    let (mut times_ms, mut failed) = (Vec::new(), 0);
    while Instant::now() < end {
        let begun = Instant::now();
        let answered = send(times_ms.len());
        failed += usize::from(!answered.is_ok_and(|reply| reply.status == status));
        times_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(every.saturating_sub(begun.elapsed()));
    }
    ProbeFound { sent: times_ms.len(), failed, latency: Quantiles::of(times_ms) }
}

/// Uploads single photos and measures the time until each is indexed.
fn photos(world: &World, end: Instant) -> Result<Vec<f64>> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1_000_000);
    let mut times_s = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        world.measured.upload("one.jpg", &variant(&world.photo, number))?;
        world.measured.wait_until_indexed()?;
        times_s.push(begun.elapsed().as_secs_f64());
        std::thread::sleep(PHOTO_EVERY.saturating_sub(begun.elapsed()));
    }
    Ok(times_s)
}
