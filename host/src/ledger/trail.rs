//! What a run leaves behind it, so that the next process finds the way: a checkpoint alone does not lead on
//! once its document is gone and the store has numbered its rows anew.

use std::collections::VecDeque;

use migration_document::Filter;
use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::store::Place;

/// How many of the last documents are kept.
pub const KEPT: usize = 32;

/// What a run leaves behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trail {
    /// The last documents that were handled, in the order of their places. None are kept of a table whose
    /// rows cannot be numbered anew.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    last: VecDeque<Checkpoint>,
    /// See [`Writer::numbering`](crate::store::Writer::numbering).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbering: Option<i64>,
    /// The run has added documents to its own table. It leaves them to the next one, so it must not take
    /// the end of the table for its own.
    pub added_here: bool,
    /// The run has changed documents that meet its filter all the same. So the filter does not tell what is
    /// done from what is not.
    pub stays: bool,
}

impl Checkpoint {
    /// Whether the store may move the place elsewhere: it is a row's number, and that is not the key.
    #[must_use]
    pub fn may_move(&self) -> bool {
        match self.place {
            Place::Row(number) => self.id != number.to_string(),
            Place::Key(_) => false,
        }
    }
}

impl Trail {
    /// A document has been handled.
    pub fn pass(&mut self, point: Checkpoint) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(point);
    }

    /// Whether the filter tells what the run has done from what it has not: it leaves out what is done.
    #[must_use]
    pub fn tells_done(&self, filter: &Filter) -> bool {
        !filter.is_met_by_all() && !self.stays
    }

    /// The document that was handled last.
    #[must_use]
    pub fn newest(&self) -> Option<&Checkpoint> {
        self.last.back()
    }

    /// Whether it names every document that was handled.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.last.len() < KEPT
    }

    /// The documents that were handled last, the newest first.
    pub fn back(&self) -> impl Iterator<Item = &Checkpoint> {
        self.last.iter().rev()
    }

    /// Notes what a batch tells of the run as a whole, wherever its documents stand.
    pub fn learn(&mut self, batch: &Self) {
        self.added_here |= batch.added_here;
        self.stays |= batch.stays;
    }

    /// Goes on with what was handled in a further batch.
    pub fn follow(&mut self, batch: Self) {
        self.learn(&batch);
        for point in batch.last {
            if point.may_move() {
                self.pass(point);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(number: i64, id: &str) -> Checkpoint {
        Checkpoint {
            place: Place::Row(number),
            id: id.into(),
        }
    }

    #[test]
    fn only_the_last_documents_are_kept() {
        let mut trail = Trail::default();
        for batch in 0..10 {
            let mut passed = Trail::default();
            for number in batch * 10..batch * 10 + 10 {
                passed.pass(point(number, "a"));
            }
            trail.follow(passed);
        }
        let numbers: Vec<_> = trail.back().map(|point| point.place.clone()).collect();
        let expected: Vec<_> = (100 - KEPT as i64..100).rev().map(Place::Row).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn nothing_is_kept_of_places_that_stand_still() {
        assert!(!point(7, "7").may_move());
        assert!(point(7, "07").may_move());
        let mut passed = Trail::default();
        passed.pass(point(7, "7"));
        let mut trail = Trail::default();
        trail.follow(passed);
        assert_eq!(trail, Trail::default());
    }
}
