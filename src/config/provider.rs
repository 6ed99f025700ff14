//! One provider's file: `providers/CODE.toml`.
//!
//! Owns its keys, their defaults and what must hold between them. Refuses to know the mapping language.

use super::document::{Item, Section, Source};
use super::mapping::Example;
use super::{Contact, Provider, access, mapping};
use crate::feed::{ProviderCode, ProviderKind, SLOT_LENGTH, Slot};
use crate::intake::{Account, Quota};
use crate::normalise::mapping::{Mapping, PartRole};
use crate::normalise::reference::Reference;
use crate::schedule::{DayKind, FeedSchedule, MonthDay, Profile, UNSTABLE_SLOTS, When};
use crate::verify::history::{REACH, REACH_SLOTS};
use crate::verify::{Feed, Limits, NameReuse};
use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::de::DeValue;

/// Longest duration of a schedule or limit.
const MAX_DURATION: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Longest wait or age of a row that may be allowed: beyond a year it is no limit.
const LONGEST_AGE: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Longest early tolerance: a job that runs a whole quarter early is one of the quarter before.
const MAX_EARLY: SignedDuration = SignedDuration::from_secs(14 * 60 + 59);

/// Largest upload that may be allowed: the checks hold a whole file in memory.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Most bytes an account may be allowed in an hour or on disk: what a disk of this size can mean.
const MAX_QUOTA_BYTES: u64 = 1 << 44;

/// Reads a provider's file, and the examples of its mappings. What is wrong with it is noted at its source.
pub(super) fn read(source: &Source, reference: &Reference) -> Option<(Provider, Vec<Example>)> {
    let document = source.parse()?;
    let root = source.root(document.get_ref());
    let code = root.need("code").and_then(|item| code(&item, source));
    let name = root.need("name").and_then(|item| item.filled().map(str::to_owned));
    let kinds: Vec<_> = ProviderKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let kind = root.need("kind").and_then(|item| item.choice(&kinds));
    let contact = root.need("contact").and_then(|item| item.section()).map(contact);
    let agreement = root.need("agreement").and_then(|item| item.section()).and_then(agreement);
    let keys = access::keys(&root);
    let networks = root.get("networks").map(|item| access::networks(&item)).unwrap_or_default();
    let schedule = root.section("schedule");
    let password = root.section("password").and_then(|section| access::password(section, !networks.is_empty()));
    let default = kind.map_or_else(Limits::default, Limits::of);
    let (limits, quota) = root.section("limits").map_or_else(|| default_limits(&default), |section| limits(section, &default));
    let known = code.clone().map(|code| code.as_str().to_owned()).unwrap_or_default();
    let signers = access::signers(&root);
    let (mappings, examples) = mapping::mappings(&root, &known, reference);
    let signs = |mapping: &Mapping| mapping.files.iter().any(|part| part.role == PartRole::Signature);
    if let Some(item) = root.get("signers").filter(|_| !mappings.is_empty() && !mappings.iter().any(signs)) {
        item.problem("has no effect: no [[mapping.file]] has the role \"signature\"");
    }
    let release_needs_two = root.get("release_needs_two").and_then(|item| item.flag()).unwrap_or(false);
    root.finish();

    let code = code?;
    let bank_holidays = Arc::new(reference.bank_holidays.clone());
    let schedule = schedule.map_or_else(
        || FeedSchedule { bank_holidays: Arc::clone(&bank_holidays), ..FeedSchedule::new(code.clone()) },
        |section| feed_schedule(section, code.clone(), Arc::clone(&bank_holidays)),
    );
    let (name, kind, agreement) = (name?, kind?, agreement?);
    let provider = Provider {
        code: code.clone(),
        name: name.clone(),
        kind,
        contact: contact?,
        agreement_reference: agreement.reference,
        account: Account {
            provider: code.clone(),
            keys,
            networks,
            agreement_ends: agreement.ends,
            max_file_bytes: limits.max_file_bytes,
            password,
            quota,
        },
        feed: Feed {
            provider: code,
            name,
            kind,
            agreement_starts: agreement.starts,
            agreement_ends: agreement.ends,
            due_after: schedule.due_after,
            mappings,
            limits,
            signers,
        },
        schedule,
        release_needs_two,
        examples: examples.len(),
    };
    Some((provider, examples))
}

