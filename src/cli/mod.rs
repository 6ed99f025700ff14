//! Command line: the commands and how they print.
