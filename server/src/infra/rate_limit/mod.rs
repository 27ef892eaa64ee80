//! Rate limits per client address, account, API key and session, counted in memory within microseconds a
//! request.
//!
//! Each server counts on its own, so that no request waits for another server. The servers of one database
//! exchange their theoretical arrival times every 10 seconds (`sync.rs`), and the latest time of a subject
//! applies on all servers. A caller therefore gets at most one burst from each server.

pub mod class;
pub mod gcra;
pub mod lockout;
pub mod proof_of_work;
pub mod quota;
pub mod sync;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::{Mutex, MutexGuard};

pub use class::RequestClass;
pub use gcra::Rate;
pub use lockout::{
    AlbumVisit, CountedAttempt, Guess, GuessableSecret, Guesser, attempt,
    delete_decayed as delete_decayed_lockouts, forget as forget_lockout, required_work,
};
pub use proof_of_work::WorkSolution;
pub use quota::{Quota, delete_full_quotas};
pub use sync::{run_rate_limit_sync, sync};

use crate::config::settings::RateSettings;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_us;

/// Number of shards of the map, so that requests rarely contend for a lock.
const SHARDS: usize = 16;
/// Maximum number of subjects in a shard, about 100 bytes each: 26 MB in all shards.
const SHARD_MAX: usize = 16_384;

/// The subject that is charged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Address(IpAddr),
    Account(String),
    Key(String),
    /// A session of an album's visitor or of a guest.
    Visitor(String),
}

/// The rate of each kind of subject.
#[derive(Clone, Copy, Debug)]
struct Rates {
    address: Rate,
    account: Rate,
    key: Rate,
}

/// Burst of all rates, seconds: the units of 60 seconds may be used at once.
const BURST_S: u32 = 60;

impl Rates {
    fn new(settings: RateSettings) -> Self {
        let rate = |units_per_s| Rate { units_per_s, burst_s: BURST_S };
        Self {
            address: rate(settings.address),
            account: rate(settings.account),
            key: rate(settings.key),
        }
    }
}

/// The rate limiter (GCRA), shared by all requests. Its state is in memory.
pub struct RateLimiter {
    rates: Rates,
    /// GCRA theoretical arrival time of each subject, microseconds since the Unix epoch.
    shards: [Mutex<HashMap<Subject, i64>>; SHARDS],
}

impl RateLimiter {
    pub fn new(rates: RateSettings) -> Self {
        Self { rates: Rates::new(rates), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Charges the client's address; an IPv6 address counts as its /64 network.
    ///
    /// # Errors
    /// - `TooManyRequests` with the time to wait, if the address has too few units left.
    pub fn charge_address(&self, address: IpAddr, class: RequestClass) -> Result<()> {
        self.charge(Subject::Address(network(address)), class, now_us())
    }

    /// Charges an account (for all its sessions together), API key or visitor.
    ///
    /// # Errors
    /// - `TooManyRequests` with the time to wait, if the subject has too few units left.
    pub fn charge_subject(&self, subject: Subject, class: RequestClass) -> Result<()> {
        self.charge(subject, class, now_us())
    }

    fn charge(&self, subject: Subject, class: RequestClass, now_us: i64) -> Result<()> {
        let (rate, whose) = (self.rate(&subject), subject.kind());
        let mut shard = self.shard(&subject);
        let tat_us = shard.get(&subject).copied().unwrap_or(0);
        match rate.take(tat_us, now_us, class.units()) {
            Ok(after_us) => {
                shard.insert(subject, after_us);
                if shard.len() > SHARD_MAX {
                    forget(&mut shard, now_us);
                }
                Ok(())
            }
            Err(wait_us) => {
                drop(shard);
                crate::infra::telemetry::metrics::count_limited(whose);
                let wait_s = wait_us.div_ceil(1_000_000);
                let detail = format!(
                    "This {whose} has exceeded its rate limit; wait {wait_s} s before the next request."
                );
                Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(wait_s))
            }
        }
    }

    fn rate(&self, subject: &Subject) -> Rate {
        match subject {
            Subject::Address(_) => self.rates.address,
            // A visitor is one person, as an account is.
            Subject::Account(_) | Subject::Visitor(_) => self.rates.account,
            Subject::Key(_) => self.rates.key,
        }
    }

    fn shard(&self, subject: &Subject) -> MutexGuard<'_, HashMap<Subject, i64>> {
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock()
    }