fn code(item: &Item<'_>, source: &Source) -> Option<ProviderCode> {
    let text = item.filled()?;
    let code: ProviderCode = match text.parse() {
        Ok(code) => code,
        Err(why) => {
            item.problem(format!("\"{text}\": {why}"));
            return None;
        }
    };
    let file = source.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if file != format!("{code}.toml") {
        item.problem(format!("the file of {code} must be called {code}.toml, not {file}"));
    }
    Some(code)
}

fn contact(section: Section<'_>) -> Contact {
    let text = |item: Option<Item<'_>>| item.and_then(|item| item.filled().map(str::to_owned)).unwrap_or_default();
    let (email, phone) = (section.get("email"), section.get("phone"));
    if email.is_none() && phone.is_none() {
        section.problem("needs an email or a phone: somebody must be rung when the feed is silent");
    }
    let contact = Contact { name: text(section.need("name")), email: text(email), phone: text(phone) };
    section.finish();
    contact
}

/// Local times of slots that are protected.
fn key_times(item: &Item<'_>) -> Vec<Time> {
    item.elements().iter().filter_map(quarter).collect()
}

/// A local time at which a slot starts, as `08:00`.
fn quarter(item: &Item<'_>) -> Option<Time> {
    let time = time_of_day(item)?;
    if time.minute() % 15 != 0 {
        item.problem(format!("{} is not the start of a quarter of an hour", time.strftime("%H:%M")));
        return None;
    }
    Some(time)
}

/// A local time, as `08:00`.
fn time_of_day(item: &Item<'_>) -> Option<Time> {
    let text = item.filled()?;
    let time = Time::strptime("%H:%M", text).ok();
    if time.is_none() {
        item.problem(format!("\"{text}\" is not a time such as 08:00"));
    }
    time
}

/// `[[schedule.profile]]`.
fn profile(section: Section<'_>) -> Option<Profile> {
    let name = section.need("name").and_then(|item| item.filled().map(str::to_owned));
    let days = section.get("days").map(|item| item.elements().iter().filter_map(|day| day.choice(&DayKind::ALL)).collect());
    let season = pair(&section, "from", "until", |item| {
        let text = item.filled()?;
        text.parse::<MonthDay>().map_err(|why| item.problem(why)).ok()
    });
    let hours = pair(&section, "starts", "ends", time_of_day);
    let duration = |key| section.get(key).and_then(|item| item.duration(SignedDuration::ZERO..=MAX_DURATION));
    let count = |key| section.get(key).and_then(|item| item.whole(1..=10_000));
    let profile = Profile {
        name: name.clone().unwrap_or_default(),
        when: When { days: days.unwrap_or_default(), season, hours },
        due_after: duration("due_after"),
        missed_after: duration("missed_after"),
        tell_after: count("tell_after"),
        amber_after: count("amber_after"),
        red_after: count("red_after"),
    };
    if profile == (Profile { name: profile.name.clone(), when: profile.when.clone(), ..Profile::default() }) {
        section.problem("changes nothing: it needs due_after, missed_after, tell_after, amber_after or red_after");
    }
    section.finish();
    name.map(|_| profile)
}

/// Two keys that have a meaning only together.
fn pair<T>(section: &Section<'_>, first: &'static str, second: &'static str, read: impl Fn(&Item<'_>) -> Option<T>) -> Option<(T, T)> {
    match (section.get(first), section.get(second)) {
        (None, None) => None,
        (Some(first), Some(second)) => read(&first).zip(read(&second)),
        (Some(item), None) | (None, Some(item)) => {
            item.problem(format!("{first} and {second} go together"));
            None
        }
    }
}

/// `[agreement]`.
struct Agreement {
    reference: String,
    starts: Date,
    ends: Option<Date>,
}

fn agreement(section: Section<'_>) -> Option<Agreement> {
    let reference = section.need("reference").and_then(|item| item.filled().map(str::to_owned));
    let starts = section.need("starts").and_then(|item| item.date());
    let ends = section.get("ends").and_then(|item| item.date().map(|date| (item, date)));
    if let (Some(starts), Some((item, ends))) = (starts, &ends)
        && *ends < starts
    {
        item.problem(format!("the agreement ends before it starts ({starts})"));
    }
    section.finish();
    Some(Agreement { reference: reference?, starts: starts?, ends: ends.map(|(_, ends)| ends) })
}

