//! `bedfeed release`, `reprocess` and `discard`: what support does with a quarantined delivery.

use super::args::Act as Arguments;
use super::{Ending, Failure, delivery_called, json, reader, settings};
use crate::ledger::Act;
use crate::service::control::{Answer, Request, ask};
use std::io::Write;

/// Asks the daemon to act, and says what became of it.
pub(super) fn act(act: Act, arguments: &Arguments, out: &mut dyn Write) -> Result<Ending, Failure> {
    if arguments.by.trim().is_empty() || arguments.reason.trim().is_empty() {
        return Err(Failure::Arguments("--by and --reason: say who you are and why".to_owned()));
    }
    let settings = settings(&arguments.config.config)?;
    let row = delivery_called(&reader(&settings)?, &arguments.id)?;
    let request = Request::Act { delivery: row.delivery.id, act, by: arguments.by.clone(), reason: arguments.reason.clone() };
    match ask(&settings.state_dir, &request).map_err(Failure::broken)? {
        Answer::Done { deliveries } => {
            if arguments.json {
                json(out, &serde_json::json!({ "act": act, "deliveries": deliveries }))?;
            } else {
                for delivery in &deliveries {
                    writeln!(
                        out,
                        "{} {delivery}: recorded. `bedfeed explain {}` shows what becomes of it.",
                        act.as_str(),
                        delivery.short()
                    )?;
                }
            }
            Ok(Ending::Fine)
        }
        Answer::Refused { message } => Err(Failure::Failed(message)),
        _ => Err(Failure::Failed("the daemon answered another question".to_owned())),
    }
}
