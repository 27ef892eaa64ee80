use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use picpick_tests::album::variant;
use picpick_tests::pictures::Drawing;
use serde_json::json;

use super::super::client::address_of;
use super::super::process::Service;
use super::LoadKind;
use super::world::World;

/// Bytes that a slow reader takes each second.
const READER_BYTES_PER_S: usize = 20_000;
/// Bytes that a slow upload sends each second.
const UPLOAD_BYTES_PER_S: usize = 1000;
/// One in this many announced uploads arrives slowly.
const SLOW_UPLOAD: usize = 40;
/// Length of an announced upload, bytes.
const UPLOAD_BYTES: usize = 1 << 20;
/// Requests that fill the queue or announce uploads at the same time.
const FILL_THREADS: usize = 6;
/// First number of clients of a load, so that their addresses are not those of the probes.
const CLIENTS: usize = 1 << 20;

/// A load in progress.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: String,
    /// Keeps the connections open, reads from them or writes to them.
    worker: Option<JoinHandle<usize>>,
}

impl Load {
    /// Starts a load of the loading studio, with `count` connections, photos or uploads.
    pub fn start(service: &Service, world: &World, kind: LoadKind, count: usize) -> Result<Self> {
        match kind {
            LoadKind::Exports => {
                let path = format!("/events/{}/export", world.loading.event);
                let header = world.loading.caller.credential.clone();
                let (name, value) = header.context("the load has no key")?;
                let line = format!("{name}: {value}");
                let streams = (0..count)
                    .map(|number| request(service, &path, &line, number))
                    .collect::<Result<_>>()?;
                Ok(Self::of_connections(streams, 0))
            }
            LoadKind::Readers => {
                let mut streams = Vec::with_capacity(count);
                for number in 0..count {
                    let enter = json!({ "token": world.loading.link, "pin": "" });
                    let visit =
                        world.outside.at(CLIENTS + number).post("/album/session", &enter)?;
                    if visit.status != 204 {
                        bail!("entering the album: status {}", visit.status);
                    }
                    let line = format!("cookie: {}", visit.cookie);
                    streams.push(request(service, "/album/download", &line, number)?);
                }
                Ok(Self::of_connections(streams, READER_BYTES_PER_S))
            }
            LoadKind::Queue => {
                world.loading.control("pause")?;
                let photo = Drawing::blank(64, 64).jpeg();
                let statuses = fill(count, |number| {
                    let number = CLIENTS + number;
                    let sent = world.loading.upload("small.jpg", &variant(&photo, number));
                    u16::from(sent.is_err())
                });
                world.loading.control("resume")?;
                Ok(Self::of_statuses(&statuses, None))
            }
            LoadKind::Uploads => uploads(service, world, count),
        }
    }

    fn of_statuses(statuses: &BTreeMap<u16, usize>, worker: Option<JoinHandle<usize>>) -> Self {
        let answered = format!("{statuses:?} (0: sent)");
        Self { stop: Arc::default(), answered, worker }
    }

    /// Holds connections open and reads `bytes_per_s` from each.
    fn of_connections(mut streams: Vec<TcpStream>, bytes_per_s: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (stopped, count) = (Arc::clone(&stop), streams.len());
        let worker = std::thread::spawn(move || {
            lower_priority();
            let mut buffer = vec![0; bytes_per_s / 4];
            let mut statuses = vec![None; streams.len()];
            while !stopped.load(Ordering::SeqCst) {
                for (stream, status) in streams.iter_mut().zip(&mut statuses) {
                    read_some(stream, status, &mut buffer);
                }
                std::thread::sleep(Duration::from_millis(250));
            }
            // Unread connections have a status in the buffer of the system.
            let mut first = [0; 12];
            for (stream, status) in streams.iter_mut().zip(&mut statuses) {
                read_some(stream, status, &mut first);
            }
            statuses.iter().filter(|status| **status == Some(200)).count()
        });
        Self { stop, answered: format!("of {count} connections,"), worker: Some(worker) }
    }

