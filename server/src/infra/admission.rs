//! Admission control (load shedding), fair among tenants: requests of one class share a number of places, and
//! a bounded number of requests waits for a place.
//!
//! A freed place goes to the waiting tenant that holds the fewest, so that a tenant with many requests delays
//! the others by one request. A tenant takes places only while it holds fewer than a multiple of the free ones
//! (dynamic thresholds, Choudhury and Hahne 1998), so that work that takes minutes leaves places for others.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::telemetry::metrics;

/// The tenant of requests without a studio and without an account: sign-ins, links, setup.
pub const NO_TENANT: &str = "";

/// The places of one class of requests. Clones share the places.
#[derive(Clone)]
pub struct AdmissionControl(Arc<Room>);

struct Room {
    /// The value of the metrics' label.
    name: &'static str,
    /// Number of requests that may wait.
    line_max: usize,
    wait_max: Duration,
    /// A tenant takes a place only while it holds fewer than this many times the free places; `None`: as long
    /// as a place is free.
    share: Option<usize>,
    state: Mutex<RoomState>,
}

#[derive(Default)]
struct RoomState {
    free: usize,
    waiting: usize,
    /// Counts arrivals in the line and grants.
    tickets: u64,
    tenants: HashMap<String, Tenant>,
}

#[derive(Default)]
struct Tenant {
    held: usize,
    /// Value of `RoomState::tickets` at the last grant to a request that waited.
    granted: u64,
    /// The requests that wait, by ticket, in order of arrival.
    line: VecDeque<(u64, oneshot::Sender<AdmissionPermit>)>,
}

/// One unit of admitted work; dropping it frees the place.
#[must_use]
pub struct AdmissionPermit {
    room: Arc<Room>,
    tenant: String,
}

/// A place in the line; dropping it leaves the line.
struct Ticket<'r> {
    room: &'r Room,
    tenant: &'r str,
    number: u64,
}

/// A permit shared by a request and the blocking work that it has started. The permit is released when all of
/// them are done, so that a disconnected client frees no capacity while its work still runs.
#[derive(Clone)]
pub struct Slot {
    permit: Arc<AdmissionPermit>,
}

/// The permit of a request until its caller is known. The guard takes it.
#[derive(Clone)]
pub struct EntryPermit(Arc<Mutex<Option<AdmissionPermit>>>);

impl EntryPermit {
    pub fn of(permit: AdmissionPermit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// Frees the place.
    pub fn leave(&self) {
        let permit = self.0.lock().take();
        drop(permit);
    }
}

tokio::task_local! {
    /// The slot of the request that this task serves.
    static SERVED: Slot;
}

/// Returns the slot of the request that this task serves; `None` in a background task. Blocking work keeps it
/// until its end.
pub fn held_slot() -> Option<Slot> {
    SERVED.try_with(Clone::clone).ok()
}

/// Returns the tenant of the request that this task serves; [`NO_TENANT`] in a background task.
pub fn current_tenant() -> String {
    let of = |slot: &Slot| slot.permit.tenant.clone();
    SERVED.try_with(of).unwrap_or_else(|_| NO_TENANT.to_owned())
}

/// Spawns a task that continues the work of a request after the client has disconnected. The task keeps the
/// request's slot.
pub fn spawn_held<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    match held_slot() {
        Some(slot) => tokio::spawn(slot.serve(work)),
        None => tokio::spawn(work),
    }
}

impl Slot {
    /// Serves a request: [`held_slot`] returns this slot in `work`.
    pub fn serve<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        SERVED.scope(self, work)
    }

    /// Runs blocking `work` on the thread pool for blocking tasks. The work holds the permit until it is
    /// done, even if the caller stops waiting.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        run_held(Some(self), work).await
    }
}

/// Runs blocking `work` on the thread pool for blocking tasks, under the slot of the request that this task
/// serves.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    run_held(held_slot(), work).await
}

async fn run_held<T: Send + 'static>(
    slot: Option<Slot>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let held = move || {
        let done = work();
        drop(slot);
        done
    };
    tokio::task::spawn_blocking(held).await.map_err(ApiError::internal)?
}

impl From<AdmissionPermit> for Slot {
    fn from(permit: AdmissionPermit) -> Self {
        Self { permit: Arc::new(permit) }
    }
}

impl<S: Sync> FromRequestParts<S> for Slot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || {
            ApiError::internal("a handler extracts an admission permit that no middleware provided")
        };
        parts.extensions.get::<Slot>().cloned().ok_or_else(missing)
    }
}

impl AdmissionControl {
    /// Creates a controller that admits `at_once` units of work (at least 1) and queues `waiting` more, each
    /// for at most `wait_max`. `name` is the value of the metrics' label.
    pub fn new(name: &'static str, at_once: usize, waiting: usize, wait_max: Duration) -> Self {
        Self::build(name, at_once, waiting, wait_max, None)
    }

