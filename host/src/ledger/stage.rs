//! The stages of a run: what each migration has done in it, and what was counted there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Counters, PluginFile, Run};

/// A migration's part in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The migration's name.
    pub migration: String,
    /// The schema version that the store has once it is done.
    pub version: u32,
    /// The plugin that worked on it last.
    pub plugin: PluginFile,
    /// SHA-256 of the plugins that worked on it before, the oldest first: failed documents may be tried
    /// again with another one.
    pub earlier_plugins: Vec<String>,
    /// Parameters: names and JSON texts.
    pub parameters: BTreeMap<String, String>,
    /// What was counted of the documents that this stage handled, in a run of several; the run's own counters tell it
    /// of a single one. A document that failed counts where it failed, and at no other stage: nothing of it was written.
    pub counters: Counters,
}

impl Run {
    /// The migrations' names: of several joined by `+`, which is in no name.
    #[must_use]
    pub fn name(&self) -> String {
        joined(self.stages.iter().map(|stage| stage.migration.as_str()))
    }

    /// A migration's part in it.
    #[must_use]
    pub fn stage(&self, migration: &str) -> Option<&Stage> {
        self.stages
            .iter()
            .find(|stage| stage.migration == migration)
    }

    /// What it has counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let several = self.stages.are_several();
        let stages = self.stages.iter().filter(|_| several);
        Tally {
            run: self.counters.clone(),
            stages: stages.map(|stage| stage.counters.clone()).collect(),
        }
    }

    /// Begins to count anew. Returns what it had counted.
    pub fn take_tally(&mut self) -> Tally {
        let tally = self.tally();
        self.counters = Counters::default();
        for stage in self.stages.iter_mut() {
            stage.counters = Counters::default();
        }
        tally
    }

    /// Counts what it has counted as documents that it had counted as failed before, and were tried again. Returns that.
    pub fn amend(&mut self, before: Tally) -> Tally {
        let tried = self.take_tally();
        self.counters = before.run;
        self.counters.amend(&tried.run);
        for ((stage, before), tried) in self.stages.iter_mut().zip(before.stages).zip(&tried.stages)
        {
            stage.counters = before;
            stage.counters.add(tried);
        }
        tried
    }

    /// Takes back that a document was counted as failed at a stage: it is counted anew.
    pub fn forget_failure(&mut self, migration: &str) {
        let mut stages = self.stages.iter_mut();
        if let Some(stage) = stages.find(|stage| stage.migration == migration) {
            let counters = &mut stage.counters;
            counters.failed = counters.failed.saturating_sub(1);
            counters.total = counters.total.saturating_sub(1);
        }
    }
}

/// What a run has counted, and where it has several stages, what was counted at each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of the run.
    pub run: Counters,
    /// At each stage; of none where there is only one.
    pub stages: Vec<Counters>,
}

impl Tally {
    /// Adds what was counted besides.
    pub fn add(&mut self, others: &Self) {
        self.run.add(&others.run);
        self.stages
            .resize_with(others.stages.len(), Counters::default);
        for (counters, others) in self.stages.iter_mut().zip(&others.stages) {
            counters.add(others);
        }
    }
}

/// Names of migrations as that of their pipeline.
pub fn joined<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().collect::<Vec<_>>().join("+")
}

impl Stage {
    /// Puts another plugin in charge, which says the version; the one before is remembered.
    pub fn hand_over(&mut self, plugin: PluginFile, version: u32) {
        self.version = version;
        let before = std::mem::replace(&mut self.plugin, plugin);
        if before.sha256 != self.plugin.sha256 {
            self.earlier_plugins.push(before.sha256);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(total: u64, updated: u64, failed: u64) -> Counters {
        Counters {
            total,
            updated,
            failed,
            ..Counters::default()
        }
    }

    #[test]
    fn what_was_tried_is_added_at_every_stage() {
        let mut all = Tally::default();
        for _ in 0..2 {
            all.add(&Tally {
                run: counters(3, 2, 1),
                stages: vec![counters(2, 2, 0), counters(3, 2, 1)],
            });
        }
        assert_eq!(all.run, counters(6, 4, 2));
        assert_eq!(all.stages, [counters(4, 4, 0), counters(6, 4, 2)]);
    }

    #[test]
    fn names_are_joined_by_what_is_in_no_name() {
        assert_eq!(joined(["a-b", "c"]), "a-b+c");
        assert!(crate::plugin::check_name("a+b").is_err());
    }
}
