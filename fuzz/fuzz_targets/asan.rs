//! What AddressSanitizer is told before anything runs.

use std::ffi::c_char;

/// SQLite is C in one file and comes instrumented too; the C compiler and Rust's run-time library disagree about its
/// constants of equal names, which is reported as a violation of the one-definition rule at the start. Nothing here is
/// about C, so that one check is left out.
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const c_char {
    c"detect_odr_violation=0".as_ptr()
}
