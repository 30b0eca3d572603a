//! The command `host`.

use std::ffi::c_long;
use std::process::ExitCode;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// Batches are passed from thread to thread, and often freed by another one than has made them. The system's allocator
/// makes threads wait for each other over that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator's option `mi_option_purge_delay` (`mimalloc.h`), which the binding has no name for.
const PURGE_DELAY: mi_option_t = 15;

/// How long memory that is free stays with the process, in milliseconds. By default that is a second, in which a run allocates
/// and frees dozens of batches, each where there happens to be room: its memory grew by a third.
const KEPT_FREE: c_long = 100;

fn main() -> ExitCode {
    // SAFETY: it sets a number, and the process has one thread so far.
    unsafe { mi_option_set(PURGE_DELAY, KEPT_FREE) };
    // SAFETY: as above.
    unsafe { host::store::sqlite::keep_no_account_of_memory() };
    host::cli::main(std::env::args_os())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_number_is_that_of_the_allocator() {
        // SAFETY: it reads a number.
        let default = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        // No other option has it.
        assert_eq!(default, 1_000);
    }
}
