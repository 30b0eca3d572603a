//! How a migration stands in a store, as far as the ledger tells.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;

use crate::engine::now;
use crate::ledger::order::{Event, Record};
use crate::ledger::{Run, RunId, RunState};

/// How a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was applied, and no document of it is left that failed.
    Applied,
    /// It went over its table, and documents failed that have not been mended.
    FailuresLeft,
    /// A process works on it.
    Running,
    /// A run of it came to no end; the next one goes on.
    Unfinished,
    /// It is half taken back.
    Undoing,
    /// It was not applied, or was taken back.
    Pending,
}

impl State {
    /// The words for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::FailuresLeft => "failures left",
            Self::Running => "running",
            Self::Unfinished => "unfinished",
            Self::Undoing => "half undone",
            Self::Pending => "pending",
        }
    }

    /// Whether it went over all of its documents.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Applied | Self::FailuresLeft)
    }
}

/// What made a migration an applied one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A run.
    Run(RunId),
    /// Its steps, with their record.
    Steps(Record),
    /// The store was there already.
    Baseline,
}

/// How a migration stands in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How it stands.
    pub state: State,
    /// The version that the store has by it, as it was when it was worked on last.
    pub version: u32,
    /// SHA-256 of what was applied, or accepted in its place since; None for one that is pending.
    pub sha256: Option<String>,
    /// What made it so; None for one that is pending.
    pub by: Option<By>,
    /// When it began.
    pub began: u64,
    /// When it came to its end; for one that did not, when it began.
    pub at: u64,
    /// Documents that failed and are left.
    pub failed: u64,
}

impl Standing {
    /// A migration that the ledger does not know.
    #[must_use]
    pub fn pending(version: u32) -> Self {
        Self {
            state: State::Pending,
            version,
            sha256: None,
            by: None,
            began: 0,
            at: 0,
            failed: 0,
        }
    }
}

/// Everything that the ledger tells of migrations.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// A run of several migrations is one of each.
    runs: BTreeMap<String, Vec<Rc<Run>>>,
    records: BTreeMap<String, Vec<Record>>,
}

impl Known {
    /// Sorts what the ledger holds. `runs` come with the newest first, `records` with the oldest, as the ledger has
    /// them.
    #[must_use]
    pub fn new(runs: Vec<Run>, records: Vec<Record>) -> Self {
        let mut known = Self::default();
        for run in runs {
            // One that takes another back is part of that one's story.
            if run.reverts.is_some() {
                continue;
            }
            let run = Rc::new(run);
            for stage in run.stages.iter() {
                let runs = known.runs.entry(stage.migration.clone()).or_default();
                runs.push(Rc::clone(&run));
            }
        }
        for record in records {
            let records = known.records.entry(record.migration.clone()).or_default();
            records.push(record);
        }
        known
    }

    /// The names of all migrations that the ledger knows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<_> = self.runs.keys().chain(self.records.keys()).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(String::as_str)
    }

    /// The runs of a migration that changed documents and were not taken back, the newest first. `table` is the one
    /// that it is for; other tables were somebody's own idea.
    pub fn in_effect(&self, name: &str, table: Option<&str>) -> impl Iterator<Item = &Run> {
        let own = move |run: &&Run| table.is_none_or(|table| run.table.eq_ignore_ascii_case(table));
        self.runs
            .get(name)
            .into_iter()
            .flatten()
            .map(Rc::as_ref)
            .filter(|run| run.state != RunState::Undone)
            .filter(own)
    }

    /// How a migration stands. `table` is the one that it is for, where that is known.
    #[must_use]
    pub fn standing(&self, name: &str, table: Option<&str>) -> Standing {
        let by_runs = self.by_runs(name, table);
        let mut standing = match (by_runs, self.by_records(name)) {
            // What is half done is told before what was done otherwise.
            (Some(run), Some(_)) if run.state == State::Undoing => run,
            (_, Some(record)) => record,
            (Some(run), None) => run,
            (None, None) => Standing::pending(0),
        };
        if standing.state.is_done() {
            self.accept(name, &mut standing);
        }
        standing
    }

    /// Whether these very bytes have come to their end here, without a document that failed.
    #[must_use]
    pub fn succeeded(&self, name: &str, sha256: &str) -> bool {
        let by_run = self.in_effect(name, None).any(|run| {
            run.state == RunState::Finished
                && run.counters.failed == 0
                && run
                    .stage(name)
                    .is_some_and(|stage| stage.plugin.sha256 == sha256)
        });
        by_run
            || self.by_records(name).is_some_and(
                |standing| matches!(standing.by, Some(By::Steps(record)) if record.sha256 == sha256),
            )
    }

    fn by_runs(&self, name: &str, table: Option<&str>) -> Option<Standing> {
        let runs: Vec<_> = self.in_effect(name, table).collect();
        let with = |state: RunState| runs.iter().find(move |run| run.state == state);
        let (run, state) = match (
            with(RunState::Undoing),
            with(RunState::Finished),
            runs.first(),
        ) {
            (Some(run), _, _) => (run, State::Undoing),
            (None, Some(run), _) if run.counters.failed > 0 => (run, State::FailuresLeft),
            (None, Some(run), _) => (run, State::Applied),
            (None, None, Some(run)) if run.state.goes_on() => {
                let alive = run
                    .lease
                    .as_ref()
                    .is_some_and(|lease| lease.holds_against_this(now()));
                let state = if alive {
                    State::Running
                } else {
                    State::Unfinished
                };
                (run, state)
            }
            _ => return None,
        };
        let stage = run.stage(name)?;
        Some(Standing {
            state,
            version: stage.version,
            sha256: Some(stage.plugin.sha256.clone()),
            by: run.id.map(By::Run),
            began: run.now,
            at: run.ended.unwrap_or(run.now),
            failed: run.counters.failed,
        })
    }

    fn by_records(&self, name: &str) -> Option<Standing> {
        let mut found = None;
        for record in self.records.get(name)? {
            match record.event {
                Event::Applied => found = Some((record, By::Steps(record.clone()))),
                Event::Baseline => found = Some((record, By::Baseline)),
                Event::TakenBack | Event::BaselineForgotten => found = None,
                Event::Accepted => {}
            }
        }
        let (record, by) = found?;
        Some(Standing {
            state: State::Applied,
            version: record.version,
            sha256: Some(record.sha256.clone()),
            by: Some(by),
            began: record.at,
            at: record.at,
            failed: 0,
        })
    }

    /// Puts the bytes that were accepted since into the place of those that were applied.
    fn accept(&self, name: &str, standing: &mut Standing) {
        let accepted = self
            .records
            .get(name)
            .into_iter()
            .flatten()
            .rfind(|record| record.event == Event::Accepted && record.at >= standing.at);
        if let Some(record) = accepted {
            standing.sha256 = Some(record.sha256.clone());
            standing.version = record.version;
        }
    }
}