    /// Returns the subjects that have used more than a tenth of their burst, with their theoretical arrival
    /// times. Removes subjects with an unused allowance.
    fn worn(&self, now_us: i64) -> Vec<(Subject, i64)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.retain(|_, tat_us| *tat_us > now_us);
            let worn = shard.iter().filter(|(subject, tat_us)| {
                let rate = self.rate(subject);
                rate.is_significant(**tat_us, now_us)
            });
            found.extend(worn.map(|(subject, tat_us)| (subject.clone(), *tat_us)));
        }
        found
    }

    /// Adopts the theoretical arrival time `tat_us`, which another server or an earlier run of this server has
    /// counted, if it is later than this server's own.
    fn merge(&self, subject: Subject, tat_us: i64) {
        let mut shard = self.shard(&subject);
        let own = shard.entry(subject).or_insert(0);
        *own = tat_us.max(*own);
    }
}

/// Frees entries of a shard. First removes unused allowances, which loses nothing. If more than half of the
/// capacity remains in use, removes the half with the least use, so that a heavy user cannot reset its
/// allowance by flooding the map with addresses.
fn forget(shard: &mut HashMap<Subject, i64>, now_us: i64) {
    shard.retain(|_, tat_us| *tat_us > now_us);
    if shard.len() > SHARD_MAX / 2 {
        let mut times: Vec<i64> = shard.values().copied().collect();
        let half = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(half);
        let median = *median;
        shard.retain(|_, tat_us| *tat_us > median);
    }
}

/// Returns the subject address of a client: an IPv4 address itself, or the /64 network of an IPv6 address,
/// because one subscriber usually controls all 2^64 addresses of such a network.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Account(_) => "account",
            Self::Key(_) => "key",
            Self::Visitor(_) => "visitor",
        }
    }

    /// Parses the form that `Display` writes.
    fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "address" => name.parse().ok().map(Self::Address),
            "account" => Some(Self::Account(name.to_owned())),
            "key" => Some(Self::Key(name.to_owned())),
            "visitor" => Some(Self::Visitor(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address:{address}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Visitor(id) => write!(f, "visitor:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;

    fn address(text: &str) -> Subject {
        Subject::Address(network(text.parse().unwrap()))
    }

    #[test]
    fn a_venue_and_a_studio_are_not_blocked_and_a_guesser_is() {
        let limits = RateLimiter::new(RateSettings::default());
        for guest in 0..1000 {
            for _ in 0..40 {
                limits.charge(address("198.51.100.7"), RequestClass::Read, NOW + guest).unwrap();
            }
            limits.charge(address("198.51.100.7"), RequestClass::Heavy, NOW + guest).unwrap();
        }
        let key = Subject::Key("k".into());
        for second in 0..600 {
            for _ in 0..40 {
                limits.charge(key.clone(), RequestClass::Upload, NOW + second * 1_000_000).unwrap();
            }
        }
        let guesser = Subject::Account("a".into());
        let tries = (0..10_000).filter(|_| {
            let charged = limits.charge(guesser.clone(), RequestClass::Secret, NOW);
            charged.is_ok()
        });
        assert_eq!(tries.count(), 240);
        let refused = limits.charge(guesser, RequestClass::Secret, NOW).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (ErrorKind::TooManyRequests, Some(1)));
    }

    #[test]
    fn subjects_read_back_and_a_network_is_one() {
        let named = [Subject::Account("u".into()), Subject::Key("k".into())];
        for subject in [address("1.2.3.4"), Subject::Visitor("v".into())].into_iter().chain(named) {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        assert_eq!(Subject::parse("contact:x"), None);
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:1.2.3.4"), address("1.2.3.4"));
    }

    #[test]
    fn many_addresses_do_not_wash_away_who_used_most() {
        let mut shard: HashMap<Subject, i64> = (0..=SHARD_MAX as u128)
            .map(|at| (Subject::Address(IpAddr::V6(Ipv6Addr::from_bits(at << 64))), NOW + 1))
            .collect();
        shard.insert(Subject::Key("greedy".into()), NOW + 50_000_000);
        forget(&mut shard, NOW);
        assert_eq!(shard.keys().collect::<Vec<_>>(), [&Subject::Key("greedy".into())]);
    }
}
