//! What comes between two batches: resting, waiting, and giving up.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Failures;
use super::error::RunError;
use super::runner::Runner;
use super::source::Source;
use crate::ledger::{Request, RunState, lease};

/// How long a run waits at a time while it rests or is paused, before it looks around.
const GLANCE: Duration = Duration::from_millis(100);

/// From how many documents on a share of failures is judged.
const JUDGED_FROM: u64 = 100;

impl Runner<'_> {
    /// Why the failures are too many, if they are.
    pub(super) fn too_many_failures(&self) -> Option<String> {
        let counters = self.counters();
        match self.job.pace.failures {
            Failures::Quarantine => None,
            Failures::Number(most) => (counters.failed > most)
                .then(|| format!("{} documents failed, and {most} may", counters.failed)),
            Failures::Share(most) => {
                // Counts are far below 2^53.
                #[expect(clippy::cast_precision_loss)]
                let share = counters.failed as f64 / counters.total.max(1) as f64;
                (counters.total >= JUDGED_FROM && share > most).then(|| {
                    format!(
                        "{} of {} documents failed, and {}% may",
                        counters.failed,
                        counters.total,
                        most * 100.0
                    )
                })
            }
        }
    }

    /// Does what another process asks for.
    pub(super) fn heed(&mut self, request: Option<Request>) -> Result<Option<RunState>, RunError> {
        match request {
            None => Ok(None),
            Some(Request::Cancel) => Ok(Some(RunState::Cancelled)),
            Some(Request::Pause) => {
                self.save(RunState::Paused)?;
                self.journal.paused(&self.started.run);
                let mut renewed = Instant::now();
                let ended = loop {
                    if self.job.stop.load(Ordering::Relaxed) {
                        break Some(RunState::Interrupted);
                    }
                    match self.request()? {
                        None => break None,
                        Some(Request::Cancel) => break Some(RunState::Cancelled),
                        Some(Request::Pause) => std::thread::sleep(GLANCE),
                    }
                    if renewed.elapsed() >= lease::RENEWAL {
                        self.save(RunState::Paused)?;
                        renewed = Instant::now();
                    }
                };
                // Time in which it rested is no work.
                self.worked_before = self.started.run.pace.worked;
                self.counted_until = Instant::now();
                if ended.is_none() {
                    self.save(RunState::Running)?;
                    self.journal.goes_on();
                }
                Ok(ended)
            }
        }
    }

    fn request(&mut self) -> Result<Option<Request>, RunError> {
        match (&mut self.started.writer, self.started.run.id) {
            (Some(writer), Some(id)) => Ok(writer.request(id)?),
            _ => Ok(None),
        }
    }

    /// Rests between batches, as long as the user wants and as other writers need.
    pub(super) fn rest(&mut self, done: u64, source: &mut dyn Source) -> Result<(), RunError> {
        let mut rest = self.job.pace.pause;
        if let Some(writer) = &mut self.started.writer {
            let company = writer.may_have_company();
            rest = rest.max(self.courtesy.rest(Instant::now(), self.held, company));
        }
        if let Some(rate) = self.job.pace.rate {
            // Counts are far below 2^53.
            #[expect(clippy::cast_precision_loss)]
            let due =
                Duration::try_from_secs_f64(self.handled as f64 / rate).unwrap_or(Duration::MAX);
            rest = rest.max(due.saturating_sub(self.began.elapsed()));
        }
        if done == 0 {
            return Ok(());
        }
        let until = Instant::now().checked_add(rest);
        if let Some(writer) = &mut self.started.writer {
            let others = self.courtesy.expects_others(Instant::now());
            writer.tidy_up(others, &mut || source.help())?;
        }
        let mut renewed = Instant::now();
        while !self.job.stop.load(Ordering::Relaxed) {
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            // Whoever asks for a pause or an end must not wait for a slow rate.
            if left.is_zero() || (left > GLANCE && self.request()?.is_some()) {
                return Ok(());
            }
            std::thread::sleep(left.min(GLANCE));
            if renewed.elapsed() >= lease::RENEWAL {
                self.save(RunState::Running)?;
                renewed = Instant::now();
            }
        }
        Ok(())
    }
}
