//! How much each client address, account and API key may ask of the service.
//!
//! Counted in memory, a few microseconds a request; the database keeps what is worth keeping (`table.rs`).
//! Knows no route: what a request weighs is its class (`class.rs`).
//!
//! Several servers on one database count each for itself, so that no request waits for another server. They
//! exchange their counts every few seconds, and the highest holds for all: whoever is refused by one is
//! refused by all soon after, and what a caller may take at once is at most a burst from each server.

mod bucket;
mod budget;
mod class;
mod table;
mod tries;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

pub use bucket::Rate;
pub use budget::{Budget, forget_whole};
pub use class::Class;
pub use table::{exchange, keep_exchanging};
pub use tries::{Patience, forget as forget_tries, give_back};

use crate::access::Caller;
use crate::clock::now_us;
use crate::error::{Failure, Kind, Result};

/// The map is divided, so that requests rarely wait for each other.
const SHARDS: usize = 16;
/// Subjects remembered in a shard, some 100 bytes each.
const SHARD_MAX: usize = 16_384;

/// Whose allowance it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Address(IpAddr),
    Account(String),
    Key(String),
    /// A visit to an album.
    Visitor(String),
}

/// How much each may take.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub address: Rate,
    pub account: Rate,
    pub key: Rate,
}

/// A minute's worth may be taken at once.
const BURST_S: u32 = 60;

impl Rates {
    /// From units a second.
    pub fn new(address: u32, account: u32, key: u32) -> Self {
        let rate = |units_per_s| Rate { units_per_s, burst_s: BURST_S };
        Self { address: rate(address), account: rate(account), key: rate(key) }
    }
}

impl Default for Rates {
    /// A thousand guests share one address at a venue: a page of thumbnails for each at once (60,000 reads)
    /// fits. A studio that uploads ten photos a second, with four requests each, takes 80 units a second.
    fn default() -> Self {
        Self::new(1000, 200, 500)
    }
}

/// The allowances in use.
pub struct Limits {
    rates: Rates,
    /// When each is whole again, microseconds since 1970.
    shards: [Mutex<HashMap<Subject, i64>>; SHARDS],
}

impl Limits {
    pub fn new(rates: Rates) -> Self {
        Self { rates, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Charges a client's address. Errors: `TooMany`, with the time to wait.
    pub fn charge_address(&self, address: IpAddr, class: Class) -> Result<()> {
        self.charge(Subject::Address(network(address)), class, now_us())
    }

    /// Charges an account, for all its sessions together, or an API key. Errors: `TooMany`.
    pub fn charge_caller(&self, caller: &Caller, class: Class) -> Result<()> {
        let subject = match caller {
            Caller::Person { user, .. } => Subject::Account(user.clone()),
            Caller::Key { id, .. } => Subject::Key(id.clone()),
            Caller::Visitor { visit, .. } => Subject::Visitor(visit.clone()),
        };
        self.charge(subject, class, now_us())
    }

    fn charge(&self, subject: Subject, class: Class, now_us: i64) -> Result<()> {
        let (rate, whose) = (self.rate(&subject), subject.kind());
        let mut shard = self.shard(&subject);
        let whole_us = shard.get(&subject).copied().unwrap_or(0);
        match rate.take(whole_us, now_us, class.units()) {
            Ok(after_us) => {
                shard.insert(subject, after_us);
                if shard.len() > SHARD_MAX {
                    forget(&mut shard, now_us);
                }
                Ok(())
            }
            Err(wait_us) => {
                drop(shard);
                crate::ops::metrics::count_limited(whose);
                let detail = format!("This {whose} has used its allowance; wait before the next.");
                Err(Failure::new(Kind::TooMany, detail).retry_after(wait_us.div_ceil(1_000_000)))
            }
        }
    }

    fn rate(&self, subject: &Subject) -> Rate {
        match subject {
            Subject::Address(_) => self.rates.address,
            // One person, as an account is.
            Subject::Account(_) | Subject::Visitor(_) => self.rates.account,
            Subject::Key(_) => self.rates.key,
        }
    }

    fn shard(&self, subject: &Subject) -> std::sync::MutexGuard<'_, HashMap<Subject, i64>> {
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has used a good part of an allowance, and when it is whole again. Forgets those whose is.
    fn worn(&self, now_us: i64) -> Vec<(Subject, i64)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, whole_us| *whole_us > now_us);
            let worn = shard.iter().filter(|(subject, whole_us)| {
                let rate = self.rate(subject);
                rate.is_worn(**whole_us, now_us)
            });
            found.extend(worn.map(|(subject, whole_us)| (subject.clone(), *whole_us)));
        }
        found
    }

    /// Takes over what another server, or this one before it was restarted, has counted.
    fn merge(&self, subject: Subject, whole_us: i64) {
        let mut shard = self.shard(&subject);
        let own = shard.entry(subject).or_insert(0);
        *own = whole_us.max(*own);
    }
}

/// Makes room: first those whose allowance is whole go, which loses nothing; if that is not enough, the half
/// that has used least, so that nobody wins a fresh allowance by showing many addresses.
fn forget(shard: &mut HashMap<Subject, i64>, now_us: i64) {
    shard.retain(|_, whole_us| *whole_us > now_us);
    if shard.len() > SHARD_MAX / 2 {
        let mut times: Vec<i64> = shard.values().copied().collect();
        let half = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(half);
        let median = *median;
        shard.retain(|_, whole_us| *whole_us > median);
    }
}

/// Whoever has one IPv6 address has 2^64 of them: a network counts as one.
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

    /// Reads what `Display` writes.
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;

    fn address(text: &str) -> Subject {
        Subject::Address(network(text.parse().unwrap()))
    }

    #[test]
    fn a_venue_and_a_studio_are_not_blocked_and_a_guesser_is() {
        let limits = Limits::new(Rates::default());
        for guest in 0..1000 {
            for _ in 0..40 {
                limits.charge(address("198.51.100.7"), Class::Read, NOW + guest).unwrap();
            }
            limits.charge(address("198.51.100.7"), Class::Heavy, NOW + guest).unwrap();
        }
        let key = Subject::Key("k".into());
        for second in 0..600 {
            for _ in 0..40 {
                limits.charge(key.clone(), Class::Upload, NOW + second * 1_000_000).unwrap();
            }
        }
        let guesser = Subject::Account("a".into());
        let tries = (0..10_000).filter(|_| {
            let charged = limits.charge(guesser.clone(), Class::Secret, NOW);
            charged.is_ok()
        });
        assert_eq!(tries.count(), 240);
        let refused = limits.charge(guesser, Class::Secret, NOW).unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_s), (Kind::TooMany, Some(1)));
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
