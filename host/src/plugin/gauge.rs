//! Measuring what calls use of their limits.
//!
//! Calls are measured only where somebody asks for it ([`super::Work::measured_by`]): a run does not, and pays nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use migration_document::{Change, Edit, Outcome};

use super::CallError;
use super::limits::{Limits, Usage};

/// The highest amount seen, in the unit of its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak(pub u64);

impl Peak {
    /// So much was used.
    pub(super) fn reach(&mut self, amount: u64) {
        self.0 = self.0.max(amount);
    }

    /// So many were used.
    pub(super) fn count(&mut self, amount: usize) {
        self.reach(amount as u64);
    }
}

/// What a limit is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Documents, edits, lines.
    Pieces,
    /// Time.
    Nanoseconds,
}

/// The most that was used of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The limit's name.
    pub name: String,
    /// The most that was used.
    pub used: u64,
    /// What may be used.
    pub limit: u64,
    /// What both are counted in.
    pub unit: Unit,
}

impl Used {
    /// The part of the limit that was used; 1 is all of it.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.used == 0 {
            0.0
        } else {
            self.used as f64 / self.limit.max(1) as f64
        }
    }
}

/// What calls used, added up over any number of them.
#[derive(Debug, Default)]
pub struct Gauge(Mutex<Measured>);

/// What a [`Gauge`] shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// The most that a call used of each limit.
    pub usage: Usage,
    /// How long all calls took.
    pub time: Duration,
    /// How many documents they were for.
    pub documents: u64,
}

impl Gauge {
    /// What was measured so far.
    #[must_use]
    pub fn read(&self) -> Measured {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call is over.
    pub(super) fn note(&self, usage: &Usage, time: Duration, documents: usize) {
        let mut measured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        measured.usage.join(usage);
        measured.time += time;
        measured.documents += documents as u64;
    }
}

impl Usage {
    /// A call for so many documents took so long.
    pub(super) fn took(&mut self, time: Duration, documents: usize) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if documents > 1 {
            self.batch_time.reach(nanoseconds);
        } else {
            self.document_time.reach(nanoseconds);
        }
    }

    /// A call was ended; where by a limit, all of that was used.
    pub(super) fn ended(&mut self, limits: &Limits, error: &CallError) {
        match error {
            CallError::Limit(limit) | CallError::Time(limit) => self.exhaust(limits, limit),
            CallError::Trap(_) | CallError::OutcomeCount { .. } | CallError::Malformed(_) => {}
        }
    }

    /// A call returned these outcomes. Counted is what their texts and lists take, as the runtime does when it
    /// takes them over; its own layouts differ by a few bytes for each.
    pub(super) fn returned(&mut self, outcomes: &[Outcome]) {
        let edit = |edit: &Edit| {
            size_of::<Edit>()
                + match edit {
                    Edit::Set { at, value } => at.len() + value.len(),
                    Edit::Remove { at } => at.len(),
                    Edit::Rename { from, to } => from.len() + to.len(),
                }
        };
        let edits = |edits: &[Edit]| edits.iter().map(edit).sum::<usize>();
        let change = |change: &Change| {
            size_of::<Change>()
                + match change {
                    Change::Insert(new) => {
                        new.table.len() + new.id.as_ref().map_or(0, String::len) + new.body.len()
                    }
                    Change::Edit(at, list) => at.table.len() + at.id.len() + edits(list),
                    Change::Replace(at, body) => at.table.len() + at.id.len() + body.len(),
                    Change::Delete(at) => at.table.len() + at.id.len(),
                }
        };
        let outcome = |outcome: &Outcome| {
            size_of::<Outcome>()
                + match outcome {
                    Outcome::Skip(text) | Outcome::Replace(text) => text.len(),
                    Outcome::Edit(list) => edits(list),
                    Outcome::Delete => 0,
                    Outcome::Changes(list) => list.iter().map(change).sum(),
                    Outcome::Fail(failure) => {
                        failure.code.len()
                            + failure.message.len()
                            + failure.at.as_ref().map_or(0, String::len)
                    }
                }
        };
        self.returned_bytes
            .count(outcomes.iter().map(outcome).sum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(usage: &Usage) -> Vec<(String, f64)> {
        let all = usage.of(&Limits::default()).into_iter();
        all.filter(|used| used.used > 0)
            .map(|used| (used.name.clone(), used.share()))
            .collect()
    }

    #[test]
    fn the_most_is_kept_of_all_calls() {
        let gauge = Gauge::default();
        for (edits, milliseconds) in [(10, 5), (1_000, 2), (20, 0)] {
            let mut usage = Usage::default();
            usage.document_edits.count(edits);
            usage.took(Duration::from_millis(milliseconds), 1);
            gauge.note(&usage, Duration::from_millis(milliseconds), 1);
        }
        let measured = gauge.read();
        assert_eq!(measured.documents, 3);
        assert_eq!(measured.time, Duration::from_millis(7));
        assert_eq!(
            shares(&measured.usage),
            [
                ("document-time".into(), 0.005),
                ("document-edits".into(), 1.0)
            ]
        );
    }

    #[test]
    fn a_limit_that_ended_a_call_is_used_up() {
        let limits = Limits::default();
        for documents in [1, 2] {
            let (_, limit) = limits.call_time(documents);
            let mut usage = Usage::default();
            usage.ended(&limits, &CallError::Time(limit.clone()));
            assert_eq!(shares(&usage), [(limit.name, 1.0)]);
        }
        let mut usage = Usage::default();
        usage.ended(&limits, &CallError::Trap("x".into()));
        assert_eq!(usage, Usage::default());
    }

    #[test]
    fn what_is_returned_is_counted_with_its_texts() {
        let mut usage = Usage::default();
        usage.returned(&[Outcome::Skip("12345".into()), Outcome::Delete]);
        let two = 2 * size_of::<Outcome>() as u64;
        assert_eq!(usage.returned_bytes, Peak(two + 5));
    }
}
