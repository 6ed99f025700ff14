//! Gathering: how every feed stands, read from the ledger and judged as of now.

use super::summary::{AcknowledgedAlert, FeedFacts, FeedRow, SummaryPage};
use crate::feed::{Announced, Finding, Folder, LONDON, ProviderCode, ProviderKind, Severity, Stage, Term, expiries, in_force, local_date};
use crate::ledger::{DeliveryRow, LedgerError, QueueState, Reader};
use crate::schedule::{Arrival, FeedSchedule, Silence, Standing, judge};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How far back deliveries are read: a day of slots and what may still arrive for them.
const REACH: SignedDuration = SignedDuration::from_hours(26);

/// How long a client is shown after it was last noted: what has not come for a quarter of a year is gone, or was replaced.
const CLIENT_SHOWN_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Most open episodes of our own side that are looked at: there is one for each sort of trouble.
const MOST_OF_HOUSE: u32 = 100;

/// A feed that is shown.
#[derive(Clone, Debug)]
pub struct HealthFeed {
    /// When its files are expected.
    pub schedule: FeedSchedule,
    /// The provider's name.
    pub name: String,
    /// What sort of service it runs.
    pub kind: ProviderKind,
    /// What of its account ends on a day.
    pub terms: Vec<Term>,
}

/// How all feeds stand, worst first.
///
/// # Errors
/// The ledger cannot be read.
pub fn feed_summary(reader: &Reader, feeds: &[HealthFeed], mut notices: Vec<String>, now: Timestamp) -> Result<SummaryPage, LedgerError> {
    let mut rows = Vec::with_capacity(feeds.len());
    let zone = TimeZone::get(LONDON).unwrap_or(TimeZone::UTC);
    let mut acknowledged = acknowledged(reader, now)?;
    for feed in feeds {
        let Judged { standing, deliveries, silences } = standing_of(reader, &feed.schedule, now)?;
        let judged = |row: &&DeliveryRow| row.report.is_some();
        let newest_report = deliveries.iter().rev().find(judged).and_then(|row| row.report.as_ref());
        let in_inbox = |row: &&DeliveryRow| row.delivery.folder == Folder::Inbox;
        let newest_in_inbox = deliveries.iter().rev().filter(in_inbox).find_map(|row| row.report.as_ref());
        let newest_figures = deliveries.iter().rev().filter_map(|row| row.report.as_ref()).find(|report| report.totals.is_some());
        let last_problem = deliveries.iter().rev().find_map(problem);
        let facts = FeedFacts {
            provider: &feed.schedule.provider,
            name: &feed.name,
            kind: feed.kind,
            standing: &standing,
            newest_report,
            newest_marked_test: newest_in_inbox.is_some_and(|report| report.marked_test),
            newest_figures,
            last_problem,
            silence: in_force(&silences, now).filter(|_| standing.silence.is_some()),
            acknowledged: acknowledged.remove(&Some(feed.schedule.provider.clone())).unwrap_or_default(),
            zone: &zone,
        };
        rows.push(FeedRow::new(facts, now));
    }
    for (provider, count) in reader.pending_by_provider()? {
        if !feeds.iter().any(|feed| feed.schedule.provider.as_str() == provider) {
            notices
                .push(format!("{count} deliveries wait for {provider}, which is not in the settings; put it back, or nobody judges them."));
        }
    }
    let quarantined = reader.in_quarantine()?.len();
    if quarantined > 0 {
        notices.push(format!("{quarantined} deliveries wait in quarantine."));
    }
    notices.extend(queue_notice(&reader.queue_state()?));
    let untold = reader.undelivered_alerts(1000)?.into_iter().filter(|alert| alert.attempts > 0).count();
    if untold > 0 {
        notices.push(format!("{untold} alerts could not be delivered yet; they are tried again."));
    }
    notices.extend(acknowledged.remove(&None).unwrap_or_default().iter().map(|alert| format!("{}: {}", alert.key, alert.told(&zone))));
    let terms: Vec<Term> = feeds.iter().flat_map(|feed| feed.terms.iter().cloned()).collect();
    let expiries = expiries(&terms, local_date(now, &zone));
    let mut clients = reader.clients(None)?;
    clients.retain(|client| now.duration_since(client.at) < CLIENT_SHOWN_FOR);
    Ok(SummaryPage::new(rows, notices, now).with_expiries(expiries).with_clients(clients))
}

