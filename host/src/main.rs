//! The command `host`.

use std::process::ExitCode;

/// Documents are allocated by the thread that reads them and freed by the one that writes them. The system's
/// allocator makes threads wait for each other over that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // SAFETY: the process has one thread so far.
    unsafe { host::store::sqlite::keep_no_account_of_memory() };
    host::cli::main(std::env::args_os())
}
