use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// The open connections by the address and port of the client, so that an answer that its client does not read
/// can be ended: HTTP cannot take back what it has queued for a client.
#[derive(Clone, Default)]
pub struct OpenConnections(Arc<Mutex<HashMap<SocketAddr, Arc<Switch>>>>);

#[derive(Default)]
struct Switch {
    cut: AtomicBool,
    waker: AtomicWaker,
}

/// An open connection. Dropping it removes the connection from the list.
pub struct OpenConnection {
    all: OpenConnections,
    peer: SocketAddr,
    switch: Arc<Switch>,
}

impl OpenConnections {
    /// Adds a connection.
    pub fn add(&self, peer: SocketAddr) -> OpenConnection {
        let switch = Arc::<Switch>::default();
        self.0.lock().insert(peer, Arc::clone(&switch));
        OpenConnection { all: self.clone(), peer, switch }
    }

    /// Ends the connection of `peer`, with all its requests.
    pub fn cut(&self, peer: SocketAddr) {
        if let Some(switch) = self.0.lock().get(&peer) {
            switch.cut.store(true, Ordering::SeqCst);
            switch.waker.wake();
        }
    }
}

impl OpenConnection {
    /// Returns whether the connection is to end; otherwise wakes the task of `cx` as soon as it is to end.
    pub fn is_cut(&self, cx: &Context<'_>) -> bool {
        self.switch.waker.register(cx.waker());
        self.switch.cut.load(Ordering::SeqCst)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        // Another connection may have the same address and port by now.
        if all.get(&self.peer).is_some_and(|switch| Arc::ptr_eq(switch, &self.switch)) {
            all.remove(&self.peer);
        }
    }
}
