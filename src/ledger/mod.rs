//! Ledger: the durable record of every delivery, stage, alert and audit event.
