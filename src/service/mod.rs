//! Service: clock, tasks, start and stop, control socket, wiring. Refuses business rules.
