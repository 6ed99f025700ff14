//! Places: how many connections there may be, in all, from one address, and before they have logged in; and how fast new
//! ones may come.
//!
//! Owns the counts. Refuses to let strangers take every place: those who are known to send files find one even then. Time is
//! an argument.

use super::lock;
use super::penalties::network_of;
use crate::intake::Settings;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Addresses whose rate is remembered.
const MAX_SOURCES: usize = 65_536;

/// How many times as many connections a known address may have: a whole trust may be behind it.
const MORE_PLACES: usize = 4;

/// How many times as fast connections of a known address may come.
const MORE_RATE: f64 = 10.0;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// `max_connections`.
    All,
    /// `max_unauthenticated`.
    Unauthenticated,
    /// `max_connections_per_source`.
    Source,
    /// `max_unauthenticated_per_source`.
    SourceUnauthenticated,
    /// `connection_rate`.
    Rate,
}

impl Full {
    /// The setting that says so.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "max_connections",
            Self::Unauthenticated => "max_unauthenticated",
            Self::Source => "max_connections_per_source",
            Self::SourceUnauthenticated => "max_unauthenticated_per_source",
            Self::Rate => "connection_rate",
        }
    }
}

/// All places, shared by those who hold one.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    open: usize,
    waiting: usize,
    sources: HashMap<IpAddr, Source>,
}

/// What one address has taken.
#[derive(Debug)]
struct Source {
    open: usize,
    waiting: usize,
    /// Connections it may open at once now; grows with time.
    tokens: f64,
    at: Instant,
}

/// A connection's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    source: IpAddr,
}

/// A place among those that have not logged in; dropped at login.
#[derive(Debug)]
pub(super) struct WaitingPlace {
    places: Places,
    source: IpAddr,
}

impl Places {
    /// Takes a place for a new connection. `known`: the address lies in a provider's networks, or a login from it worked lately.
    pub(super) fn take(&self, source: IpAddr, known: bool, settings: &Settings, now: Instant) -> Result<(Place, WaitingPlace), Full> {
        let source = network_of(source);
        let mut taken = lock(&self.0);
        let rate = f64::from(settings.connection_rate) * if known { MORE_RATE } else { 1.0 };
        taken.forget(now);
        let entry = taken.sources.entry(source).or_insert(Source { open: 0, waiting: 0, tokens: rate, at: now });
        entry.tokens = now.saturating_duration_since(entry.at).as_secs_f64().mul_add(rate, entry.tokens).min(rate);
        entry.at = now;
        let room = |most: usize| if known { most.saturating_mul(MORE_PLACES) } else { most };
        if entry.tokens < 1.0 {
            return Err(Full::Rate);
        }
        if entry.waiting >= room(settings.max_unauthenticated_per_source) {
            return Err(Full::SourceUnauthenticated);
        }
        if entry.open >= room(settings.max_connections_per_source) {
            return Err(Full::Source);
        }
        if taken.open >= settings.max_connections {
            return Err(Full::All);
        }
        if !known && taken.waiting >= settings.max_unauthenticated {
            return Err(Full::Unauthenticated);
        }
        if let Some(entry) = taken.sources.get_mut(&source) {
            entry.tokens -= 1.0;
        }
        taken.change(source, |count| *count += 1, |count| *count += 1);
        Ok((Place { places: self.clone(), source }, WaitingPlace { places: self.clone(), source }))
    }
}

impl Taken {
    /// Changes the counts of open connections and of those not logged in, in all and of one source.
    fn change(&mut self, source: IpAddr, open: impl Fn(&mut usize), waiting: impl Fn(&mut usize)) {
        open(&mut self.open);
        waiting(&mut self.waiting);
        if let Some(entry) = self.sources.get_mut(&source) {
            open(&mut entry.open);
            waiting(&mut entry.waiting);
        }
    }

    /// Forgets addresses that have nothing open and have been quiet for a second: their tokens are full again.
    fn forget(&mut self, now: Instant) {
        if self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, source| source.open > 0 || now.saturating_duration_since(source.at).as_secs() < 1);
        }
        // More than that within a second: better a rate not kept than memory without end.
        if self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, source| source.open > 0);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.0).change(self.source, |count| *count = count.saturating_sub(1), |_| ());
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        lock(&self.places.0).change(self.source, |_| (), |count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn settings() -> Settings {
        Settings {
            max_connections: 6,
            max_connections_per_source: 3,
            max_unauthenticated: 4,
            max_unauthenticated_per_source: 2,
            connection_rate: 100,
            ..Settings::default()
        }
    }

    #[test]
    fn p9_a_source_is_bounded_until_it_logs_in() {
        let (places, now) = (Places::default(), Instant::now());
        let take = |from: &str| places.take(ip(from), false, &settings(), now);
        let (one, waiting) = take("192.0.2.1").unwrap();
        let two = take("::ffff:192.0.2.1").unwrap();
        assert_eq!(take("192.0.2.1").unwrap_err(), Full::SourceUnauthenticated);
        drop(waiting);
        let three = take("192.0.2.1").unwrap();
        drop((two.1, three.1));
        assert_eq!(take("192.0.2.1").unwrap_err(), Full::Source, "three are open, logged in or not");
        drop(one);
        let (_four, _) = take("192.0.2.1").unwrap();
        let _six = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert_eq!(take("2001:db8::3").unwrap_err(), Full::SourceUnauthenticated, "one /64 is one source");
        let other_net = take("2001:db8:0:1::3").unwrap();
        assert_eq!(take("192.0.2.9").unwrap_err(), Full::All);
        drop(other_net);
        assert!(take("192.0.2.9").is_ok());
    }

    #[test]
    fn p9_strangers_never_take_every_place() {
        let (places, now) = (Places::default(), Instant::now());
        let strangers: Vec<_> = (1..=4).map(|n| places.take(ip(&format!("192.0.2.{n}")), false, &settings(), now).unwrap()).collect();
        assert_eq!(places.take(ip("192.0.2.5"), false, &settings(), now).unwrap_err(), Full::Unauthenticated);
        let known = places.take(ip("198.51.100.1"), true, &settings(), now).unwrap();
        let more = places.take(ip("198.51.100.1"), true, &settings(), now).unwrap();
        assert_eq!(places.take(ip("198.51.100.1"), true, &settings(), now).unwrap_err(), Full::All);
        drop((strangers, known, more));
        let taken = lock(&places.0);
        assert_eq!((taken.open, taken.waiting), (0, 0), "every place was given back");
    }

    #[test]
    fn p9_new_connections_come_at_a_rate_that_known_addresses_do_not_feel() {
        let (places, now) = (Places::default(), Instant::now());
        let roomy = Settings { connection_rate: 10, max_unauthenticated_per_source: 500, max_connections: 5000, ..Settings::default() };
        let served = |from: &str, known: bool, at: Instant| (0..200).filter(|_| places.take(ip(from), known, &roomy, at).is_ok()).count();
        assert_eq!(served("192.0.2.1", false, now), 10);
        assert_eq!(served("192.0.2.1", false, now + Duration::from_millis(500)), 5, "five more in half a second");
        assert_eq!(served("192.0.2.1", false, now + Duration::from_secs(60)), 10, "never more than a second's worth at once");
        assert_eq!(served("198.51.100.1", true, now), 100);
    }
}
