//! Penalties: what failing to log in costs, who is turned away at the door for a while, and how it all fades.
//!
//! Owns the arithmetic; time is an argument. Modelled on OpenSSH's `PerSourcePenalties` with one difference: a provider's bad
//! job must never lock out its good one. So a failed proof under the name of an account that may come from there counts
//! against (address, account) only, where it slows passwords down and nothing else; a valid key is never even asked about.
//! Only what no provider's job does (names that do not exist, connections that never try, garbage) counts against an address,
//! and an address that a login worked from within a day is not turned away at all.

use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

/// Most addresses, and most (address, account) pairs, that are remembered; the oldest go first. Source: OpenSSH's default.
const MAX_REMEMBERED: usize = 65_536;

/// Penalties shorter than this are not in force yet: a slip or two costs nothing. Source: OpenSSH's default.
const LEAST: SignedDuration = SignedDuration::from_secs(15);

/// Longest penalty. Source: OpenSSH's default.
const MOST: SignedDuration = SignedDuration::from_mins(10);

/// How often a penalty may double.
const MAX_LEVEL: u32 = 6;

/// Quiet time after which a penalty doubles once less.
const LEVEL_FADES: SignedDuration = SignedDuration::from_mins(10);

/// Quiet time after which one failure of a pair is forgotten.
const FAILURE_FADES: SignedDuration = SignedDuration::from_mins(1);

/// Failures of a pair that are counted at most.
const MAX_FAILURES: u32 = 20;

/// How long a login makes an address known.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Longest delay of a password check: well inside the login grace.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// What counts against an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offence {
    /// A user name that no account has.
    UnknownUser,
    /// A key, certificate or password for an account that may not come from there.
    WrongPlace,
    /// The connection ended before anything was tried.
    NoLogin,
    /// The login grace was used up.
    Overstayed,
    /// What came before the login was not SSH.
    Garbage,
}

impl Offence {
    /// What it costs the first time. Source: OpenSSH's defaults (`invaliduser`, `authfail`, `noauth`, `grace-exceeded`); it
    /// has none for garbage.
    fn cost(self) -> SignedDuration {
        SignedDuration::from_secs(match self {
            Self::UnknownUser | Self::WrongPlace => 5,
            Self::NoLogin => 1,
            Self::Overstayed | Self::Garbage => 10,
        })
    }
}

/// What is remembered of failures and of logins that worked.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    sources: HashMap<IpAddr, Source>,
    pairs: HashMap<(IpAddr, String), Pair>,
    known: HashMap<IpAddr, Timestamp>,
}

/// An address that offended.
#[derive(Clone, Copy, Debug)]
struct Source {
    last: Timestamp,
    owed_until: Timestamp,
    turned_away_until: Timestamp,
    /// After a penalty an address may try for as long as it was turned away: somebody's bad job, however often it tries, must
    /// not keep out a good one behind the same address that nobody has seen yet.
    free_until: Timestamp,
    level: u32,
}

/// Failed proofs of one account from one address.
#[derive(Clone, Copy, Debug)]
struct Pair {
    last: Timestamp,
    failures: u32,
}

impl Penalties {
    /// Notes an offence. Where it puts a penalty into force, says how long that lasts.
    pub(super) fn offend(&mut self, source: IpAddr, offence: Offence, now: Timestamp) -> Option<SignedDuration> {
        let source = network_of(source);
        make_room(&mut self.sources, &source, |it| it.last);
        let fresh = Source { last: now, owed_until: now, turned_away_until: now, free_until: now, level: 0 };
        let entry = self.sources.entry(source).or_insert(fresh);
        if now < entry.last {
            *entry = fresh; // the clock was put back: what was noted before means nothing now
        }
        entry.level = entry.level.saturating_sub(steps(now.duration_since(entry.last), LEVEL_FADES));
        entry.last = now;
        let cost = offence.cost().saturating_mul(1_i32.checked_shl(entry.level).unwrap_or(1));
        let owed = entry.owed_until.duration_since(now).max(SignedDuration::ZERO).saturating_add(cost).min(MOST);
        entry.owed_until = now.saturating_add(owed).unwrap_or(now);
        if owed < LEAST {
            return None;
        }
        let already = entry.turned_away_until > now;
        if !already && now < entry.free_until {
            return None;
        }
        entry.turned_away_until = entry.owed_until;
        entry.free_until = entry.owed_until.saturating_add(owed).unwrap_or(now);
        if already {
            return None;
        }
        entry.level = entry.level.saturating_add(1).min(MAX_LEVEL);
        Some(owed)
    }

    /// How much longer an address is turned away; `None` for one that is not, or is known.
    pub(super) fn turned_away(&self, source: IpAddr, now: Timestamp) -> Option<SignedDuration> {
        let entry = self.sources.get(&network_of(source)).filter(|it| it.turned_away_until > now && it.last <= now)?;
        (!self.knows(source, now)).then(|| entry.turned_away_until.duration_since(now))
    }

