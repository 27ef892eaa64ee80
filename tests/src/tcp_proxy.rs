//! A TCP proxy that can break connections, limit their speed, and change its target.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running proxy.
pub struct Line {
    /// `http://127.0.0.1:PORT`; independent of the target.
    pub address: String,
    far: Arc<Far>,
}

struct Far {
    /// The target, `127.0.0.1:PORT`; it need not exist.
    behind: Mutex<String>,
    /// For each of the next connections, the number of bytes to the service after which the
    /// connection is cut.
    cuts: Mutex<VecDeque<u64>>,
    /// Speed limit of each connection to the service, bytes/s; 0: none.
    bytes_per_s: AtomicU64,
    /// Bytes sent to the service by all connections.
    carried: AtomicU64,
}

impl Line {
    /// Starts a proxy to `address` without faults.
    pub fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = format!("http://{}", listener.local_addr().unwrap());
        let far = Arc::new(Far {
            behind: Mutex::new(host(address)),
            cuts: Mutex::default(),
            bytes_per_s: AtomicU64::new(0),
            carried: AtomicU64::new(0),
        });
        let ours = Arc::clone(&far);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let cut = far.cuts.lock().unwrap().pop_front();
                // If the target does not exist, the connection is closed at once.
                let behind = far.behind.lock().unwrap().clone();
                let Ok(server) = TcpStream::connect(behind) else { continue };
                let far = Arc::clone(&far);
                std::thread::spawn(move || carry(near, server, cut, &far));
            }
        });
        Self { address: near, far: ours }
    }

    /// Sets the target of new connections.
    pub fn leads_to(&self, address: &str) {
        *self.far.behind.lock().unwrap() = host(address);
    }

    /// Cuts the next connections, each after the given number of bytes to the service.
    pub fn cut(&self, after: impl IntoIterator<Item = u64>) {
        self.far.cuts.lock().unwrap().extend(after);
    }

    /// Returns the number of pending cuts.
    pub fn cuts_left(&self) -> usize {
        self.far.cuts.lock().unwrap().len()
    }

    /// Limits each connection's speed to the service.
    pub fn slow(&self, bytes_per_s: u64) {
        self.far.bytes_per_s.store(bytes_per_s, Ordering::SeqCst);
    }

    /// Returns the number of bytes sent to the service so far.
    pub fn carried(&self) -> u64 {
        self.far.carried.load(Ordering::SeqCst)
    }
}

fn host(address: &str) -> String {
    address.trim_start_matches("http://").to_owned()
}

fn carry(near: TcpStream, server: TcpStream, cut: Option<u64>, far: &Far) {
    let (mut from, mut to) = (server.try_clone().unwrap(), near.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut near, mut server) = (near, server);
    let (mut left, mut piece) = (cut.unwrap_or(u64::MAX), [0; 16 << 10]);
    while left > 0 {
        let Ok(read @ 1..) = near.read(&mut piece) else { break };
        let part = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        if server.write_all(&piece[..part]).is_err() {
            break;
        }
        left -= part as u64;
        far.carried.fetch_add(part as u64, Ordering::SeqCst);
        let bytes_per_s = far.bytes_per_s.load(Ordering::SeqCst);
        if bytes_per_s > 0 {
            std::thread::sleep(Duration::from_secs_f64(part as f64 / bytes_per_s as f64));
        }
    }
    let _ = near.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
