//! Armed faults: what `BEDFEED_FAULT` asks for. In no release build.
//!
//! `BEDFEED_FAULT=ledger_commit.after:3` ends the process, as `kill -9` does, when it passes there for the third time;
//! `upload_sync.before:1:error` makes that step fail the first time. Several stand with commas between them. `@PATH` stands
//! for what is in a file, from the moment at which it is there: so a daemon can be let start before it is hurt.

use super::{Injected, Moment, Step};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The variable.
const VARIABLE: &str = "BEDFEED_FAULT";

/// What a test does at each passing of a point, on the thread that passes it; `true` makes the step fail. It must not pass
/// a point itself.
pub type Hook = Box<dyn FnMut(Step, Moment) -> bool + Send>;

static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

/// Has a test look at each passing from now on, in this whole process; `None`: nobody looks any more.
pub fn watch(hook: Option<Hook>) {
    *HOOK.lock().unwrap_or_else(PoisonError::into_inner) = hook;
}

/// One fault that was asked for.
#[derive(Debug)]
struct Fault {
    step: Step,
    moment: Moment,
    /// Which passing it is, from 1.
    at: u64,
    /// Whether the step fails, instead of the process ending.
    fails: bool,
    passed: AtomicU64,
}

/// Passes a point: goes on, fails, or does not return.
pub(super) fn pass(step: Step, moment: Moment) -> Result<(), Injected> {
    // A hook that panicked has made its test fail already.
    if HOOK.lock().unwrap_or_else(PoisonError::into_inner).as_mut().is_some_and(|hook| hook(step, moment)) {
        return Err(Injected(step, moment));
    }
    static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
    let Some(faults) = FAULTS.get().or_else(|| asked_for().map(|text| FAULTS.get_or_init(|| read(&text)))) else { return Ok(()) };
    for fault in faults.iter().filter(|fault| (fault.step, fault.moment) == (step, moment)) {
        let passed = fault.passed.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        match (passed == fault.at, fault.fails) {
            (true, true) => {
                tracing::warn!(step = step.name(), ?moment, "this step fails, because BEDFEED_FAULT says so");
                return Err(Injected(step, moment));
            }
            (true, false) => end(),
            (false, _) => {}
        }
    }
    Ok(())
}

/// What the variable asks for; `None` while that is not known yet.
fn asked_for() -> Option<String> {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).ok(),
        None => Some(text),
    }
}

/// What a text asks for. What cannot be read is said, and asks for nothing.
fn read(text: &str) -> Vec<Fault> {
    let words = text.trim().split(',').filter(|word| !word.is_empty());
    let read = words.map(|word| one(word).ok_or(word));
    let known = read.filter_map(|read| {
        read.inspect_err(|word| tracing::error!(word, "no such fault: STEP.before or STEP.after, then perhaps :PASSING and :error")).ok()
    });
    known.collect()
}

fn one(word: &str) -> Option<Fault> {
    let mut parts = word.split(':');
    let (step, moment) = parts.next()?.split_once('.')?;
    let step = Step::ALL.iter().copied().find(|known| known.name() == step)?;
    let moment = match moment {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    let at = parts.next().map_or(Some(1), |at| at.parse().ok().filter(|at| *at > 0))?;
    let fails = match parts.next() {
        None => false,
        Some("error") => true,
        Some(_) => return None,
    };
    parts.next().is_none().then(|| Fault { step, moment, at, fails, passed: AtomicU64::new(0) })
}

/// Ends the process at once: nothing is flushed, closed or said.
fn end() -> ! {
    if let Err(error) = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL) {
        tracing::error!(%error, "cannot signal ourselves; ending all the same");
    }
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_the_variable() {
        let shown = |text: &str| {
            let show = |fault: &Fault| format!("{} {:?} {} {}", fault.step.name(), fault.moment, fault.at, fault.fails);
            read(text).iter().map(show).collect::<Vec<_>>()
        };
        assert_eq!(shown("ledger_commit.after:3"), ["ledger_commit After 3 false"]);
        assert_eq!(shown("upload_sync.before,,alert_send.after:2:error"), ["upload_sync Before 1 false", "alert_send After 2 true"]);
        for wrong in
            ["", "ledger_commit", "ledger_commit.during", "no_such_step.after", "upload_sync.before:0", "upload_sync.before:1:error:2"]
        {
            assert!(shown(wrong).is_empty(), "{wrong}");
        }
    }

    #[test]
    fn each_step_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = Step::ALL.iter().map(|step| step.name()).collect();
        assert_eq!(names.len(), Step::ALL.len());
    }
}
