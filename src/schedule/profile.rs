//! Profiles: what a feed's schedule says differently on some days, at some hours or in some part of the year.
//!
//! Owns when a profile holds and what it changes. Bank holidays change staffing and not the cycle (domain, section 5), so a profile
//! changes how long is waited and how soon people are told; it takes no slot away. Local time decides, on both sides of a clock change.

use super::FeedSchedule;
use crate::feed::Slot;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// What sort of day a local date is. A bank holiday is neither of the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DayKind {
    /// Monday to Friday.
    Weekday,
    /// Saturday and Sunday.
    Weekend,
    /// A day in `reference/bank_holidays.csv`.
    BankHoliday,
}

impl DayKind {
    /// Every kind, with its name in the settings.
    pub const ALL: [(&'static str, Self); 3] =
        [("weekday", Self::Weekday), ("weekend", Self::Weekend), ("bank_holiday", Self::BankHoliday)];
}

/// A day of any year, as `11-01`. 29 February is the day before 1 March where a year has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthDay {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

impl MonthDay {
    fn of(date: Date) -> Self {
        Self { month: date.month(), day: date.day() }
    }
}

/// Reads `MM-DD`; a day that no year has is refused.
impl std::str::FromStr for MonthDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 2000 had a 29 February.
        let date = Date::strptime("%Y-%m-%d", format!("2000-{text}")).map_err(|_| format!("{text} is not a day such as 11-01"))?;
        Ok(Self::of(date))
    }
}

/// When a profile holds: whatever is set has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// On these days; empty: on all.
    pub days: Vec<DayKind>,
    /// From the first to the last day of a part of the year, both counted; it may go over the new year.
    pub season: Option<(MonthDay, MonthDay)>,
    /// From a local time up to, and not including, another; it may go over midnight.
    pub hours: Option<(Time, Time)>,
}

impl When {
    fn holds(&self, local: DateTime, kind: DayKind) -> bool {
        let (today, time) = (MonthDay::of(local.date()), local.time());
        let day = self.days.is_empty() || self.days.contains(&kind);
        let season = self.season.is_none_or(
            |(first, last)| {
                if first <= last { first <= today && today <= last } else { first <= today || today <= last }
            },
        );
        let hour =
            self.hours.is_none_or(|(from, until)| if from < until { from <= time && time < until } else { from <= time || time < until });
        day && season && hour
    }
}

/// What a schedule says differently for a while. `None` leaves what holds otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the settings.
    pub name: String,
    /// When it holds, by a slot's start.
    pub when: When,
    /// See [`FeedSchedule::due_after`].
    pub due_after: Option<SignedDuration>,
    /// See [`FeedSchedule::missed_after`].
    pub missed_after: Option<SignedDuration>,
    /// See [`FeedSchedule::tell_after`].
    pub tell_after: Option<u32>,
    /// See [`FeedSchedule::amber_after`].
    pub amber_after: Option<u32>,
    /// See [`FeedSchedule::red_after`].
    pub red_after: Option<u32>,
}

/// What holds for one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// See [`FeedSchedule::due_after`].
    pub due_after: SignedDuration,
    /// See [`FeedSchedule::missed_after`].
    pub missed_after: SignedDuration,
    /// See [`FeedSchedule::tell_after`].
    pub tell_after: u32,
    /// See [`FeedSchedule::amber_after`].
    pub amber_after: u32,
    /// See [`FeedSchedule::red_after`].
    pub red_after: u32,
    /// Whether the slot starts at one of [`FeedSchedule::key_times`].
    pub key_time: bool,
}

impl FeedSchedule {
    /// What holds for a slot: the schedule's own terms, then those of each profile that holds at its start, in their order.
    #[must_use]
    pub fn terms(&self, slot: Slot) -> Terms {
        let mut terms = Terms {
            due_after: self.due_after,
            missed_after: self.missed_after,
            tell_after: self.tell_after,
            amber_after: self.amber_after,
            red_after: self.red_after,
            key_time: false,
        };
        if self.profiles.is_empty() && self.key_times.is_empty() {
            return terms;
        }
        let local = self.zone.to_datetime(slot.start());
        terms.key_time = self.key_times.contains(&local.time());
        if self.profiles.is_empty() {
            return terms;
        }
        let kind = self.kind_of(local.date());
        for profile in self.profiles.iter().filter(|profile| profile.when.holds(local, kind)) {
            terms.due_after = profile.due_after.unwrap_or(terms.due_after);
            terms.missed_after = profile.missed_after.unwrap_or(terms.missed_after);
            terms.tell_after = profile.tell_after.unwrap_or(terms.tell_after);
            terms.amber_after = profile.amber_after.unwrap_or(terms.amber_after);
            terms.red_after = profile.red_after.unwrap_or(terms.red_after);
        }
        // Two profiles together may say what neither says alone; waiting longer for "due" than for "missed" has no meaning.
        terms.missed_after = terms.missed_after.max(terms.due_after);
        terms.red_after = terms.red_after.max(terms.amber_after);
        terms
    }

