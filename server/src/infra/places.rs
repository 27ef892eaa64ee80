//! Places of long answers and of streams: budgets for each studio and for the whole server.
//!
//! A request holds its admission permit (`admission.rs`) until its answer begins; an answer that takes longer
//! holds a place until its end. Answers wait for no place, because a reader may take any time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::telemetry::metrics;

/// A kind of long answers, which have places of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// An archive for visitors of an album or for guests.
    Archive,
    /// An export for members of a studio.
    Export,
    /// An export of a user's own account, which belongs to no studio.
    AccountExport,
    /// An original that is larger than one piece.
    Download,
    /// A stream of events.
    Stream,
}

/// Numbers of places.
struct Budget {
    /// On this server.
    all: usize,
    /// For one studio.
    studio: usize,
}

impl PlaceKind {
    /// Returns the budget. An archive, export or download has at most 4 pieces of 1 MiB in memory; a stream a few
    /// kilobytes.
    fn budget(self) -> Budget {
        match self {
            Self::Archive => Budget { all: 64, studio: 16 },
            Self::Export => Budget { all: 16, studio: 4 },
            Self::AccountExport => Budget { all: 16, studio: 1 },
            Self::Download => Budget { all: 256, studio: 64 },
            Self::Stream => Budget { all: 6000, studio: 2000 },
        }
    }

    /// Returns the value of the metrics' label.
    fn name(self) -> &'static str {
        match self {
            Self::Archive => "archives",
            Self::Export => "exports",
            Self::AccountExport => "account_exports",
            Self::Download => "downloads",
            Self::Stream => "streams",
        }
    }

    fn busy(self, of_studio: bool) -> ApiError {
        metrics::count_rejected(self.name());
        let name = self.name();
        let detail = match of_studio {
            true => format!("The studio has too many {name} in progress; try again in 30 seconds."),
            false => {
                format!("The server has too many {name} in progress; try again in 30 seconds.")
            }
        };
        ApiError::new(ErrorKind::Busy, detail).retry_after(30)
    }
}

/// The places that are held.
#[derive(Default)]
pub struct Places(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    all: HashMap<PlaceKind, usize>,
    by_studio: HashMap<(PlaceKind, String), usize>,
    /// The sessions, users, or callers with events, that an archive or export is sent to.
    holders: HashSet<String>,
}

/// A place; dropping it frees the place.
#[must_use]
#[derive(Debug)]
pub struct Place {
    all: Arc<Mutex<Held>>,
    kind: PlaceKind,
    studio: String,
    holder: Option<String>,
}

impl Places {
    /// Takes a place of `studio`. The server's budget limits only studios that hold a place of this kind
    /// already: the first one is given up to twice the budget, so that a few busy studios do not exclude the
    /// others.
    ///
    /// # Errors
    /// - `Busy` if the studio or the server has no place left.
    pub fn take(&self, kind: PlaceKind, studio: &str) -> Result<Place> {
        self.take_as(kind, studio, None)
    }

    /// Takes a place of `studio` for an archive. `holder` is the session that the archive is sent to, or the
    /// caller and the event of an export; each has one place at a time.
    ///
    /// # Errors
    /// - `TooManyRequests` if `holder` has a place.
    /// - `Busy` if the studio or the server has no place left.
    pub fn take_for(&self, kind: PlaceKind, studio: &str, holder: &str) -> Result<Place> {
        self.take_as(kind, studio, Some(holder))
    }

    fn take_as(&self, kind: PlaceKind, studio: &str, holder: Option<&str>) -> Result<Place> {
        let mut held = self.0.lock();
        if holder.is_some_and(|holder| held.holders.contains(holder)) {
            let detail = "An archive is already being sent to you; wait until it is complete.";
            return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(5));
        }
        let budget = kind.budget();
        let key = (kind, studio.to_owned());
        let all = held.all.get(&kind).copied().unwrap_or(0);
        let own = held.by_studio.get(&key).copied().unwrap_or(0);
        if own >= budget.studio {
            return Err(kind.busy(true));
        }
        if all >= 2 * budget.all || (own > 0 && all >= budget.all) {
            return Err(kind.busy(false));
        }
        held.all.insert(kind, all + 1);
        held.by_studio.insert(key, own + 1);
        held.holders.extend(holder.map(str::to_owned));
        drop(held);
        metrics::request_started(kind.name());
        let (studio, holder) = (studio.to_owned(), holder.map(str::to_owned));
        Ok(Place { all: Arc::clone(&self.0), kind, studio, holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::request_ended(self.kind.name());
        let mut held = self.all.lock();
        if let Some(all) = held.all.get_mut(&self.kind) {
            *all = all.saturating_sub(1);
        }
        let key = (self.kind, std::mem::take(&mut self.studio));
        match held.by_studio.get_mut(&key) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(held.by_studio.remove(&key)),
        }
        if let Some(holder) = &self.holder {
            held.holders.remove(holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of<T>(taken: Result<T>) -> Option<ErrorKind> {
        taken.err().map(|failure| failure.kind)
    }

    #[test]
    fn a_holder_has_one_archive_at_a_time() {
        let places = Places::default();
        let take = |holder| places.take_for(PlaceKind::Archive, "s", holder);
        let first = take("one");
        assert!(first.is_ok() && take("two").is_ok());
        assert_eq!(kind_of(take("one")), Some(ErrorKind::TooManyRequests));
        drop(first);
        assert!(take("one").is_ok());
    }

    /// One studio leaves places for the others, and all studios together leave a first one for each.
    #[test]
    fn a_studio_cannot_take_the_places_of_others() {
        let kinds = [
            PlaceKind::Archive,
            PlaceKind::Export,
            PlaceKind::AccountExport,
            PlaceKind::Download,
            PlaceKind::Stream,
        ];
        for kind in kinds {
            let (places, budget) = (Places::default(), kind.budget());
            let fill = |studio: &str| -> Vec<Place> {
                std::iter::from_fn(|| places.take(kind, studio).ok()).collect()
            };
            let mut held = vec![fill("0")];
            assert_eq!(held[0].len(), budget.studio);
            held.extend((1..6).map(|studio| fill(&studio.to_string())));
            let all: usize = held.iter().map(Vec::len).sum();
            assert!(all <= budget.all + 6, "{all}");
            let late = places.take(kind, "late");
            assert!(late.is_ok() && kind_of(places.take(kind, "late")) == Some(ErrorKind::Busy));
            let many: Vec<_> =
                (0..3 * budget.all).map(|at| places.take(kind, &format!("s{at}"))).collect();
            assert!(many.iter().filter(|taken| taken.is_ok()).count() <= 2 * budget.all);
            drop((held, late, many));
            let held = places.0.lock();
            assert!(held.by_studio.is_empty() && held.all[&kind] == 0);
        }
    }
}