    /// Notes a failed proof, under the account's code, or under "" for a name that no account has.
    pub(super) fn fail(&mut self, source: IpAddr, account: &str, now: Timestamp) {
        let key = (network_of(source), account.to_owned());
        make_room(&mut self.pairs, &key, |it| it.last);
        let pair = self.pairs.entry(key).or_insert(Pair { last: now, failures: 0 });
        pair.failures = pair.left(now).saturating_add(1).min(MAX_FAILURES);
        pair.last = now;
    }

    /// How long a password of this pair has to wait before it is looked at.
    pub(super) fn delay(&self, source: IpAddr, account: &str, now: Timestamp) -> Duration {
        let pair = self.pairs.get(&(network_of(source), account.to_owned()));
        let failures = pair.map_or(0, |pair| pair.left(now));
        let doubled = |failures: u32| 1_u64.checked_shl(failures).unwrap_or(u64::MAX).saturating_mul(250);
        failures.checked_sub(1).map_or(Duration::ZERO, |again| Duration::from_millis(doubled(again)).min(MAX_DELAY))
    }

    /// Notes a login that worked: the address is known from now on, and owes nothing.
    pub(super) fn log_in(&mut self, source: IpAddr, now: Timestamp) {
        let source = network_of(source);
        self.sources.remove(&source);
        make_room(&mut self.known, &source, |since| *since);
        self.known.insert(source, now);
    }

    /// Whether a login from the address worked within a day.
    pub(super) fn knows(&self, source: IpAddr, now: Timestamp) -> bool {
        self.known.get(&network_of(source)).is_some_and(|since| now.duration_since(*since) <= KNOWN_FOR)
    }

    /// How many addresses are turned away now.
    pub(super) fn in_force(&self, now: Timestamp) -> usize {
        self.sources.keys().filter(|source| self.turned_away(**source, now).is_some()).count()
    }
}

impl Pair {
    /// The failures that have not faded.
    fn left(&self, now: Timestamp) -> u32 {
        self.failures.saturating_sub(steps(now.duration_since(self.last), FAILURE_FADES))
    }
}

/// The source an address counts as: an IPv6 host has a whole /64 to itself.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        v4 => v4,
    }
}

/// How many whole steps fit into a time; none where the clock was put back.
fn steps(elapsed: SignedDuration, step: SignedDuration) -> u32 {
    elapsed.as_secs().checked_div(step.as_secs()).and_then(|steps| u32::try_from(steps.max(0)).ok()).unwrap_or(u32::MAX)
}