    /// Creates a controller as `new` does, in which a tenant takes a place only while it holds fewer than
    /// `share` times the free places: a single tenant gets `share / (share + 1)` of all.
    pub fn with_share(
        name: &'static str,
        at_once: usize,
        waiting: usize,
        wait_max: Duration,
        share: usize,
    ) -> Self {
        Self::build(name, at_once, waiting, wait_max, Some(share))
    }

    fn build(
        name: &'static str,
        at_once: usize,
        line_max: usize,
        wait_max: Duration,
        share: Option<usize>,
    ) -> Self {
        let state = RoomState { free: at_once.max(1), ..RoomState::default() };
        let state = Mutex::new(state);
        Self(Arc::new(Room { name, line_max, wait_max, share, state }))
    }

    /// Waits for a permit. The requests of one `tenant` are served in the order of their arrival.
    ///
    /// # Errors
    /// - `Busy` immediately if the line is full, or the tenant has half of it; and after `wait_max` if no
    ///   permit is free.
    pub async fn enter(&self, tenant: &str) -> Result<AdmissionPermit> {
        let room = &self.0;
        let (mut place, ticket) = {
            let mut state = room.state.lock();
            let RoomState { free, waiting, tickets, tenants } = &mut *state;
            let own = tenants.entry(tenant.to_owned()).or_default();
            if own.line.is_empty() && *free > 0 && room.allows(own.held, *free) {
                own.held += 1;
                *free -= 1;
                return Ok(self.permit(tenant));
            }
            if own.line.len() >= room.line_max - (*waiting).min(room.line_max) {
                let is_idle = own.held == 0 && own.line.is_empty();
                is_idle.then(|| tenants.remove(tenant));
                drop(state);
                return Err(room.busy());
            }
            *tickets += 1;
            *waiting += 1;
            let (give, place) = oneshot::channel();
            own.line.push_back((*tickets, give));
            (place, Ticket { room, tenant, number: *tickets })
        };
        let granted = tokio::time::timeout(room.wait_max, &mut place).await;
        drop(ticket);
        match granted {
            Ok(place) => place.map_err(ApiError::internal),
            // The permit may have been sent while the wait ended.
            Err(_) => place.try_recv().map_err(|_| room.busy()),
        }
    }

    fn permit(&self, tenant: &str) -> AdmissionPermit {
        metrics::request_started(self.0.name);
        AdmissionPermit { room: Arc::clone(&self.0), tenant: tenant.to_owned() }
    }
}

impl Room {
    fn allows(&self, held: usize, free: usize) -> bool {
        self.share.is_none_or(|share| held == 0 || held < share * free)
    }

    fn busy(&self) -> ApiError {
        metrics::count_rejected(self.name);
        let wait_s = self.wait_max.as_secs().max(1);
        let detail = format!("The service is at capacity; try again in {wait_s} s.");
        ApiError::new(ErrorKind::Busy, detail).retry_after(wait_s)
    }

