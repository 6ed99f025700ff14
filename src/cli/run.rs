//! `bedfeed run` and `bedfeed check-config`.

use super::{Ending, Failure, log_to_stderr, runtime, settings};
use crate::alerts::{Channel, Outgoing, send, trial};
use crate::config::Settings;
use crate::feed::{Clock, LONDON, Term, error_chain, expiries, local_date};
use crate::service::{self, SystemClock};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Runs the daemon until it is told to end.
pub(super) fn run(config: &Path) -> Result<Ending, Failure> {
    log_to_stderr("info");
    let settings = settings(config)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let running = service::start(&settings).await.map_err(Failure::broken)?;
        service::run_until_signalled(running, config).await.map_err(Failure::broken)
    });
    // Whatever still runs by now had its time; what it had not recorded is done again at the next start.
    runtime.shutdown_background();
    ended.map(|()| Ending::Fine)
}

/// Reports every problem in the settings at once; with `send_test`, then tries every channel of alerts.
pub(super) fn check_config(config: &Path, send_test: bool, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(config)?;
    let mappings: usize = settings.providers.iter().map(|provider| provider.feed.mappings.len()).sum();
    let examples: usize = settings.providers.iter().map(|provider| provider.examples).sum();
    writeln!(
        out,
        "{}: fine. Providers: {}, mappings: {mappings}, examples: {examples}, wards: {}, sites: {}.",
        config.display(),
        settings.providers.len(),
        settings.reference.wards.len(),
        settings.reference.sites.len(),
    )?;
    if settings.governance.recipients.is_empty() {
        writeln!(
            out,
            "note: [governance] has no recipients: files that are sealed are kept unencrypted, readable by bedfeed's own account"
        )?;
    }
    for provider in settings.providers.iter().filter(|provider| provider.account.keys.is_empty()) {
        writeln!(out, "note: {} has no key yet, so nobody can log in as {}", provider.code, provider.code)?;
    }
    let today = local_date(SystemClock.now(), &TimeZone::get(LONDON).map_err(Failure::broken)?);
    let terms: Vec<Term> = settings.providers.iter().flat_map(|provider| provider.account.terms()).collect();
    for ended in expiries(&terms, today).iter().filter(|expiry| expiry.has_ended()) {
        writeln!(out, "note: {}", ended.text)?;
    }
    if send_test { try_channels(&settings, out) } else { Ok(Ending::Fine) }
}

/// Sends a test through every channel. Providers' contacts get none: it is not their test.
fn try_channels(settings: &Settings, out: &mut dyn Write) -> Result<Ending, Failure> {
    log_to_stderr("info");
    let (now, zone) = (SystemClock.now(), TimeZone::get(LONDON).map_err(Failure::broken)?);
    let outgoing = Outgoing { message: trial(now, &zone), first: None, at: now };
    let mut ending = Ending::Fine;
    for channel in Channel::all(&settings.alerts, &BTreeMap::new()).iter().filter(|channel| !channel.tells_contacts()) {
        match send(channel, &outgoing) {
            Ok(()) => writeln!(out, "{}: taken", channel.name())?,
            Err(error) => {
                ending = Ending::NotFine;
                writeln!(out, "{}: NOT taken: {}", channel.name(), error_chain(&error))?;
            }
        }
    }
    if settings.alerts.heartbeat.is_some() {
        writeln!(out, "heartbeat: not tried, because it would say that the daemon runs")?;
    }
    Ok(ending)
}
