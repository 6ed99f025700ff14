//! What the demo shows: each fact as it is recorded, then what it comes to.

use super::folder::{KEYS, SETTINGS};
use super::verdict::Check;
use crate::cli::Failure;
use crate::cli::table::{Table, shell};
use crate::config::Settings;
use crate::feed::{Clock, DeliveryId, LONDON, Severity, Slot, Stage, local_text, printed};
use crate::ledger::{Event, Reader};
use crate::service::{Running, SystemClock};
use jiff::tz::TimeZone;
use std::io::Write;
use std::path::Path;

/// Most entries shown at a time; the rest come at the next tick.
const BATCH: u32 = 200;

/// Follows the ledger.
pub(super) struct Show<'a> {
    reader: &'a Reader,
    names: Vec<(String, String)>,
    seen: u64,
}

impl<'a> Show<'a> {
    /// A show that starts with what is recorded from now on.
    pub(super) fn new(reader: &'a Reader, settings: &Settings) -> Result<Self, Failure> {
        let names = settings.providers.iter().map(|provider| (provider.code.to_string(), provider.name.clone())).collect();
        Ok(Self { reader, names, seen: reader.head()?.seq })
    }

    pub(super) fn opening(&self, dir: &Path, running: &Running, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "bedfeed demo in {}", dir.display())?;
        writeln!(out, "SFTP on {}, pages on http://{}/\n", running.sftp_address()?, running.web)?;
        for (code, name) in &self.names {
            writeln!(out, "  {code:<4} {name}")?;
        }
        writeln!(out, "\nWhat happens, as it happens:")?;
        Ok(())
    }

    /// Shows what was recorded since the last time.
    pub(super) fn news(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        for entry in self.reader.entries_after(self.seen, BATCH)? {
            self.seen = entry.seq;
            if let Some(line) = self.line(&entry.event)? {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    fn line(&self, event: &Event) -> Result<Option<String>, Failure> {
        Ok(match event {
            Event::Moved { delivery, stage, report, .. } => {
                let rules = report.iter().flat_map(|report| report.findings.counts());
                let rules: Vec<_> =
                    rules.filter(|(_, severity, _)| *severity > Severity::Information).map(|(rule, _, _)| rule.id()).collect();
                let rules = if rules.is_empty() { String::new() } else { format!(" [{}]", rules.join(" ")) };
                self.moved(*delivery, stage)?.map(|line| line + &rules)
            }
            Event::EpisodeOpened { alerts, .. }
            | Event::EpisodeClosed { alerts, .. }
            | Event::HouseEpisodeOpened { alerts, .. }
            | Event::HouseEpisodeClosed { alerts, .. }
            | Event::ToldAgain { alerts, .. } => {
                let title = alerts.first().and_then(|alert| alert.message.get("title")).and_then(|title| title.as_str());
                title.map(|title| format!("  ALERT  {title}"))
            }
            Event::Started { .. }
            | Event::Stopped
            | Event::SettingsChanged { .. }
            | Event::Noted { .. }
            | Event::CheckpointSent { .. }
            | Event::Restored { .. }
            | Event::Superseded { .. }
            | Event::ReceiptRead { .. }
            | Event::FeedExpected { .. }
            | Event::ReleaseRequested { .. }
            | Event::ViewedRaw { .. }
            | Event::HoldPlaced { .. }
            | Event::HoldEnded { .. }
            | Event::Settled { .. }
            | Event::Disposing { .. }
            | Event::Spared { .. }
            | Event::Disposed { .. }
            | Event::Trimmed { .. }
            | Event::Accepted { .. }
            | Event::Acted { .. }
            | Event::ReplayAsked { .. }
            | Event::ReplayEnded { .. }
            | Event::Replayed { .. }
            | Event::ReplayKept { .. }
            | Event::Warned { .. }
            | Event::Watched
            | Event::Away { .. }
            | Event::DowntimePlanned { .. }
            | Event::DowntimeEnded { .. }
            | Event::FeedPaused { .. }
            | Event::FeedResumed { .. }
            | Event::EpisodeAcknowledged { .. }
            | Event::ClientSeen { .. }
            | Event::AlertDelivered { .. }
            | Event::AlertFailed { .. }
            | Event::AlertDropped { .. } => None,
        })
    }

    fn moved(&self, id: DeliveryId, stage: &Stage) -> Result<Option<String>, Failure> {
        let Some(row) = self.reader.delivery(id)? else { return Ok(None) };
        let word = match stage {
            Stage::Landed | Stage::Ready { .. } => return Ok(None),
            Stage::Waiting { .. } => "  waits for the other part".to_owned(),
            Stage::Loaded { snapshot } => format!("  loaded, slot {}, version {}", snapshot.slot, snapshot.version),
            Stage::Quarantined { sealed: true, .. } => "  SEALED".to_owned(),
            Stage::Quarantined { .. } => "  QUARANTINED".to_owned(),
            Stage::HandedBack { .. } => "  HANDED BACK".to_owned(),
            Stage::Duplicate { .. } => "  duplicate, nothing changes".to_owned(),
            Stage::Tested { .. } => "  judged, not loaded (test/)".to_owned(),
        };
        Ok(Some(format!("         {:<4} {}:{word}", row.delivery.provider, printed(&row.delivery.name.shown()))))
    }

    /// The promises, the figures, and whether all held.
    pub(super) async fn summing_up(
        &self,
        checks: &[Check],
        settings: &Settings,
        running: &Running,
        out: &mut dyn Write,
    ) -> Result<bool, Failure> {
        writeln!(out, "\nBeds now, from the warehouse:")?;
        let now = running.warehouse_reader().system_now().await.map_err(Failure::broken)?;
        let mut table = Table::new(&["provider", "state", "open", "occupied", "empty", "ready now", "closed", "not in a bed", "age (min)"]);
        let figure = |value: Option<i64>| value.map_or("not known".to_owned(), |value| value.to_string());
        for row in &now.providers {
            let figures = &row.figures;
            let cells = [figures.open, figures.occupied, figures.empty, figures.available_now, figures.closed, figures.demand_not_in_bed];
            let mut line = vec![row.provider.to_string(), row.state.clone()];
            line.extend(cells.map(figure));
            line.push(figure(row.age_minutes));
            table.row(line);
        }
        let system = &now.system;
        let cells = [
            system.figures.open,
            system.figures.occupied,
            system.figures.empty,
            system.figures.available_now,
            system.figures.closed,
            system.figures.demand_not_in_bed,
        ];
        let mut line = vec!["system".to_owned(), if system.partial { "partial".to_owned() } else { "complete".to_owned() }];
        line.extend(cells.map(figure));
        line.push(figure(system.age_minutes));
        table.row(line);
        table.write(out, "nothing in the warehouse")?;
        writeln!(
            out,
            "{} of {} providers current; a missing one is never counted as zero.",
            system.providers_current,
            settings.providers.len()
        )?;
        writeln!(out, "\nWhat was promised:")?;
        for check in checks {
            writeln!(out, "  {} {:<4} {}", if check.held { "held  " } else { "BROKEN" }, check.promise, check.what)?;
        }
        let broken = checks.iter().filter(|check| !check.held).count();
        writeln!(out, "\n{} of {} checks held.", checks.len().saturating_sub(broken), checks.len())?;
        Ok(broken == 0)
    }

    pub(super) fn what_to_try(&self, dir: &Path, running: &Running, once: bool, out: &mut dyn Write) -> Result<(), Failure> {
        let config = dir.join(SETTINGS);
        writeln!(out, "\nTo look around:")?;
        writeln!(out, "  bedfeed status --config {}", shell(&config))?;
        writeln!(out, "  bedfeed deliveries --config {}", shell(&config))?;
        writeln!(out, "  sqlite3 {} 'select * from v_system_now'", shell(&dir.join("warehouse.db")))?;
        if once {
            return Ok(());
        }
        let sftp = running.sftp_address()?;
        let options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let key = dir.join(KEYS).join("RM1");
        writeln!(out, "  open http://{}/", running.web)?;
        writeln!(
            out,
            "As RM1, to fetch receipts (try `ls receipts`, `get receipts/...`; the others in the same way, each with its own key):"
        )?;
        writeln!(out, "  sftp -P {} -i {} {options} RM1@{}", sftp.port(), shell(&key), sftp.ip())?;
        let zone = TimeZone::get(LONDON).map_err(Failure::broken)?;
        let next = Slot::containing(SystemClock.now()).next().start();
        writeln!(out, "At {} everybody sends again, and the silent one begins. Ctrl-C ends the demo.", local_text(next, &zone))?;
        Ok(())
    }
}
