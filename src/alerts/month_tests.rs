//! A month of six feeds, minute by minute of what goes wrong, and every alert that comes of it: `month.txt`, kept to be read.
//!
//! The days around both changes of the clocks, joined to one month. What goes wrong is drawn by lot from a fixed seed: senders that stop, come
//! late, repeat themselves, freeze or are set aside, trouble that comes and goes, planned downtime with and without overrun, a network that is
//! cut for all, and bedfeed itself killed, for a moment or for long. The list was read line by line; `BEDFEED_BLESS=1` writes it anew.

use super::*;
use crate::feed::{LONDON, ProviderCode, Slot, local_text};
use crate::schedule::{Arrival, FeedSchedule, Silence, SilenceKind, Standing, judge};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

const CODES: [&str; 6] = ["NCC", "RCX", "RGP", "RM1", "RMY", "RY3"];
const LIST: &str = "src/alerts/month.txt";

/// The same numbers on every machine (splitmix64).
struct Lot(u64);

impl Lot {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (drawn ^ (drawn >> 31)) % most
    }

    fn minutes(&mut self, from: u64, to: u64) -> SignedDuration {
        SignedDuration::from_mins((from + self.below(to - from)).try_into().unwrap())
    }
}

/// What a sender does for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Stopped,
    Late,
    Repeating,
    Frozen,
    SetAside,
    OnAndOff,
    Planned { overrun: bool },
}

#[derive(Clone, Debug)]
struct Incident {
    feed: usize,
    way: Way,
    from: Timestamp,
    until: Timestamp,
}

/// What happens in a stretch of time.
struct Story {
    from: Timestamp,
    until: Timestamp,
    incidents: Vec<Incident>,
    /// No sender reaches us.
    cuts: Vec<(Timestamp, Timestamp)>,
    /// We are not there.
    absences: Vec<(Timestamp, Timestamp)>,
}

fn story(seed: u64, from: &str, until: &str) -> Story {
    let (from, until): (Timestamp, Timestamp) = (from.parse().unwrap(), until.parse().unwrap());
    let mut lot = Lot(seed);
    let ways = [
        (Way::Stopped, 5, 400),
        (Way::Late, 60, 200),
        (Way::Repeating, 30, 200),
        (Way::Frozen, 60, 300),
        (Way::SetAside, 10, 200),
        (Way::OnAndOff, 90, 240),
        (Way::Planned { overrun: false }, 60, 300),
        (Way::Planned { overrun: true }, 60, 300),
        (Way::Stopped, 300, 3000),
    ];
    let mut incidents = Vec::new();
    for feed in 0..CODES.len() {
        let mut at = from + lot.minutes(300, 3000);
        while at < until {
            let (way, shortest, longest) = ways[usize::try_from(lot.below(9)).unwrap()];
            let end = at + lot.minutes(shortest, longest);
            incidents.push(Incident { feed, way, from: at, until: end });
            at = end + lot.minutes(400, 4000);
        }
    }
    let mut stretches = |first: u64, shortest, longest| {
        let mut list = Vec::new();
        let mut at = from + lot.minutes(first, 2 * first);
        while at < until {
            let end = at + lot.minutes(shortest, longest);
            list.push((at, end));
            at = end + lot.minutes(first, 3 * first);
        }
        list
    };
    let cuts = stretches(4000, 20, 150);
    let absences = stretches(3000, 2, 120);
    Story { from, until, incidents, cuts, absences }
}

/// When a slot's file comes, and what it is like; `None`: not at all.
fn file(story: &Story, feed: usize, slot: Slot, lot: &mut Lot) -> Option<Arrival> {
    let usual = slot.start() + SignedDuration::from_secs((20 + lot.below(200)).try_into().unwrap());
    let way = story.incidents.iter().find(|incident| incident.feed == feed && incident.from <= usual && usual < incident.until);
    let mut arrival = Arrival {
        slot: Some(slot),
        snapshot_at: Some(slot.start()),
        received_at: usual,
        accepted: true,
        superseded: false,
        repeated: false,
        frozen: false,
    };
    match way.map(|incident| incident.way) {
        None => {}
        Some(Way::Stopped | Way::Planned { .. }) => return None,
        Some(Way::Late) => arrival.received_at = usual + SignedDuration::from_mins(7),
        Some(Way::Repeating) => arrival = Arrival { slot: None, snapshot_at: None, accepted: false, repeated: true, ..arrival },
        Some(Way::Frozen) => arrival.frozen = true,
        Some(Way::SetAside) => arrival.accepted = false,
        Some(Way::OnAndOff) if lot.below(2) == 0 => arrival.received_at = usual + SignedDuration::from_mins(8),
        Some(Way::OnAndOff) => {}
    }
    let covered = |stretches: &[(Timestamp, Timestamp)]| {
        stretches.iter().any(|(from, until)| *from <= arrival.received_at && arrival.received_at < *until)
    };
    // Nobody tries again: the worst that senders do.
    (!covered(&story.cuts) && !covered(&story.absences)).then_some(arrival)
}

