//! The log: messages as lines with fields to search by. It never fails.

use crate::alerts::{AlertKind, AlertMessage};

pub(super) fn log(message: &AlertMessage) {
    let provider = message.provider.as_ref().map_or("", |provider| provider.as_str());
    let (problem, key) = (message.problem.as_str(), message.key.as_str());
    match message.kind {
        AlertKind::Begin | AlertKind::Reminder | AlertKind::Escalation => {
            tracing::warn!(provider, problem, key, "{}. {}", message.title, message.text)
        }
        AlertKind::End => tracing::info!(provider, problem, key, "{}. {}", message.title, message.text),
    }
}

#[cfg(test)]
mod tests {
    use crate::alerts::channels::testing::{late, outgoing};
    use crate::alerts::{AlertKind, AlertMessage, Channel, send};
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    /// A log that a test can read.
    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_warns_of_a_beginning_and_informs_of_an_end_with_fields_to_search_by() {
        let begin = late();
        let end = AlertMessage { kind: AlertKind::End, key: "RM1/late/2018-12-03T10:15Z/end".into(), ..late() };
        for (message, level) in [(begin, "WARN"), (end, "INFO")] {
            let shown = Shown::default();
            let writer = shown.clone();
            let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
            tracing::subscriber::with_default(subscriber, || send(&Channel::Log, &outgoing(&message))).unwrap();
            let line: serde_json::Value = serde_json::from_slice(&shown.0.lock().unwrap()).unwrap();
            assert_eq!(line["level"], level);
            let fields = &line["fields"];
            assert_eq!((&fields["provider"], &fields["problem"], &fields["key"]), (&"RM1".into(), &"late".into(), &message.key.into()));
            assert!(fields["message"].as_str().unwrap().starts_with("RM1 Norfolk and Norwich: a file is late. No file"));
        }
    }
}