fn feed_schedule(section: Section<'_>, code: ProviderCode, bank_holidays: Arc<BTreeSet<Date>>) -> FeedSchedule {
    let default = FeedSchedule::new(code);
    let duration = |key| section.get(key).and_then(|item| item.duration(SignedDuration::ZERO..=MAX_DURATION));
    let count = |key| section.get(key).and_then(|item| item.whole(1..=10_000));
    let due_after = duration("due_after").unwrap_or(default.due_after);
    let schedule = FeedSchedule {
        first_slot: section.get("first_slot").and_then(|item| slot(&item)),
        due_after,
        // A file that is not there when the next one is due has been missed.
        missed_after: duration("missed_after").unwrap_or(due_after + SLOT_LENGTH),
        tell_after: count("tell_after").unwrap_or(default.tell_after),
        amber_after: count("amber_after").unwrap_or(default.amber_after),
        red_after: count("red_after").unwrap_or(default.red_after),
        stale_after: duration("stale_after").unwrap_or(default.stale_after),
        no_data_after: duration("no_data_after").unwrap_or(default.no_data_after),
        unstable_after: section.get("unstable_after").and_then(|item| item.whole(0..=UNSTABLE_SLOTS)).unwrap_or(default.unstable_after),
        key_times: section.get("key_times").map(|item| key_times(&item)).unwrap_or(default.key_times),
        profiles: section.sections("profile").into_iter().filter_map(profile).collect(),
        bank_holidays,
        ..default
    };
    if schedule.missed_after <= schedule.due_after {
        section.problem("missed_after must be longer than due_after");
    }
    if schedule.red_after < schedule.amber_after {
        section.problem("red_after must not be less than amber_after");
    }
    if schedule.no_data_after <= schedule.stale_after {
        section.problem("no_data_after must be longer than stale_after");
    }
    section.finish();
    schedule
}

fn slot(item: &Item<'_>) -> Option<Slot> {
    let text = match item.value() {
        DeValue::Datetime(at) => at.to_string(),
        _ => item.text()?.to_owned(),
    };
    match text.parse() {
        Ok(slot) => Some(slot),
        Err(why) => {
            item.problem(why);
            None
        }
    }
}

fn default_limits(default: &Limits) -> (Limits, Quota) {
    (default.clone(), Quota::for_files_of(default.max_file_bytes))
}

fn limits(section: Section<'_>, default: &Limits) -> (Limits, Quota) {
    let percent = |key| section.get(key).and_then(|item| item.whole(0..=100));
    let count = |key| section.get(key).and_then(|item| item.whole(0..=100_000));
    let duration = |key| section.get(key).and_then(|item| item.duration(SignedDuration::ZERO..=MAX_DURATION));
    let limits = Limits {
        max_file_bytes: section.get("max_file_bytes").and_then(|item| item.size(1..=MAX_FILE_BYTES)).unwrap_or(default.max_file_bytes),
        max_rows: section.get("max_rows").and_then(|item| item.whole(1..=10_000_000)).unwrap_or(default.max_rows),
        max_columns: section.get("max_columns").and_then(|item| item.whole(1..=1_000)).unwrap_or(default.max_columns),
        rejected_rows_percent: percent("rejected_rows_percent").unwrap_or(default.rejected_rows_percent),
        rejected_rows_per_ward: count("rejected_rows_per_ward").unwrap_or(default.rejected_rows_per_ward),
        rejected_kind_percent: percent("rejected_kind_percent").unwrap_or(default.rejected_kind_percent),
        rejected_kind_rows: count("rejected_kind_rows").unwrap_or(default.rejected_kind_rows),
        wards_may_vanish: section.get("wards_may_vanish").and_then(|item| item.flag()).unwrap_or(default.wards_may_vanish),
        unknown_wards: count("unknown_wards").unwrap_or(default.unknown_wards),
        unknown_ward_beds_percent: percent("unknown_ward_beds_percent").unwrap_or(default.unknown_ward_beds_percent),
        unknown_persons_percent: percent("unknown_persons_percent").unwrap_or(default.unknown_persons_percent),
        hold_after: duration("hold_after").unwrap_or(default.hold_after),
        name_tolerance: duration("name_tolerance").unwrap_or(default.name_tolerance),
        future_tolerance: duration("future_tolerance").unwrap_or(default.future_tolerance),
        clock_drift: duration("clock_drift").unwrap_or(default.clock_drift),
        early_tolerance: section
            .get("early_tolerance")
            .and_then(|item| item.duration(SignedDuration::ZERO..=MAX_EARLY))
            .unwrap_or(default.early_tolerance),
        ..of_plausibility(&section, default)
    };
    if limits.wait_longest < limits.wait_long {
        section.problem("wait_longest must not be less than wait_long");
    }
    if limits.update_stale < limits.update_old {
        section.problem("update_stale must not be less than update_old");
    }
    if limits.open_change_reject_percent < limits.open_change_percent {
        section.problem("open_change_reject_percent must not be less than open_change_percent");
    }
    let quota = quota(&section, limits.max_file_bytes);
    section.finish();
    (limits, quota)
}

