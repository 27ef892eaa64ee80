use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::client::Client;

/// Interval between two reads of all connections.
const READ_EVERY: Duration = Duration::from_millis(200);
const STATUS_OK: &[u8] = b"HTTP/1.1 200";
const PROGRESS_EVENT: &[u8] = b"event: progress";

/// The connections of guests, on which the service streams an event's progress. Dropping the value closes the
/// connections.
///
/// One thread reads all sockets, because a thread for each socket would need more processor time than the
/// service.
pub struct Guests {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

/// The state that the reading thread shares.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Number of open connections with a response.
    open: AtomicUsize,
    /// Number of progress events received on all connections.
    updates: AtomicUsize,
}

struct Guest {
    stream: TcpStream,
    /// Whether the response has begun.
    is_accepted: bool,
}

impl Guests {
    /// Connects `count` guests. Raises the soft limit of open files to the hard limit, because each guest
    /// needs a socket.
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
            guests.push(Guest { stream: connected, is_accepted: false });
        }
        let shared = Arc::<Shared>::default();
        let reader = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || read_all(guests, &shared)
        });
        Ok(Self { shared, reader: Some(reader) })
    }

    /// Returns the number of open connections with a response.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Returns the number of progress events that all guests have received.
    pub fn updates(&self) -> usize {
        self.shared.updates.load(Ordering::Relaxed)
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads all connections until the guests are dropped.
fn read_all(mut guests: Vec<Guest>, shared: &Shared) {
    let mut buffer = vec![0; 16 << 10];
    while !shared.stop.load(Ordering::Relaxed) {
        guests.retain_mut(|guest| guest.read(&mut buffer, shared));
        let open = guests.iter().filter(|guest| guest.is_accepted).count();
        shared.open.store(open, Ordering::Relaxed);
        std::thread::sleep(READ_EVERY);
    }
}

impl Guest {
    /// Reads all bytes that have arrived. Returns whether the connection is open and its status is 200.
    fn read(&mut self, buffer: &mut [u8], shared: &Shared) -> bool {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    let text = buffer.get(..length).unwrap_or_default();
                    if !self.is_accepted && !text.starts_with(STATUS_OK) {
                        return false;
                    }
                    self.is_accepted = true;
                    let windows = text.windows(PROGRESS_EVENT.len());
                    let updates = windows.filter(|part| *part == PROGRESS_EVENT).count();
                    shared.updates.fetch_add(updates, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
