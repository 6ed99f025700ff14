//! What people were told: the messages that the log channel wrote, caught on their way.

use std::fmt::Debug;
use std::sync::{Mutex, Once, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();

/// Hears the log channel of this process and nothing else.
struct Ear;

/// Begins to listen.
pub(crate) fn listen() {
    LISTENING.call_once(|| tracing::subscriber::set_global_default(Ear).unwrap());
    take();
}

/// The keys that were told since the last look, in order.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut *TOLD.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "bedfeed::alerts::channels::log"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Key);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Notes the field `key`.
struct Key;

impl Visit for Key {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "key" {
            TOLD.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
