//! Simulator: realistic providers for the demo, the load generator and the tests.
