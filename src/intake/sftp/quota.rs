//! Quotas: how many bytes an account has sent within the hour, and how many of its bytes wait on disk for their landing.
//!
//! Owns the sliding hour and the sum over open uploads and partials. Refuses in words that say when to try again.

use super::{Shared, lock};
use crate::feed::ProviderCode;
use crate::intake::Quota;
use crate::intake::landing::{LandingError, Upload};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Minutes in the window.
const WINDOW: i64 = 60;

/// What all accounts have used.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    accounts: HashMap<ProviderCode, Used>,
}

/// What one account has used.
#[derive(Debug, Default)]
struct Used {
    /// Minutes since 1970, and the bytes received in each; oldest first, sixty-one at most.
    minutes: VecDeque<(i64, u64)>,
    /// How many bytes each upload has on disk. An upload that ended, in whatever way, is no longer there to ask.
    staged: Vec<Weak<AtomicU64>>,
}

/// Why an account may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// `max_bytes_per_hour`: there is room again in so many minutes.
    Hour { most: u64, minutes: i64 },
    /// `max_staged_bytes`.
    Staged { most: u64 },
}

impl Exceeded {
    /// What the sender is told.
    pub(super) fn told(self) -> String {
        match self {
            Self::Hour { most, minutes } => format!(
                "this account has sent what it may in an hour ({most} bytes): send the file again in {minutes} {}",
                if minutes == 1 { "minute" } else { "minutes" }
            ),
            Self::Staged { most } => format!(
                "this account has as much in unfinished uploads as it may ({most} bytes): finish or remove some, or send the file again in an hour"
            ),
        }
    }
}

impl Quotas {
    /// Notes an upload whose size `meter` shows.
    fn watch(&mut self, account: &ProviderCode, meter: &Arc<AtomicU64>) {
        let staged = &mut self.accounts.entry(account.clone()).or_default().staged;
        staged.retain(|other| other.strong_count() > 0);
        let meter = Arc::downgrade(meter);
        // A partial that is continued was noted when it began.
        if !staged.iter().any(|other| other.ptr_eq(&meter)) {
            staged.push(meter);
        }
    }

    /// Notes what came before the start.
    pub(super) fn remember(&mut self, account: &ProviderCode, bytes: u64, at: Timestamp) {
        self.accounts.entry(account.clone()).or_default().count(bytes, at.as_second().div_euclid(60));
    }

    /// How many bytes an account may still send now: into unfinished uploads, and within the hour.
    pub(super) fn room(&self, account: &ProviderCode, quota: Quota, now: Timestamp) -> u64 {
        let used = self.accounts.get(account);
        let staged = used.map_or(0, Used::staged);
        let sent = used.map_or(0, |used| used.sent(now.as_second().div_euclid(60)));
        quota.max_staged_bytes.saturating_sub(staged).min(quota.max_bytes_per_hour.saturating_sub(sent))
    }

    /// Whether anything more would fit.
    fn check(&self, account: &ProviderCode, quota: Quota, now: Timestamp) -> Result<(), Exceeded> {
        self.accounts.get(account).map_or(Ok(()), |used| used.check(quota, 1, 1, now.as_second().div_euclid(60)))
    }

    /// Counts bytes that arrived, `growth` of which are new on disk; or says why they may not.
    fn spend(&mut self, account: &ProviderCode, quota: Quota, bytes: u64, growth: u64, now: Timestamp) -> Result<(), Exceeded> {
        let used = self.accounts.entry(account.clone()).or_default();
        let minute = now.as_second().div_euclid(60);
        used.check(quota, bytes, growth, minute)?;
        used.count(bytes, minute);
        Ok(())
    }
}

impl Used {
    fn check(&self, quota: Quota, bytes: u64, growth: u64, minute: i64) -> Result<(), Exceeded> {
        if let Some(minutes) = self.wait(quota.max_bytes_per_hour, bytes, minute) {
            return Err(Exceeded::Hour { most: quota.max_bytes_per_hour, minutes });
        }
        if self.staged().saturating_add(growth) > quota.max_staged_bytes {
            return Err(Exceeded::Staged { most: quota.max_staged_bytes });
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64, minute: i64) {
        while self.minutes.front().is_some_and(|(of, _)| minute.saturating_sub(*of) >= WINDOW) {
            self.minutes.pop_front();
        }
        match self.minutes.back_mut() {
            // A clock that was put back counts on in the minute that it was in before.
            Some((of, sum)) if *of >= minute => *sum = sum.saturating_add(bytes),
            _ => self.minutes.push_back((minute, bytes)),
        }
    }

    /// Bytes within the hour.
    fn sent(&self, minute: i64) -> u64 {
        self.in_window(minute).fold(0, |all, (_, sum)| all.saturating_add(*sum))
    }

    fn in_window(&self, minute: i64) -> impl Iterator<Item = &(i64, u64)> {
        self.minutes.iter().filter(move |(of, _)| minute.saturating_sub(*of) < WINDOW)
    }

    fn staged(&self) -> u64 {
        self.staged.iter().filter_map(Weak::upgrade).map(|meter| meter.load(Ordering::Relaxed)).sum()
    }

    /// Minutes until so many more bytes fit into the hour; `None` where they do now.
    fn wait(&self, most: u64, bytes: u64, minute: i64) -> Option<i64> {
        let mut left = bytes.saturating_add(self.sent(minute));
        if left <= most {
            return None;
        }
        for (of, sum) in self.in_window(minute) {
            left = left.saturating_sub(*sum);
            if left <= most {
                return Some(of.saturating_add(WINDOW).saturating_sub(minute).clamp(1, WINDOW));
            }
        }
        Some(WINDOW)
    }
}

/// One upload's share in its account's quota. What it has on disk counts for as long as the upload lives, here or as a partial.
#[derive(Clone)]
pub(super) struct Stake {
    shared: Arc<Shared>,
    account: ProviderCode,
    quota: Quota,
}

impl Stake {
    /// Begins to count an upload. A client should hear that nothing more fits before it sends a file for nothing.
    pub(super) fn take(shared: &Arc<Shared>, account: &ProviderCode, quota: Quota) -> Result<Self, LandingError> {
        lock(&shared.quotas).check(account, quota, shared.clock.now()).map_err(refused)?;
        Ok(Self { shared: Arc::clone(shared), account: account.clone(), quota })
    }