    fn kind_of(&self, date: Date) -> DayKind {
        match date.weekday() {
            _ if self.bank_holidays.contains(&date) => DayKind::BankHoliday,
            Weekday::Saturday | Weekday::Sunday => DayKind::Weekend,
            _ => DayKind::Weekday,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::LONDON;
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use std::sync::Arc;

    fn schedule(profiles: Vec<Profile>) -> FeedSchedule {
        FeedSchedule {
            profiles,
            zone: TimeZone::get(LONDON).unwrap(),
            bank_holidays: Arc::new([date(2018, 12, 25)].into()),
            ..FeedSchedule::new("RM1".parse().unwrap())
        }
    }

    fn month_day(text: &str) -> MonthDay {
        text.parse().unwrap()
    }

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_profile_holds_on_its_days_in_its_season_and_at_its_hours() {
        let days = |days: &[DayKind]| When { days: days.to_vec(), ..When::default() };
        let season = |first, last| When { season: Some((month_day(first), month_day(last))), ..When::default() };
        let hours = |from, until| When { hours: Some((time(from), time(until))), ..When::default() };
        let winter_nights = When { hours: Some((time("22:00"), time("06:00"))), ..season("11-01", "03-31") };
        // When it holds, the slot by its start in UTC, whether it holds.
        let rows = [
            (When::default(), "2018-07-03T10:15Z", true),
            (days(&[DayKind::Weekday]), "2018-07-03T10:15Z", true),
            (days(&[DayKind::Weekend]), "2018-07-03T10:15Z", false),
            (days(&[DayKind::Weekend]), "2018-07-07T10:15Z", true),
            // Saturday in London begins while UTC still has Friday.
            (days(&[DayKind::Weekend]), "2018-07-06T23:00Z", true),
            (days(&[DayKind::Weekend]), "2018-07-06T22:45Z", false),
            (days(&[DayKind::BankHoliday]), "2018-12-25T10:15Z", true),
            (days(&[DayKind::Weekday]), "2018-12-25T10:15Z", false),
            (days(&[DayKind::Weekend, DayKind::BankHoliday]), "2018-12-25T10:15Z", true),
            (season("11-01", "03-31"), "2018-10-31T23:45Z", false),
            (season("11-01", "03-31"), "2018-11-01T00:00Z", true),
            (season("11-01", "03-31"), "2019-03-31T22:45Z", true),
            (season("11-01", "03-31"), "2019-03-31T23:00Z", false),
            (season("02-29", "02-29"), "2020-02-29T12:00Z", true),
            (season("02-29", "02-29"), "2019-02-28T12:00Z", false),
            (season("05-01", "08-31"), "2018-07-03T10:15Z", true),
            (hours("09:00", "17:00"), "2018-07-03T08:00Z", true),
            (hours("09:00", "17:00"), "2018-07-03T16:00Z", false),
            (hours("22:00", "06:00"), "2018-07-03T21:00Z", true),
            (hours("22:00", "06:00"), "2018-07-03T04:45Z", true),
            (hours("22:00", "06:00"), "2018-07-03T05:00Z", false),
            // Both passes of the repeated hour are night.
            (hours("01:00", "02:00"), "2018-10-28T00:30Z", true),
            (hours("01:00", "02:00"), "2018-10-28T01:30Z", true),
            (hours("01:00", "02:00"), "2018-10-28T02:00Z", false),
            (winter_nights.clone(), "2018-12-03T23:00Z", true),
            (winter_nights.clone(), "2018-12-03T12:00Z", false),
            (winter_nights, "2018-07-03T23:00Z", false),
        ];
        for (when, slot, expected) in rows {
            let profile = Profile { when: when.clone(), tell_after: Some(7), ..Profile::default() };
            let terms = schedule(vec![profile]).terms(slot.parse().unwrap());
            assert_eq!(terms.tell_after == 7, expected, "{when:?} at {slot}");
        }
    }

    #[test]
    fn later_profiles_go_over_earlier_ones_and_nothing_is_missed_before_it_is_due() {
        let minutes = SignedDuration::from_mins;
        let weekend = Profile {
            when: When { days: vec![DayKind::Weekend], ..When::default() },
            due_after: Some(minutes(30)),
            amber_after: Some(8),
            ..Profile::default()
        };
        let winter = Profile {
            when: When { season: Some((month_day("11-01"), month_day("03-31"))), ..When::default() },
            amber_after: Some(1),
            red_after: Some(2),
            ..Profile::default()
        };
        let schedule = schedule(vec![weekend, winter]);
        let terms = |slot: &str| {
            let terms = schedule.terms(slot.parse().unwrap());
            (terms.due_after.as_mins(), terms.missed_after.as_mins(), terms.amber_after, terms.red_after)
        };
        assert_eq!(terms("2018-07-03T10:15Z"), (5, 20, 2, 4));
        assert_eq!(terms("2018-07-07T10:15Z"), (30, 30, 8, 8));
        assert_eq!(terms("2018-12-08T10:15Z"), (30, 30, 1, 2));
        assert_eq!(terms("2018-12-03T10:15Z"), (5, 20, 1, 2));
    }

    #[test]
    fn key_times_are_local_also_on_the_days_on_which_the_clocks_change() {
        let rows = [
            ("2018-07-03T07:00Z", true),
            ("2018-07-03T08:00Z", false),
            ("2018-07-02T23:00Z", true),
            ("2018-12-03T08:00Z", true),
            ("2018-12-03T00:00Z", true),
            ("2018-10-28T08:00Z", true),
            ("2018-10-27T23:00Z", true),
            ("2018-10-29T00:00Z", true),
            ("2019-03-31T07:00Z", true),
            ("2019-03-31T00:00Z", true),
            ("2019-03-31T23:00Z", true),
        ];
        for (slot, expected) in rows {
            assert_eq!(schedule(Vec::new()).terms(slot.parse().unwrap()).key_time, expected, "{slot}");
        }
    }

    #[test]
    fn a_day_of_the_year_is_read_or_refused() {
        assert_eq!("02-29".parse(), Ok(MonthDay { month: 2, day: 29 }));
        for text in ["02-30", "13-01", "1 November", "", "2018-11-01"] {
            assert!(text.parse::<MonthDay>().is_err(), "{text}");
        }
    }
}
