//! Flags for how a run goes.

use std::str::FromStr;
use std::time::Duration;

use crate::config::RunSettings;
use crate::engine::{Failures, Pace, Sample};

/// Which part of a table a run does.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "How it goes")]
pub(super) struct PartArguments {
    /// Ends after so many documents; the next run goes on behind them
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Does only a fixed part of the documents, such as 1%; the next run does the rest
    #[arg(long, value_name = "PERCENT", conflicts_with = "limit")]
    pub sample: Option<Sample>,
}

/// How a run goes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "How it goes")]
pub(super) struct PaceArguments {
    /// Documents in one transaction, at the most [default: 3000]
    #[arg(long, value_name = "N", env = "HOST_BATCH_SIZE", value_parser = at_least_one)]
    batch_size: Option<usize>,

    /// How long a batch should hold the write lock at the most [default: 50ms]
    #[arg(long, value_name = "TIME", env = "HOST_MAX_LOCK", value_parser = humantime::parse_duration)]
    max_lock: Option<Duration>,

    /// Threads that run the plugin, where batches may be transformed side by side, besides the one that writes, which helps while it waits [default: one less than cores]
    #[arg(long, value_name = "N", env = "HOST_WORKERS", value_parser = at_least_one)]
    workers: Option<usize>,

    /// Documents in a second, at the most, such as 500/s
    #[arg(long, value_name = "N/s", env = "HOST_RATE", value_parser = rate)]
    rate: Option<f64>,

    /// A rest after each batch, such as 10ms
    #[arg(long, value_name = "TIME", env = "HOST_PAUSE", value_parser = humantime::parse_duration)]
    pause: Option<Duration>,

    /// What to do when a document fails: go on, or end after its batch
    #[arg(long, value_name = "quarantine|stop", value_enum, default_value_t)]
    on_error: OnError,

    /// Ends once more documents have failed than this number, or this part such as 5%, judged from the hundredth on
    #[arg(long, value_name = "N|PERCENT", conflicts_with = "on_error")]
    max_failures: Option<MaxFailures>,
}

/// What to do when a document fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum OnError {
    /// Put it into quarantine, and go on
    #[default]
    Quarantine,
    /// End after its batch
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct MaxFailures(Failures);

impl FromStr for MaxFailures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = |number: &str| {
            let share: f64 = number.trim().parse().ok()?;
            (0.0..=100.0)
                .contains(&share)
                .then_some(Failures::Share(share / 100.0))
        };
        match text.strip_suffix('%') {
            Some(number) => share(number),
            None => text.parse().ok().map(Failures::Number),
        }
        .map(Self)
        .ok_or_else(|| "expected a number, or a percentage such as 5%".into())
    }
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1 on".into()),
        Ok(number) => Ok(number),
    }
}

/// Reads `N/s`.
fn rate(text: &str) -> Result<f64, String> {
    text.strip_suffix("/s")
        .unwrap_or(text)
        .parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "expected a number above 0, such as 500/s".into())
}

impl PaceArguments {
    /// The pace, with what the file says where the flags say nothing.
    pub fn pace(&self, file: &RunSettings) -> Pace {
        let default = Pace::default();
        Pace {
            batch_size: self
                .batch_size
                .or(file.batch_size)
                .unwrap_or(default.batch_size),
            max_lock: self.max_lock.or(file.max_lock).unwrap_or(default.max_lock),
            workers: self.workers.or(file.workers),
            limit: default.limit,
            sample: default.sample,
            rate: self.rate,
            pause: self.pause.unwrap_or(default.pause),
            failures: match (self.max_failures, self.on_error) {
                (Some(MaxFailures(failures)), _) => failures,
                (None, OnError::Stop) => Failures::Number(0),
                (None, OnError::Quarantine) => Failures::Quarantine,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_or_shared() {
        let read = |text: &str| text.parse::<MaxFailures>().map(|MaxFailures(read)| read);
        assert_eq!(read("10"), Ok(Failures::Number(10)));
        assert_eq!(read("5%"), Ok(Failures::Share(0.05)));
        assert!(read("-1").is_err());
        assert!(read("101%").is_err());
        assert_eq!(rate("500/s"), Ok(500.0));
        assert!(rate("0").is_err());
    }
}