    /// Takes the first request of the next tenant out of the line, and counts its place.
    fn next(&self) -> Option<(String, oneshot::Sender<AdmissionPermit>)> {
        let mut state = self.state.lock();
        let RoomState { free, waiting, tickets, tenants } = &mut *state;
        if *free == 0 {
            return None;
        }
        let waits = tenants.iter_mut().filter(|(_, own)| !own.line.is_empty());
        let may = waits.filter(|(_, own)| self.allows(own.held, *free));
        let (tenant, own) = may.min_by_key(|(_, own)| {
            (own.held, own.granted, own.line.front().map_or(0, |(number, _)| *number))
        })?;
        let (_, give) = own.line.pop_front()?;
        own.held += 1;
        *tickets += 1;
        own.granted = *tickets;
        *free -= 1;
        *waiting -= 1;
        Some((tenant.clone(), give))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        let RoomState { waiting, tenants, .. } = &mut *state;
        let Some(own) = tenants.get_mut(self.tenant) else { return };
        let before = own.line.len();
        own.line.retain(|(number, _)| *number != self.number);
        *waiting -= before - own.line.len();
        if own.held == 0 && own.line.is_empty() {
            tenants.remove(self.tenant);
        }
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        metrics::request_ended(self.room.name);
        let mut state = self.room.state.lock();
        state.free += 1;
        if let Some(own) = state.tenants.get_mut(&self.tenant) {
            own.held -= 1;
            if own.held == 0 && own.line.is_empty() {
                state.tenants.remove(&self.tenant);
            }
        }
        drop(state);
        let control = AdmissionControl(Arc::clone(&self.room));
        while let Some((tenant, give)) = self.room.next() {
            // A request that has left the line drops the permit, which frees the place again.
            drop(give.send(control.permit(&tenant)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_place_is_handed_on_and_a_full_line_is_an_answer() {
        let room = AdmissionControl::new("test", 1, 1, Duration::from_millis(200));
        let first = room.enter(NO_TENANT).await.unwrap();
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.enter(NO_TENANT).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        let third = room.enter(NO_TENANT).await.err().unwrap();
        assert!(begun.elapsed() < Duration::from_millis(50), "a full queue rejects at once");
        assert_eq!((third.kind, third.retry_after_s), (ErrorKind::Busy, Some(1)));
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        let begun = Instant::now();
        assert_eq!(room.enter(NO_TENANT).await.err().unwrap().kind, ErrorKind::Busy);
        assert!(begun.elapsed() >= Duration::from_millis(200), "it waited for its turn");
        drop(second);
        assert!(room.enter(NO_TENANT).await.is_ok());
    }

    #[tokio::test]
    async fn work_keeps_its_place_when_nobody_waits_for_it_any_more() {
        let room = AdmissionControl::new("test", 1, 0, Duration::from_millis(200));
        let place = Slot::from(room.enter(NO_TENANT).await.unwrap());
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let request = tokio::spawn(place.run(move || {
            let _ = begin.send(());
            let _ = ended.recv();
            Ok(())
        }));
        begun.await.unwrap();
        // The client disconnects.
        request.abort();
        assert!(request.await.is_err());
        assert_eq!(room.enter(NO_TENANT).await.err().unwrap().kind, ErrorKind::Busy);
        end.send(()).unwrap();
        while room.enter(NO_TENANT).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    /// A tenant that fills the line delays another by one unit of work, and leaves room in the line.
    #[tokio::test]
    async fn a_flood_of_one_tenant_delays_another_by_one_place() {
        let room = AdmissionControl::new("test", 1, 8, Duration::from_secs(60));
        let held = room.enter("a").await.unwrap();
        let (order, mut entered) = tokio::sync::mpsc::unbounded_channel();
        for (tenant, count) in [("a", 4), ("b", 1), ("c", 1)] {
            for _ in 0..count {
                let (room, order) = (room.clone(), order.clone());
                tokio::spawn(async move {
                    let place = room.enter(tenant).await.unwrap();
                    order.send(tenant).unwrap();
                    drop(place);
                });
                tokio::task::yield_now().await;
            }
        }
        // Half of the line is left for others.
        assert_eq!(room.enter("a").await.err().unwrap().kind, ErrorKind::Busy);
        drop(held);
        let mut served = Vec::new();
        for _ in 0..6 {
            served.push(entered.recv().await.unwrap());
        }
        assert!(served.iter().take(3).any(|tenant| *tenant == "b"), "{served:?}");
        assert!(served.iter().take(4).any(|tenant| *tenant == "c"), "{served:?}");
    }

    /// Long work of one tenant leaves places for others, and for further ones.
    #[tokio::test]
    async fn a_share_of_the_places_stays_free() {
        let room = AdmissionControl::with_share("test", 8, 0, Duration::from_secs(1), 1);
        let mut held = Vec::new();
        for (tenant, gets) in [("a", 4), ("b", 2), ("c", 1), ("d", 1), ("e", 0)] {
            let mut got = 0;
            while let Ok(place) = room.enter(tenant).await {
                held.push(place);
                got += 1;
            }
            assert_eq!(got, gets, "{tenant}");
        }
        held.clear();
        let state = room.0.state.lock();
        assert_eq!((state.free, state.waiting, state.tenants.len()), (8, 0, 0));
    }

    /// Whatever comes, leaves and disconnects, in any order, no place is lost and none is given twice.
    #[tokio::test(start_paused = true)]
    async fn places_are_conserved() {
        let room = AdmissionControl::with_share("test", 5, 12, Duration::from_secs(3), 2);
        let mut seed = 3_u64;
        let mut throw = |sides: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % sides
        };
        let mut tasks = Vec::new();
        for _ in 0..2000 {
            let (same, tenant, work_ms) = (room.clone(), throw(4).to_string(), throw(4000));
            tasks.push(tokio::spawn(async move {
                if let Ok(place) = same.enter(&tenant).await {
                    tokio::time::sleep(Duration::from_millis(work_ms)).await;
                    drop(place);
                }
            }));
            if throw(3) == 0 {
                let at = usize::try_from(throw(tasks.len() as u64)).unwrap();
                tasks[at].abort();
            }
            tokio::time::sleep(Duration::from_millis(throw(300))).await;
            let state = room.0.state.lock();
            let held: usize = state.tenants.values().map(|own| own.held).sum();
            assert_eq!(held + state.free, 5);
        }
        for task in tasks {
            let _ = task.await;
        }
        let state = room.0.state.lock();
        assert_eq!((state.free, state.waiting, state.tenants.len()), (5, 0, 0));
    }
}