/// Downtime was announced for all of it, or for its first half.
fn planned(incident: &Incident) -> Option<Silence> {
    let half = SignedDuration::from_secs(incident.until.duration_since(incident.from).as_secs() / 2);
    let until = match incident.way {
        Way::Planned { overrun: false } => incident.until,
        Way::Planned { overrun: true } => incident.from + half,
        _ => return None,
    };
    Some(Silence { from: incident.from, until: Some(until), kind: SilenceKind::Planned })
}

/// How time goes by.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// From one instant at which something can change to the next.
    Looks,
    /// The same, and bedfeed forgets all but the ledger now and then.
    Forgetful,
    /// Every so many seconds.
    Every(i64),
}

/// What is remembered of a feed between two looks.
struct Remembered {
    schedule: FeedSchedule,
    silences: Vec<Silence>,
    arrivals: Vec<Arrival>,
    standing: Option<Standing>,
    held: bool,
}

/// When something is told, its key, and a line of the list.
type Line = (Timestamp, String, String);

/// Everything that is told.
fn tell(story: &Story, pace: Pace) -> Vec<Line> {
    let zone = TimeZone::get(LONDON).unwrap();
    let mut lot = Lot(7);
    let cadence = Cadence::default();
    let first = Slot::containing(story.from);
    let mut coming: Vec<(Timestamp, usize, Arrival)> = Vec::new();
    let mut feeds: Vec<Remembered> = Vec::new();
    for (feed, code) in CODES.into_iter().enumerate() {
        let slots = first.until(Slot::containing(story.until));
        coming.extend(slots.filter_map(|slot| file(story, feed, slot, &mut lot)).map(|arrival| (arrival.received_at, feed, arrival)));
        let absences = story.absences.iter().map(|(from, until)| Silence { from: *from, until: Some(*until), kind: SilenceKind::Outage });
        let of_feed = story.incidents.iter().filter(|incident| incident.feed == feed).filter_map(planned);
        let schedule = FeedSchedule::new(code.parse::<ProviderCode>().unwrap());
        feeds.push(Remembered { schedule, silences: of_feed.chain(absences).collect(), arrivals: vec![], standing: None, held: false });
    }
    coming.sort_by_key(|(at, feed, _)| (*at, *feed));
    let mut coming = coming.into_iter().peekable();
    let (mut open, mut house): (Vec<OpenEpisode>, Vec<HouseEpisode>) = (Vec::new(), Vec::new());
    let (mut keys, mut told) = (BTreeSet::new(), Vec::new());
    let mut forget_at = story.from + lot.minutes(60, 600);
    let mut now = story.from;
    while now < story.until {
        while let Some((_, feed, arrival)) = coming.next_if(|(at, ..)| *at <= now) {
            feeds[feed].arrivals.push(arrival);
            feeds[feed].standing = None;
        }
        if pace == Pace::Forgetful && forget_at <= now {
            feeds.iter_mut().for_each(|feed| (feed.standing, feed.held) = (None, false));
            forget_at = now + lot.minutes(60, 600);
        }
        let mut looked_at = BTreeSet::new();
        for (place, feed) in feeds.iter_mut().enumerate() {
            if feed.held || feed.standing.as_ref().is_none_or(|standing| standing.next_look <= now) {
                let since = now - SignedDuration::from_hours(26);
                let newest = feed.arrivals.iter().rposition(|arrival| arrival.accepted).unwrap_or(usize::MAX);
                let mut kept = feed.arrivals.iter().enumerate().filter(|(at, arrival)| *at == newest || since <= arrival.received_at);
                let arrivals: Vec<Arrival> = kept.by_ref().map(|(_, arrival)| arrival.clone()).collect();
                // Only what has begun is known of our own absences; planned ones are known before.
                let known = |silence: &&Silence| silence.kind != SilenceKind::Outage || silence.until.is_some_and(|until| until <= now);
                let silences: Vec<Silence> = feed.silences.iter().filter(known).cloned().collect();
                feed.standing = Some(judge(&feed.schedule, first, &silences, &arrivals, now));
                feed.arrivals = arrivals;
                looked_at.insert(place);
            }
        }
        let views: Vec<FeedView<'_>> = feeds
            .iter()
            .enumerate()
            .map(|(place, feed)| FeedView {
                schedule: &feed.schedule,
                standing: feed.standing.as_ref(),
                looked_at: looked_at.contains(&place),
            })
            .collect();
        let again = Again { cadence: &cadence, escalates: true };
        let decision = decide(&views, &open, &house, again, now);
        let mut say = |message: &AlertMessage| {
            if keys.insert(message.key.clone()) {
                told.push((now, message.key.clone(), format!("{}  {:<44} {}", local_text(now, &zone), message.key, message.title)));
            }
        };
        let look = HouseLook { troubles: decision.trouble.iter().cloned().collect(), undecided: vec![] };
        for change in house_step(&house, &look, now) {
            say(&AlertMessage::of_house(&change, &zone, now));
            match change {
                HouseChange::Began(episode, _) => house.push(episode),
                HouseChange::Ended(episode) => house.retain(|it| *it != episode),
            }
        }
        let about = |place: usize| {
            let standing = feeds[place].standing.as_ref();
            let last_good = standing.and_then(|standing| standing.newest_accepted).map(|newest| newest.snapshot_at);
            let name = ["care homes", "King's Lynn", "Paget", "Norfolk", "mental health", "community"][place];
            About {
                provider_name: name,
                last_good,
                never_sent: last_good.is_none(),
                evidence: Evidence::default(),
                contact: "",
                zone: &zone,
                silence: None,
            }
        };
        for (place, change) in &decision.changes {
            say(&AlertMessage::of(change, &about(*place)));
            match change {
                Change::Opened(episode) => open.push(OpenEpisode { episode: episode.clone(), told_at: now, acknowledged: false }),
                Change::Closed { episode, .. } => open.retain(|open| open.episode != *episode),
            }
        }
        for (place, episode, number) in &decision.again {
            say(&AlertMessage::of_again(episode, *number, &about(*place), now));
        }
        let next = next_decision(&views, &open, &house, &cadence, now).unwrap_or(story.until);
        for (place, feed) in feeds.iter_mut().enumerate() {
            feed.held = decision.held.contains(&place);
        }
        now = match pace {
            Pace::Every(seconds) => now + SignedDuration::from_secs(seconds),
            Pace::Looks | Pace::Forgetful => coming.peek().map_or(next, |(at, ..)| next.min(*at)),
        };
        // While we are not there nobody looks.
        if let Some((_, until)) = story.absences.iter().find(|(from, until)| *from <= now && now < *until) {
            now = *until;
            feeds.iter_mut().for_each(|feed| (feed.standing, feed.held) = (None, false));
        }
    }
    told
}

