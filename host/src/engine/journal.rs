//! What a run tells its log: events of [`tracing`], for whoever has subscribed to them.
//!
//! Events stand in a span `run` that names the migration, the table and the run. The plugin's own lines have
//! the target [`PLUGIN`], and are told once the outcome that they belong to is written. What a run tells of
//! single documents is bounded by the limit `log-rate`: a table may have millions of them.

use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Level as Severity, Span, debug, enabled, event, info, info_span, warn};

use super::report::Report;
use super::{Job, RunError, Task, pipeline};
use crate::ledger::{DocumentFailure, Run};
use crate::plugin::limits::limit;
use crate::plugin::{Clean, Level, Limit};
use crate::store::Advice;

/// The target of the plugin's own lines.
pub const PLUGIN: &str = "plugin";

/// The target of what the host says of a run.
pub const RUN: &str = "host::run";

/// From when on waiting for the write lock is worth a word, and a warning.
const NOTED_WAIT: Duration = Duration::from_millis(10);
const LONG_WAIT: Duration = Duration::from_secs(1);

/// How often it is told, at the most, how many lines were left out.
const SUMMARY: Duration = Duration::from_secs(10);

/// A line of the plugin's, with the id of the document that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub level: Level,
    pub message: Clean,
    /// The migration whose plugin wrote it, where there are several.
    pub migration: Option<String>,
    pub document: Option<String>,
}

/// A batch that was written.
pub(super) struct Committed {
    pub documents: u64,
    pub held: Duration,
    /// How many documents the next one should have.
    pub next: usize,
}

/// The span that everything that a run tells stands in.
pub(super) fn span(job: &Job<'_>) -> Span {
    let table = match &job.task {
        Task::Migrate(migrate) => {
            let table = migrate.table.as_deref();
            Some(table.unwrap_or(&job.stages.first().plugin.manifest.table))
        }
        // The ledger knows it, and has not been asked yet.
        Task::Retry(_) | Task::Revert { .. } => None,
    };
    info_span!(
        target: RUN,
        "run",
        migration = pipeline::name(&job.stages),
        table,
        run = Empty,
        dry_run = job.dry_run,
    )
}

/// Another process works on the table, and is waited for.
pub(super) fn waits_for(other: &RunError) {
    warn!(target: RUN, "waiting: {other}");
}

/// Tells what a run does, within the bounds of what is worth telling.
pub(super) struct Journal {
    table: String,
    rate: Limit,
    lines: Limiter,
    failures: Limiter,
    /// Lines for which there was no room in the plugin's call.
    dropped: u64,
    log_lines: Limit,
    summed_up: Instant,
}

impl Journal {
    pub fn new(table: &str, limits: &crate::plugin::Limits, now: Instant) -> Self {
        Self {
            table: table.into(),
            rate: limit!(limits.log_rate),
            lines: Limiter::new(limits.log_rate.0, now),
            failures: Limiter::new(limits.log_rate.0, now),
            dropped: 0,
            log_lines: limit!(limits.log_lines),
            summed_up: now,
        }
    }

    pub fn began(&self, run: &Run, to_look_at: Option<u64>) {
        self.numbered(run);
        match run.id {
            Some(id) => info!(
                target: RUN,
                documents = to_look_at,
                done = run.counters.total,
                "goes on with run {id}"
            ),
            None => info!(target: RUN, documents = to_look_at, "begins"),
        }
    }

    pub fn ended(&mut self, report: &Report) {
        self.sum_up(Instant::now());
        let counters = &report.counters;
        info!(
            target: RUN,
            state = report.state.name(),
            why = report.why,
            total = counters.total,
            updated = counters.updated,
            skipped = counters.skipped,
            failed = counters.failed,
            inserted = counters.inserted,
            deleted = counters.deleted,
            conflicts = counters.conflicts,
            seconds = report.seconds,
            "ended"
        );
    }

    /// The run has a number: a new one gets it with its first batch.
    pub fn numbered(&self, run: &Run) {
        if let Some(id) = run.id {
            Span::current().record("run", id.0);
        }
    }

    pub fn committed(&self, batch: &Committed) {
        debug!(
            target: RUN,
            documents = batch.documents,
            held_ms = milliseconds(batch.held),
            next = batch.next,
            "batch committed"
        );
    }

    /// Nothing of a batch had to be written.
    pub fn passed_over(&self) {
        debug!(target: RUN, "batch passed over: nothing in it is to be written");
    }