/// Makes room for a key that is not there yet: an eighth goes at once, so that a flood does not make us look each time.
fn make_room<K: Eq + Hash, V>(table: &mut HashMap<K, V>, key: &K, age: impl Fn(&V) -> Timestamp) {
    if table.len() < MAX_REMEMBERED || table.contains_key(key) {
        return;
    }
    let mut ages: Vec<Timestamp> = table.values().map(&age).collect();
    let (_, oldest, _) = ages.select_nth_unstable(MAX_REMEMBERED / 8);
    let oldest = *oldest;
    let mut left = MAX_REMEMBERED / 8;
    table.retain(|_, value| {
        let goes = left > 0 && age(value) <= oldest;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2018-12-03T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        start() + SignedDuration::from_secs(seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_only_fails_is_turned_away_longer_and_longer_and_forgiven_in_the_end() {
        let mut penalties = Penalties::default();
        let scanner = ip("192.0.2.66");
        assert_eq!(penalties.offend(scanner, Offence::UnknownUser, start()), None);
        assert_eq!(penalties.offend(scanner, Offence::UnknownUser, start()), None);
        assert_eq!(penalties.turned_away(scanner, start()), None, "two slips cost nothing");
        assert_eq!(penalties.offend(scanner, Offence::UnknownUser, start()), Some(LEAST));
        assert_eq!(penalties.turned_away(scanner, after(14)), Some(SignedDuration::from_secs(1)));
        assert_eq!(penalties.turned_away(scanner, after(15)), None, "it fades");
        assert_eq!(penalties.turned_away(ip("192.0.2.67"), start()), None, "others are not touched");
        let (mut now, mut longest) = (after(15), LEAST);
        for _ in 0..1000 {
            if let Some(lasts) = penalties.offend(scanner, Offence::UnknownUser, now) {
                assert!((LEAST..=MOST).contains(&lasts) && lasts >= longest, "{lasts:?} after {longest:?}");
                longest = lasts;
                now += lasts;
            } else {
                now += SignedDuration::from_secs(2);
            }
        }
        assert!(longest >= SignedDuration::from_mins(5), "repeats are dear: {longest:?}");
        let much_later = now + SignedDuration::from_hours(2);
        assert_eq!(penalties.offend(scanner, Offence::UnknownUser, much_later), None, "and in the end all is forgiven");
        assert_eq!(penalties.in_force(much_later), 0);
    }

    #[test]
    fn however_often_a_bad_job_tries_its_address_is_open_half_of_the_time() {
        for every in [1, 2, 3, 5, 7] {
            let (mut penalties, bad) = (Penalties::default(), ip("192.0.2.66"));
            let mut turned_away = 0;
            for second in 0..6 * 3600 {
                let closed = penalties.turned_away(bad, after(second)).is_some();
                turned_away += i64::from(closed);
                if !closed && second % every == 0 {
                    penalties.offend(bad, Offence::UnknownUser, after(second));
                }
            }
            assert!(turned_away <= 3 * 3600 + 600, "tries every {every} s: turned away for {turned_away} s of six hours");
            assert!(every > 3 || turned_away > 2 * 3600, "tries every {every} s: turned away for {turned_away} s of six hours");
        }
    }

    #[test]
    fn each_offence_has_its_price() {
        let rows =
            [(Offence::UnknownUser, 3), (Offence::WrongPlace, 3), (Offence::NoLogin, 15), (Offence::Overstayed, 2), (Offence::Garbage, 2)];
        for (offence, times) in rows {
            let mut penalties = Penalties::default();
            let in_force = (1..=times).map(|_| penalties.offend(ip("192.0.2.1"), offence, start()).is_some());
            let expected: Vec<bool> = (1..=times).map(|n| n == times).collect();
            assert_eq!(in_force.collect::<Vec<_>>(), expected, "{offence:?}");
            assert_eq!(penalties.in_force(start()), 1);
        }
        let mut penalties = Penalties::default();
        for second in 0..600 {
            assert_eq!(
                penalties.offend(ip("192.0.2.1"), Offence::NoLogin, after(second)),
                None,
                "a check of the port each second is no attack"
            );
        }
    }

    #[test]
    fn a_login_makes_an_address_known_for_a_day_whatever_else_comes_from_it() {
        let mut penalties = Penalties::default();
        let trust = ip("2001:db8::1");
        for _ in 0..5 {
            penalties.offend(trust, Offence::UnknownUser, start());
        }
        assert!(penalties.turned_away(trust, start()).is_some());
        penalties.log_in(ip("2001:db8::2"), start());
        assert_eq!(penalties.turned_away(trust, start()), None, "one /64 is one source");
        for _ in 0..50 {
            penalties.offend(trust, Offence::Garbage, after(1));
        }
        assert_eq!(penalties.turned_away(trust, after(2)), None);
        assert_eq!(penalties.in_force(after(2)), 0);
        let next_week = after(7 * 86_400);
        assert!(!penalties.knows(trust, next_week));
    }

    #[test]
    fn wrong_proofs_slow_the_passwords_of_their_own_pair_down_and_nothing_else() {
        let mut penalties = Penalties::default();
        let trust = ip("192.0.2.1");
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(penalties.delay(trust, "RM1", start()).as_millis());
            penalties.fail(trust, "RM1", start());
        }
        assert_eq!(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 10_000]);
        assert_eq!(penalties.delay(trust, "RGP", start()), Duration::ZERO, "another account behind the same address");
        assert_eq!(penalties.delay(ip("192.0.2.2"), "RM1", start()), Duration::ZERO, "the same account from elsewhere");
        assert_eq!(penalties.turned_away(trust, start()), None, "a bad job never closes the door to the good one");
        assert_eq!(penalties.delay(trust, "RM1", after(7 * 60)).as_millis(), 250, "a failure a minute fades");
        assert_eq!(penalties.delay(trust, "RM1", after(8 * 60)), Duration::ZERO);
    }

    #[test]
    fn p9_what_is_remembered_is_bounded_and_a_clock_put_back_locks_nobody_out() {
        let mut penalties = Penalties::default();
        for n in 0..u32::try_from(MAX_REMEMBERED).unwrap() + 10 {
            let source = IpAddr::from(n.to_be_bytes());
            penalties.offend(source, Offence::Garbage, start() + SignedDuration::from_millis(i64::from(n)));
            penalties.fail(source, "RM1", start());
            penalties.log_in(source, start());
        }
        assert!(penalties.sources.len() <= MAX_REMEMBERED && penalties.pairs.len() <= MAX_REMEMBERED);
        assert!(penalties.known.len() <= MAX_REMEMBERED);
        let mut penalties = Penalties::default();
        let last = ip("192.0.2.9");
        penalties.offend(last, Offence::Garbage, after(86_400));
        assert!(penalties.offend(last, Offence::Garbage, after(86_400)).is_some());
        assert_eq!(penalties.turned_away(last, start()), None);
        assert_eq!(penalties.offend(last, Offence::Garbage, start()), None, "it starts anew");
    }
}