/// The stories, and what is told of them when time goes from one look to the next.
static TOLD: LazyLock<Vec<(Story, Vec<Line>)>> = LazyLock::new(|| {
    let told = |story: Story| {
        let told = tell(&story, Pace::Looks);
        (story, told)
    };
    stories().into_iter().map(told).collect()
});

fn stories() -> [Story; 2] {
    [story(20_181_028, "2018-10-18T00:00:00Z", "2018-11-03T00:00:00Z"), story(20_190_331, "2019-03-21T00:00:00Z", "2019-04-05T00:00:00Z")]
}

fn shown() -> String {
    let zone = TimeZone::get(LONDON).unwrap();
    let mut text = String::from("What goes wrong in a month of six feeds, and every alert that comes of it. See month_tests.rs.\n");
    for (story, told) in TOLD.iter() {
        let at = |instant| local_text(instant, &zone);
        let stretch = |(from, until): &(Timestamp, Timestamp)| format!("{} to {}", at(*from), at(*until));
        writeln!(text, "\n== {}\n", stretch(&(story.from, story.until))).unwrap();
        let mut happens: Vec<(Timestamp, String)> = Vec::new();
        for incident in &story.incidents {
            let Incident { feed, way, from, until } = incident;
            happens.push((*from, format!("{} {way:?}: {}", CODES[*feed], stretch(&(*from, *until)))));
        }
        happens.extend(story.cuts.iter().map(|cut| (cut.0, format!("nobody reaches us: {}", stretch(cut)))));
        happens.extend(story.absences.iter().map(|absence| (absence.0, format!("bedfeed is not running: {}", stretch(absence)))));
        happens.sort();
        happens.iter().for_each(|(_, line)| writeln!(text, "{line}").unwrap());
        text.push('\n');
        told.iter().for_each(|(_, _, line)| writeln!(text, "{line}").unwrap());
    }
    text
}