/// The limits of what is possible and not likely.
fn of_plausibility(section: &Section<'_>, default: &Limits) -> Limits {
    let percent = |key| section.get(key).and_then(|item| item.whole(0..=100));
    let count = |key| section.get(key).and_then(|item| item.whole(0..=100_000));
    let duration = |key| section.get(key).and_then(|item| item.duration(SignedDuration::ZERO..=LONGEST_AGE));
    let reuse = [("reject", NameReuse::Reject), ("warn", NameReuse::Warn)];
    Limits {
        wait_ahead: duration("wait_ahead").unwrap_or(default.wait_ahead),
        wait_long: duration("wait_long").unwrap_or(default.wait_long),
        wait_longest: duration("wait_longest").unwrap_or(default.wait_longest),
        update_ahead: duration("update_ahead").unwrap_or(default.update_ahead),
        update_old: duration("update_old").unwrap_or(default.update_old),
        update_stale: duration("update_stale").unwrap_or(default.update_stale),
        name_reuse: section.get("name_reuse").and_then(|item| item.choice(&reuse)).or(default.name_reuse),
        repeated_beds: count("repeated_beds").unwrap_or(default.repeated_beds),
        large_provider_beds: count("large_provider_beds").unwrap_or(default.large_provider_beds),
        register_beds: count("register_beds").unwrap_or(default.register_beds),
        register_percent: percent("register_percent").unwrap_or(default.register_percent),
        crowded_beds: count("crowded_beds").unwrap_or(default.crowded_beds),
        crowded_percent: percent("crowded_percent").unwrap_or(default.crowded_percent),
        open_change_beds: count("open_change_beds").unwrap_or(default.open_change_beds),
        open_change_percent: percent("open_change_percent").unwrap_or(default.open_change_percent),
        open_change_reject_percent: percent("open_change_reject_percent").unwrap_or(default.open_change_reject_percent),
        occupied_change_beds: count("occupied_change_beds").unwrap_or(default.occupied_change_beds),
        occupied_change_percent: percent("occupied_change_percent").unwrap_or(default.occupied_change_percent),
        // Beyond the past that is looked at, a limit would never be reached.
        frozen_after: section.get("frozen_after").and_then(|item| item.whole(0..=REACH_SLOTS)).unwrap_or(default.frozen_after),
        no_demand_after: section
            .get("no_demand_after")
            .and_then(|item| item.duration(SignedDuration::ZERO..=REACH))
            .unwrap_or(default.no_demand_after),
        demand_factor: count("demand_factor").unwrap_or(default.demand_factor),
        demand_small: count("demand_small").unwrap_or(default.demand_small),
        demand_days: count("demand_days").unwrap_or(default.demand_days),
        unknown_persons_fewest: count("unknown_persons_fewest").unwrap_or(default.unknown_persons_fewest),
        unknown_persons_rise: percent("unknown_persons_rise").unwrap_or(default.unknown_persons_rise),
        ..default.clone()
    }
}

/// A quota that the largest file does not fit into would let nothing through.
fn quota(section: &Section<'_>, max_file_bytes: u64) -> Quota {
    let default = Quota::for_files_of(max_file_bytes);
    let bytes = |key| {
        let item = section.get(key)?;
        let bytes = item.size(1..=MAX_QUOTA_BYTES)?;
        if bytes < max_file_bytes {
            item.problem(format!("must be at least max_file_bytes, which is {max_file_bytes}"));
        }
        Some(bytes)
    };
    Quota {
        max_bytes_per_hour: bytes("max_bytes_per_hour").unwrap_or(default.max_bytes_per_hour),
        max_staged_bytes: bytes("max_staged_bytes").unwrap_or(default.max_staged_bytes),
    }
}
