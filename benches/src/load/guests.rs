//! Guests who look on: many open connections on which the service tells an event's progress.
//!
//! Bare sockets, all read by one thread, because a thread each would cost more than the service does. Knows
//! nothing of HTTP but how an answer begins.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::client::Client;

/// How often all connections are read.
const READ_EVERY: Duration = Duration::from_millis(200);
const ANSWERED: &[u8] = b"HTTP/1.1 200";
const TOLD: &[u8] = b"event: progress";

/// Open connections; closed when dropped.
pub struct Guests {
    heard: Arc<Heard>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    stop: AtomicBool,
    /// Connections that were answered and are open.
    open: AtomicUsize,
    /// Pieces of news, over all connections.
    news: AtomicUsize,
}

struct Guest {
    stream: TcpStream,
    answered: bool,
}

impl Guests {
    /// Connects `count` guests.
    pub fn connect(client: &Client, address: &str, count: usize) -> Result<Self> {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        let mut guests = Vec::with_capacity(count);
        for number in 0..count {
            let connected = TcpStream::connect(address)
                .and_then(|mut stream| {
                    stream.write_all(client.watch(number).as_bytes())?;
                    stream.set_nonblocking(true)?;
                    Ok(stream)
                })
                .with_context(|| format!("connecting guest {number}"))?;
            guests.push(Guest { stream: connected, answered: false });
        }
        let heard = Arc::<Heard>::default();
        let reader = std::thread::spawn({
            let heard = Arc::clone(&heard);
            move || listen(guests, &heard)
        });
        Ok(Self { heard, reader: Some(reader) })
    }

    /// How many are connected and answered.
    pub fn open(&self) -> usize {
        self.heard.open.load(Ordering::Relaxed)
    }

    /// How much was told to them all so far.
    pub fn news(&self) -> usize {
        self.heard.news.load(Ordering::Relaxed)
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        self.heard.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn listen(mut guests: Vec<Guest>, heard: &Heard) {
    let mut buffer = vec![0; 16 << 10];
    while !heard.stop.load(Ordering::Relaxed) {
        guests.retain_mut(|guest| guest.hear(&mut buffer, heard));
        let open = guests.iter().filter(|guest| guest.answered).count();
        heard.open.store(open, Ordering::Relaxed);
        std::thread::sleep(READ_EVERY);
    }
}

impl Guest {
    /// Reads what has arrived; whether the connection is still good.
    fn hear(&mut self, buffer: &mut [u8], heard: &Heard) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    let text = buffer.get(..length).unwrap_or_default();
                    if !self.answered && !text.starts_with(ANSWERED) {
                        return false;
                    }
                    self.answered = true;
                    let news = text.windows(TOLD.len()).filter(|part| *part == TOLD).count();
                    heard.news.fetch_add(news, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