#[test]
fn p5_a_month_of_trouble_raises_exactly_these_alerts() {
    let shown = shown();
    if std::env::var_os("BEDFEED_BLESS").is_some() {
        std::fs::write(LIST, &shown).unwrap();
    }
    let kept = std::fs::read_to_string(LIST).unwrap();
    let differs = shown.lines().zip(kept.lines()).find(|(shown, kept)| shown != kept);
    assert_eq!(differs, None, "the first line that differs: as it is, and as it was");
    assert_eq!(shown.len(), kept.len());
}

#[test]
fn p5_whoever_forgets_all_but_the_ledger_tells_the_same() {
    // One of the two: each takes its time.
    let (story, told) = &TOLD[1];
    assert_eq!(tell(story, Pace::Forgetful), *told);
}

#[test]
fn p5_whoever_looks_at_any_time_tells_the_same_and_nobody_twice() {
    // Ends are told with the instant of judging where nothing came; so texts may differ, and what is told may not.
    let (story, told) = &TOLD[1];
    let keys = |told: &[Line]| told.iter().map(|(_, key, _)| key.clone()).filter(|key| !key.starts_with("house/")).collect::<BTreeSet<_>>();
    let (looks, often) = (keys(told), keys(&tell(story, Pace::Every(60))));
    let differ: Vec<_> = looks.symmetric_difference(&often).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn p5_every_beginning_has_one_end_and_no_problem_of_a_feed_is_open_twice() {
    for (_, told) in TOLD.iter() {
        let mut open: BTreeSet<String> = BTreeSet::new();
        for (at, key, _) in told {
            let mut words = key.rsplitn(2, '/');
            let (kind, episode) = (words.next().unwrap(), words.next().unwrap().to_owned());
            // Provider and problem.
            let what: String = episode.split('/').take(2).collect::<Vec<_>>().join("/");
            match kind {
                "begin" => assert!(open.insert(what.clone()), "{what} twice at {at}"),
                "end" => assert!(open.remove(&what), "{what} ends at {at} and was not open"),
                _ => assert!(open.contains(&what), "{key} at {at} of what is not open"),
            }
        }
    }
}

#[test]
fn p5_no_silence_goes_unnoticed_and_our_own_is_nobody_elses() {
    for (story, told) in TOLD.iter() {
        let begun = |problem: &str, code: &str, from: Timestamp, until: Timestamp| {
            told.iter().any(|(at, key, _)| {
                key.starts_with(&format!("{code}/{problem}/")) && key.ends_with("/begin") && from <= *at && *at <= until
            })
        };
        let hour = SignedDuration::from_hours(1);
        let disturbed = |from: Timestamp, until: Timestamp| {
            story.cuts.iter().chain(&story.absences).any(|(cut, end)| *cut < until + hour && from - hour < *end)
        };
        let mut looked_at = 0;
        for incident in &story.incidents {
            let Incident { feed, way, from, until } = incident;
            let lasts = until.duration_since(*from) > hour && *until < story.until;
            // A feed that was just unstable is told of as that.
            if !lasts || disturbed(*from, *until) {
                continue;
            }
            looked_at += 1;
            let half = SignedDuration::from_secs(until.duration_since(*from).as_secs() / 2);
            let code = CODES[*feed];
            match way {
                Way::Stopped => assert!(begun("missed", code, *from, *until), "{incident:?}"),
                Way::Repeating => assert!(begun("stale", code, *from, *until), "{incident:?}"),
                Way::Frozen => assert!(begun("frozen", code, *from, *until), "{incident:?}"),
                Way::SetAside => assert!(begun("rejected", code, *from, *until), "{incident:?}"),
                Way::Planned { overrun: false } => assert!(!begun("late", code, *from, *until), "{incident:?}"),
                Way::Planned { overrun: true } if half > SignedDuration::from_mins(40) => {
                    let late = begun("late", code, *from + half, *until) || begun("missed", code, *from + half, *until);
                    assert!(late, "{incident:?}");
                }
                Way::Late | Way::OnAndOff | Way::Planned { .. } => {
                    assert!(begun("late", code, *from, *until) || begun("unstable", code, *from, *until), "{incident:?}");
                }
            }
        }
        assert!(looked_at > 20, "the story has little in it: {looked_at}");
        for (from, until) in &story.cuts {
            let long = until.duration_since(*from) > SignedDuration::from_mins(40) && *until < story.until;
            let alone = !story.absences.iter().any(|(gone, back)| *gone < *until + hour && *from - hour < *back);
            let heard = |(at, key, _): &&Line| key.starts_with("house/silent/") && key.ends_with("/begin") && *from <= *at && *at <= *until;
            if long && alone {
                assert_eq!(told.iter().filter(heard).count(), 1, "one alert for all from {from} to {until}");
            }
        }
    }
}