    /// Ends the load. Returns what it got.
    pub fn stop(self) -> Result<String> {
        self.stop.store(true, Ordering::SeqCst);
        let Some(worker) = self.worker else { return Ok(self.answered) };
        let served = worker.join().ok().context("the load panicked")?;
        Ok(format!("{} {served} were served", self.answered))
    }
}

/// Reads what is there without waiting, at most the size of `buffer`.
fn read_some(stream: &mut TcpStream, status: &mut Option<u16>, buffer: &mut [u8]) {
    if buffer.is_empty() {
        return;
    }
    let Ok(count) = stream.read(buffer) else { return };
    if status.is_none() && count >= 12 {
        let text = String::from_utf8_lossy(buffer.get(9..12).unwrap_or_default()).into_owned();
        *status = text.parse().ok();
    }
}

fn connect(service: &Service) -> Result<TcpStream> {
    let stream = TcpStream::connect(&service.address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a GET request and does not read the response.
fn request(service: &Service, path: &str, header: &str, number: usize) -> Result<TcpStream> {
    let mut stream = connect(service)?;
    let (host, from) = (&service.address, address_of(CLIENTS + number));
    write!(
        stream,
        "GET /api/v1{path} HTTP/1.1\r\nhost: {host}\r\n{header}\r\nx-forwarded-for: {from}\r\n\r\n"
    )?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Runs `work` for each number below `count`, several at a time and at low priority. Returns how often each
/// status was returned.
fn fill(count: usize, work: impl Fn(usize) -> u16 + Sync) -> BTreeMap<u16, usize> {
    let (next, statuses) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..FILL_THREADS {
            scope.spawn(|| {
                lower_priority();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let status = work(number);
                    *statuses.lock().entry(status).or_default() += 1;
                }
            });
        }
    });
    statuses.into_inner()
}

/// Announces uploads, and sends one in `SLOW_UPLOAD` slowly.
fn uploads(service: &Service, world: &World, count: usize) -> Result<Load> {
    let slow = Mutex::new(Vec::new());
    let statuses = fill(count, |number| {
        let Ok(reply) = world.loading.announce("open.jpg", UPLOAD_BYTES) else { return 1 };
        if reply.status == 201 && number.is_multiple_of(SLOW_UPLOAD) {
            slow.lock().push(reply.location);
        }
        reply.status
    });
    let header = world.loading.caller.credential.clone();
    let (name, value) = header.context("the load has no key")?;
    let (host, mut streams) = (&service.address, Vec::new());
    for (number, path) in slow.into_inner().into_iter().enumerate() {
        let mut stream = connect(service)?;
        write!(
            stream,
            "PATCH {path} HTTP/1.1\r\nhost: {host}\r\n{name}: {value}\r\nx-forwarded-for: {}\r\n\
             tus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\n\
             content-length: {UPLOAD_BYTES}\r\n\r\n",
            address_of(CLIENTS + number)
        )?;
        streams.push(stream);
    }
    let stop = Arc::<AtomicBool>::default();
    let stopped = Arc::clone(&stop);
    let worker = std::thread::spawn(move || {
        lower_priority();
        let part = [0xff_u8; UPLOAD_BYTES_PER_S];
        let mut sent = 0;
        while !stopped.load(Ordering::SeqCst) {
            sent = streams.iter_mut().filter_map(|stream| stream.write_all(&part).ok()).count();
            std::thread::sleep(Duration::from_secs(1));
        }
        sent
    });
    let load = Load::of_statuses(&statuses, Some(worker));
    Ok(Load { stop, answered: format!("{}; of the slow ones,", load.answered), ..load })
}

/// Lowers the priority of this thread, because the load shares the cores with the service.
fn lower_priority() {
    let _ = rustix::process::nice(19);
}
