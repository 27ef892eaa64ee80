//! Bodies of long answers: each holds a place until its end, and ends if its client reads too slowly.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{Stream, StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::open_connections::OpenConnections;
use super::places::Place;
use super::reading_rate::ReadingRate;

/// Interval at which an answer is looked at whose next piece is being made: 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(5);

type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What an answer holds.
struct Held {
    pieces: Pieces,
    _place: Place,
}

/// The state of a body.
enum Progress {
    /// The client takes a piece of this many bytes; 0: it is yet to ask for the first one.
    Reading(Held, usize),
    /// The server makes a piece.
    Making,
    Ended,
    /// The client has read too slowly.
    GivenUp,
}

struct Shared {
    progress: Mutex<(Progress, ReadingRate)>,
    connection: OnceLock<(OpenConnections, SocketAddr)>,
}

/// The handle of a long answer, an extension of its response. The middleware names the answer's connection.
#[derive(Clone)]
pub struct LongAnswer(Weak<Shared>);

impl LongAnswer {
    /// Names the connection to end if the client reads too slowly.
    pub fn set_connection(&self, all: &OpenConnections, peer: SocketAddr) {
        if let Some(shared) = self.0.upgrade() {
            let _ = shared.connection.set((all.clone(), peer));
        }
    }
}

/// Sets the body of `response`: `pieces`, which hold `place` until they end, the connection ends, or the client
/// has read too slowly. The pieces are made as the client takes them.
pub fn with_pieces(
    mut response: Response,
    place: Place,
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let held = Held { pieces: Box::pin(pieces), _place: place };
    let shared = Arc::new(Shared {
        progress: Mutex::new((Progress::Reading(held, 0), ReadingRate::default())),
        connection: OnceLock::new(),
    });
    tokio::spawn(watch(Arc::downgrade(&shared)));
    response.extensions_mut().insert(LongAnswer(Arc::downgrade(&shared)));
    let body = stream::unfold(shared, |shared| async move {
        let piece = next(&shared).await?;
        Some((piece, shared))
    });
    // The compression layer polls once more after the end of the stream.
    *response.body_mut() = Body::from_stream(body.fuse());
    response
}

/// Returns the next piece; `None` at the end.
async fn next(shared: &Shared) -> Option<io::Result<Bytes>> {
    let mut held = {
        let mut progress = shared.progress.lock();
        let (state, rate) = &mut *progress;
        match std::mem::replace(state, Progress::Making) {
            Progress::Reading(held, bytes) => {
                // The client asks for a piece when it has taken the one before.
                rate.took(bytes, Instant::now());
                held
            }
            Progress::GivenUp => {
                *state = Progress::Ended;
                let reason = "the client reads too slowly";
                return Some(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            Progress::Making | Progress::Ended => {
                *state = Progress::Ended;
                return None;
            }
        }
    };
    let piece = held.pieces.next().await;
    let mut progress = shared.progress.lock();
    let (state, rate) = &mut *progress;
    match piece {
        Some(Ok(bytes)) => {
            rate.waits(Instant::now());
            *state = Progress::Reading(held, bytes.len());
            Some(Ok(bytes))
        }
        other => {
            *state = Progress::Ended;
            drop(progress);
            drop(held);
            other
        }
    }
}

/// Gives an answer up whose client reads too slowly. A client that takes nothing asks for nothing, so the body
/// alone would not notice.
async fn watch(shared: Weak<Shared>) {
    loop {
        let due = {
            let Some(shared) = shared.upgrade() else { return };
            match shared.look(Instant::now()) {
                Some(due) => due,
                None => return,
            }
        };
        tokio::time::sleep_until(due).await;
    }
}

impl Shared {
    /// Gives the answer up if its client is late. Returns the time of the next look; `None` if the answer has
    /// ended.
    fn look(&self, now: Instant) -> Option<Instant> {
        let mut progress = self.progress.lock();
        let (state, rate) = &mut *progress;
        let due = match state {
            Progress::Reading(..) => rate.waits(now),
            Progress::Making => now + LOOK_EVERY,
            Progress::Ended | Progress::GivenUp => return None,
        };
        if due > now {
            return Some(due);
        }
        let held = std::mem::replace(state, Progress::GivenUp);
        drop(progress);
        drop(held);
        tracing::info!("an answer was given up, because its client reads too slowly");
        if let Some((all, peer)) = self.connection.get() {
            all.cut(*peer);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::error::ErrorKind;
    use crate::infra::places::{PlaceKind, Places};

    fn answer(places: &Places, pieces: usize) -> Response {
        let place = places.take_for(PlaceKind::Export, "s", "h").unwrap();
        let piece = || Ok(Bytes::from(vec![7; 1000]));
        with_pieces(Response::default(), place, stream::iter((0..pieces).map(move |_| piece())))
    }

    fn is_free(places: &Places) -> bool {
        let taken = places.take_for(PlaceKind::Export, "s", "h");
        taken.err().is_none_or(|failure| failure.kind != ErrorKind::TooManyRequests)
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_held_until_the_end_of_the_answer() {
        let places = Places::default();
        let response = answer(&places, 3);
        assert!(!is_free(&places));
        assert_eq!(to_bytes(response.into_body(), 10_000).await.unwrap().len(), 3000);
        assert!(is_free(&places));
        let response = answer(&places, 3);
        drop(response);
        assert!(is_free(&places), "the client has disconnected");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_too_slowly_loses_its_place() {
        let places = Places::default();
        let mut body = answer(&places, 1000).into_body().into_data_stream();
        // 2,000 bytes a second are half of the minimum.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(600) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            match body.next().await {
                Some(Ok(_)) => {}
                other => {
                    assert!(other.is_some_and(|piece| piece.is_err()), "an error ends the body");
                    break;
                }
            }
        }
        assert!((30..120).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        assert!(is_free(&places));
        // A client that never asks for a piece.
        let unread = answer(&places, 1000);
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(!is_free(&places));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(is_free(&places));
        drop(unread);
        // A client at twice the minimum rate gets all.
        let mut body = answer(&places, 1000).into_body().into_data_stream();
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_millis(120)).await;
            assert!(body.next().await.is_some_and(|piece| piece.is_ok()));
        }
    }
}