/// Who sees to which alerts, by feed; those of our own side under none.
fn acknowledged(reader: &Reader, now: Timestamp) -> Result<BTreeMap<Option<ProviderCode>, Vec<AcknowledgedAlert>>, LedgerError> {
    let feeds = reader.all_open_episodes()?.into_iter().map(|row| (Some(row.provider), row.key, row.acknowledged));
    let house = reader.house_episodes(false, MOST_OF_HOUSE)?.into_iter().map(|row| (None, row.key, row.acknowledged));
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (provider, key, said) in feeds.chain(house) {
        if let Some(said) = said.filter(|said| said.holds(now)) {
            let alert = AcknowledgedAlert { key, by: said.by, reason: said.reason, at: said.at, until: said.until };
            found.entry(provider).or_default().push(alert);
        }
    }
    Ok(found)
}

/// How a feed stands, and what it was judged by.
#[derive(Clone, Debug)]
pub struct Judged {
    /// How it stands.
    pub standing: Standing,
    /// The deliveries, oldest first.
    pub deliveries: Vec<DeliveryRow>,
    /// The silences that were announced.
    pub silences: Vec<Announced>,
}

/// How one feed stands as seen at `now`.
///
/// # Errors
/// The ledger cannot be read.
pub fn standing_of(reader: &Reader, schedule: &FeedSchedule, now: Timestamp) -> Result<Judged, LedgerError> {
    let since = now.saturating_sub(REACH).unwrap_or(now);
    let deliveries = reader.for_judging(&schedule.provider, since)?;
    let arrivals = Arrival::all(deliveries.iter().map(|row| (&row.delivery, &row.stage, row.report.as_ref())));
    let first_slot = reader.first_slot(&schedule.provider)?.or(schedule.first_slot).unwrap_or(crate::feed::Slot::containing(now).next());
    let silences = reader.silences(&schedule.provider, since)?;
    let outages = reader.absences(since)?.into_iter().map(|absence| Silence::outage(absence.from, absence.until));
    let stretches: Vec<Silence> = silences.iter().filter_map(Silence::announced).chain(outages).collect();
    Ok(Judged { standing: judge(schedule, first_slot, &stretches, &arrivals, now), deliveries, silences })
}

/// What is said of the queue before the warehouse; nothing where it is empty.
fn queue_notice(queue: &QueueState) -> Option<String> {
    let oldest = queue.oldest.map(|slot| format!(", the oldest of slot {slot}")).unwrap_or_default();
    let waiting = match queue.waiting {
        0 => return None,
        1 => format!("1 snapshot waits for the warehouse{oldest}"),
        many => format!("{many} snapshots wait for the warehouse{oldest}"),
    };
    let Some(error) = queue.error.as_deref().filter(|_| queue.failures > 0) else { return Some(format!("{waiting}.")) };
    let next = queue.next_try.map(|at| format!("; the next try is at {}", at.strftime("%H:%M:%S UTC"))).unwrap_or_default();
    Some(format!("{waiting}. It was tried in vain {} times ({error}){next}. Files are taken and judged meanwhile.", queue.failures))
}

/// What was wrong with a delivery that was set aside, in one sentence.
fn problem(row: &DeliveryRow) -> Option<String> {
    // Of a set, the part with the rows speaks; a control file was only sent beside it.
    let leads = row.report.as_ref().and_then(|report| report.parts.first()).is_none_or(|(_, lead)| *lead == row.delivery.id);
    if !leads || !matches!(row.stage, Stage::Quarantined { .. } | Stage::HandedBack { .. }) {
        return None;
    }
    let worst = |finding: &&Finding| finding.severity == Severity::RejectFile;
    let finding = row.report.as_ref().and_then(|report| report.findings.iter().find(worst));
    let why = finding.map_or("no rule named".to_owned(), |finding| format!("{} {}", finding.rule, finding.message));
    Some(format!("{}: {why}", row.delivery.name))
}
