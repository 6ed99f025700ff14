//! Quarantine: rejected deliveries wait here with their findings. Refuses to judge.