    pub fn lost(&self, conflicts: u64, attempt: u32) {
        debug!(
            target: RUN,
            conflicts,
            attempt, "others have changed what was read; it is transformed again"
        );
    }

    pub fn waited(&self, waited: Duration) {
        let waited_ms = milliseconds(waited);
        if waited >= LONG_WAIT {
            warn!(target: RUN, waited_ms, "another process held the write lock for long");
        } else if waited >= NOTED_WAIT {
            debug!(target: RUN, waited_ms, "waited for the write lock");
        }
    }

    pub fn paused(&self, run: &Run) {
        let run = run.id.map_or(0, |id| id.0);
        warn!(target: RUN, "paused; `host resume {run}` lets it go on");
    }

    pub fn goes_on(&self) {
        info!(target: RUN, "going on");
    }

    pub fn advised(&self, advice: &Advice) {
        warn!(target: RUN, hint = advice.hint, "{}", advice.message);
    }

    /// Documents of a batch that was written have failed.
    pub fn failed(&mut self, failures: &[DocumentFailure]) {
        for failed in failures {
            let DocumentFailure {
                table,
                id,
                migration,
                failure,
            } = failed;
            if enabled!(target: RUN, Severity::INFO) && self.failures.admits(Instant::now()) {
                info!(
                    target: RUN,
                    migration,
                    table,
                    document = id,
                    code = failure.code,
                    at = failure.at,
                    reason = failure.message,
                    "a document failed"
                );
            }
        }
    }

    /// The plugin's lines about what was written.
    pub fn said(&mut self, said: &[Said], dropped: u64) {
        let now = Instant::now();
        for line in said {
            self.line(line, now);
        }
        self.dropped += dropped;
        if now.saturating_duration_since(self.summed_up) >= SUMMARY {
            self.sum_up(now);
        }
    }

    fn line(&mut self, line: &Said, now: Instant) {
        // The level of an event is part of the code that makes it.
        macro_rules! tell {
            ($severity:expr) => {
                if enabled!(target: PLUGIN, $severity) && self.lines.admits(now) {
                    event!(
                        target: PLUGIN,
                        $severity,
                        migration = line.migration.as_deref(),
                        table = line.document.is_some().then_some(self.table.as_str()),
                        document = line.document.as_deref(),
                        "{}",
                        line.message
                    );
                }
            };
        }
        match line.level {
            Level::Debug => tell!(Severity::DEBUG),
            Level::Info => tell!(Severity::INFO),
            Level::Warn => tell!(Severity::WARN),
            Level::Error => tell!(Severity::ERROR),
        }
    }

    /// Tells how much was left out since it was told last.
    fn sum_up(&mut self, now: Instant) {
        self.summed_up = now;
        let rate = &self.rate;
        let lines = self.lines.take_refused();
        if lines > 0 {
            warn!(
                target: PLUGIN,
                "{lines} more lines of the plugin's log are not shown: {rate}"
            );
        }
        let failures = self.failures.take_refused();
        if failures > 0 {
            info!(target: RUN, "{failures} more failures are not shown here: {rate}");
        }
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            warn!(
                target: PLUGIN,
                "{dropped} more lines of the plugin's log were dropped: {}",
                self.log_lines
            );
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Lets through so many a second. What was not used up is saved for one second.
struct Limiter {
    rate: f64,
    left: f64,
    since: Instant,
    refused: u64,
}

impl Limiter {
    fn new(rate: u32, now: Instant) -> Self {
        Self {
            rate: rate.into(),
            left: rate.into(),
            since: now,
            refused: 0,
        }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        self.left = (self.left + passed * self.rate).min(self.rate);
        if self.left < 1.0 {
            self.refused += 1;
            return false;
        }
        self.left -= 1.0;
        true
    }

    fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_pass_in_a_second() {
        let start = Instant::now();
        let mut limiter = Limiter::new(3, start);
        let mut admitted = |tenths: u64| {
            let now = start + Duration::from_millis(100 * tenths);
            (0..10).filter(|_| limiter.admits(now)).count()
        };
        assert_eq!(admitted(0), 3);
        assert_eq!(admitted(1), 0);
        assert_eq!(admitted(4), 1);
        // What is saved is no more than a second's worth.
        assert_eq!(admitted(1_000), 3);
        assert_eq!(limiter.take_refused(), 33);
        assert_eq!(limiter.take_refused(), 0);
    }

    #[test]
    fn none_pass_where_none_may() {
        let start = Instant::now();
        let mut limiter = Limiter::new(0, start);
        assert!(!limiter.admits(start + Duration::from_secs(9)));
    }
}
