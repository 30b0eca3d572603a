//! A stop-watch for programs: how long one ran, on how much processor time, with how much memory.
//!
//! It is a process of its own for each measurement, because the system tells the peak memory only as the
//! highest of all programs that a process has waited for. It is also small, because a program starts out with
//! the peak of the process that started it.

use std::process::{Command, ExitStatus};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What one program took.
#[derive(Debug, Serialize)]
pub struct Measurement {
    /// From its start to its end.
    pub seconds: f64,
    /// Processor time, its own and the system's on its behalf, over all threads.
    pub cpu_seconds: f64,
    /// The most memory that it held at one time, in bytes.
    pub peak_bytes: u64,
}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be started.
pub fn measure(command: &mut Command) -> Result<(ExitStatus, Measurement)> {
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let seconds = start.elapsed().as_secs_f64();
    let (cpu_seconds, peak_bytes) = of_children()?;
    Ok((
        status,
        Measurement {
            seconds,
            cpu_seconds,
            peak_bytes,
        },
    ))
}

/// Processor time and peak memory of the programs that were waited for.
#[cfg(unix)]
fn of_children() -> Result<(f64, u64)> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;

    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    // Apple counts bytes, everyone else KiB.
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    Ok((
        std::time::Duration::from_micros(u64::try_from(microseconds)?).as_secs_f64(),
        u64::try_from(usage.max_rss())? * unit,
    ))
}

#[cfg(not(unix))]
fn of_children() -> Result<(f64, u64)> {
    anyhow::bail!("memory can be measured on Unix only")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_measured() {
        let (status, measured) = measure(Command::new("sleep").arg("0.05")).unwrap();
        assert!(status.success());
        assert!((0.05..5.0).contains(&measured.seconds), "{measured:?}");
        assert!(measured.cpu_seconds < 1.0, "{measured:?}");
        assert!(measured.peak_bytes > 100_000, "{measured:?}");
    }
}
