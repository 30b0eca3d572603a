//! The command `host`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match host::cli::main(std::env::args_os()) {
        Ok(status) => status,
        Err(error) => {
            error.print();
            ExitCode::from(error.status())
        }
    }
}