    /// Counts what the upload has on disk from now on.
    pub(super) fn watch(&self, upload: &Upload) {
        lock(&self.shared.quotas).watch(&self.account, upload.meter());
    }

    /// Counts a WRITE before it is done.
    pub(super) fn write(&self, upload: &Upload, offset: u64, data: &[u8]) -> Result<(), LandingError> {
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let growth = offset.saturating_add(bytes).saturating_sub(upload.length());
        let now = self.shared.clock.now();
        lock(&self.shared.quotas).spend(&self.account, self.quota, bytes, growth, now).map_err(refused)
    }
}

fn refused(exceeded: Exceeded) -> LandingError {
    LandingError::Quota(exceeded.told())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    const QUOTA: Quota = Quota { max_bytes_per_hour: 1000, max_staged_bytes: 300 };

    fn at(minutes: i64) -> Timestamp {
        "2018-12-03T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn p9_an_hours_bytes_are_counted_as_they_come_and_leave_after_an_hour() {
        let mut quotas = Quotas::default();
        let rm1: ProviderCode = "RM1".parse().unwrap();
        let mut spend = |bytes, minutes| quotas.spend(&rm1, QUOTA, bytes, 0, at(minutes));
        assert_eq!(spend(600, 0), Ok(()));
        assert_eq!(spend(300, 10), Ok(()));
        assert_eq!(spend(101, 20), Err(Exceeded::Hour { most: 1000, minutes: 40 }), "the first 600 leave at 60");
        assert_eq!(spend(100, 20), Ok(()), "what was refused was not counted");
        assert_eq!(spend(601, 20), Err(Exceeded::Hour { most: 1000, minutes: 50 }), "the 300 have to leave too");
        assert_eq!(spend(1, 59), Err(Exceeded::Hour { most: 1000, minutes: 1 }));
        assert_eq!(spend(600, 60), Ok(()));
        assert_eq!(spend(2000, 60), Err(Exceeded::Hour { most: 1000, minutes: 60 }), "what never fits is never let in");
        assert_eq!(spend(1000, 300), Ok(()));
        assert_eq!(spend(1, 200), Err(Exceeded::Hour { most: 1000, minutes: 60 }), "nor by putting the clock back");
        let other: ProviderCode = "RGP".parse().unwrap();
        assert_eq!(quotas.spend(&other, QUOTA, 1000, 0, at(20)), Ok(()), "each account has its own");
        assert!(Exceeded::Hour { most: 1000, minutes: 1 }.told().ends_with("send the file again in 1 minute"));
    }

    #[test]
    fn p9_what_waits_on_disk_counts_until_its_upload_is_gone() {
        let mut quotas = Quotas::default();
        let rm1: ProviderCode = "RM1".parse().unwrap();
        let (one, two) = (Arc::new(AtomicU64::new(200)), Arc::new(AtomicU64::new(0)));
        for meter in [&one, &two, &one] {
            quotas.watch(&rm1, meter);
        }
        assert_eq!(quotas.spend(&rm1, QUOTA, 1, 101, at(0)), Err(Exceeded::Staged { most: 300 }));
        assert_eq!(quotas.spend(&rm1, QUOTA, 1, 100, at(0)), Ok(()));
        two.store(100, Ordering::Relaxed);
        assert_eq!(quotas.spend(&rm1, QUOTA, 1, 1, at(0)), Err(Exceeded::Staged { most: 300 }));
        assert_eq!(quotas.spend(&rm1, QUOTA, 1, 0, at(0)), Ok(()), "bytes written again need no more room");
        drop(one);
        assert_eq!(quotas.spend(&rm1, QUOTA, 1, 200, at(0)), Ok(()));
    }
}
