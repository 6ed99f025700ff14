//! Receipts: what the sender is told. Pure.
