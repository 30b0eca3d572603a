//! The lookups of a batch: what was asked, and what is known.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use migration_document::Test;

use crate::host::{Answer, Host, LookupError};
use crate::{Condition, Document};

/// One lookup. Questions are ordered, so that what is asked twice is fetched once, always in the
/// same order, and those that go into one call stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    table: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The document with this key.
    Get(String),
    /// The first so many documents that meet the conditions.
    Find(u32, Vec<Condition>),
}

impl Question {
    pub(crate) fn get(table: &str, id: String) -> Self {
        Self {
            table: table.to_owned(),
            kind: Kind::Get(id),
        }
    }

    pub(crate) fn find(table: &str, conditions: Vec<Condition>, limit: u32) -> Self {
        Self {
            table: table.to_owned(),
            kind: Kind::Find(limit, conditions),
        }
    }

    /// Whether one call of the host can answer both.
    fn shares_a_call_with(&self, other: &Self) -> bool {
        self.table == other.table
            && match (&self.kind, &other.kind) {
                (Kind::Get(_), Kind::Get(_)) => true,
                (Kind::Find(mine, _), Kind::Find(theirs, _)) => mine == theirs,
                _ => false,
            }
    }
}

impl Ord for Question {
    fn cmp(&self, other: &Self) -> Ordering {
        self.table
            .cmp(&other.table)
            .then_with(|| match (&self.kind, &other.kind) {
                (Kind::Get(mine), Kind::Get(theirs)) => mine.cmp(theirs),
                (Kind::Get(_), Kind::Find(..)) => Ordering::Less,
                (Kind::Find(..), Kind::Get(_)) => Ordering::Greater,
                (Kind::Find(mine, conditions), Kind::Find(theirs, others)) => {
                    mine.cmp(theirs).then_with(|| {
                        let conditions = conditions.iter().map(comparable);
                        conditions.cmp(others.iter().map(comparable))
                    })
                }
            })
    }
}

impl PartialOrd for Question {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A condition's pointer, the place of its test among the tests, and its values.
fn comparable(condition: &Condition) -> (&str, u8, &[String]) {
    let (test, values) = match &condition.test {
        Test::Present => (0, &[][..]),
        Test::Missing => (1, &[][..]),
        Test::Equals(value) => (2, std::slice::from_ref(value)),
        Test::NotEquals(value) => (3, std::slice::from_ref(value)),
        Test::LessThan(value) => (4, std::slice::from_ref(value)),
        Test::AtLeast(value) => (5, std::slice::from_ref(value)),
        Test::OneOf(values) => (6, values.as_slice()),
    };
    (&condition.at, test, values)
}

/// The documents that a question led to: one at most for a [`Question::get`].
type Found = Result<Vec<Document>, LookupError>;

/// What the host has answered so far, for one batch. It lives no longer than the batch, because
/// only within a batch do all lookups see the same state of the store.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<Question, Found>);

impl Answers {
    pub(crate) fn to(&self, question: &Question) -> Option<&Found> {
        self.0.get(question)
    }

    /// Asks the host, with as few calls as there are tables and kinds of lookups.
    pub(crate) fn fetch(&mut self, mut questions: Vec<Question>, host: &dyn Host) {
        questions.sort_unstable();
        questions.dedup();
        for group in questions.chunk_by(Question::shares_a_call_with) {
            let found = match call(group, host) {
                Ok(found) if found.len() == group.len() => found.into_iter().map(Ok).collect(),
                Ok(found) => failed(
                    group,
                    &LookupError::Store(format!(
                        "the host gave {} answers to {} lookups",
                        found.len(),
                        group.len()
                    )),
                ),
                Err(error) => failed(group, &error),
            };
            self.0.extend(group.iter().cloned().zip(found));
        }
    }
}

/// The same error for every question of a call.
fn failed(questions: &[Question], error: &LookupError) -> Vec<Found> {
    questions.iter().map(|_| Err(error.clone())).collect()
}

/// One call of the host. All questions share it.
fn call(questions: &[Question], host: &dyn Host) -> Answer<Vec<Document>> {
    match questions.first() {
        None => Ok(Vec::new()),
        Some(Question {
            table,
            kind: Kind::Get(_),
        }) => {
            let ids: Vec<String> = questions.iter().filter_map(Question::id).collect();
            let found = host.get_many(table, &ids)?;
            Ok(found.into_iter().map(Vec::from_iter).collect())
        }
        Some(Question {
            table,
            kind: Kind::Find(limit, _),
        }) => {
            let queries: Vec<Vec<Condition>> =
                questions.iter().filter_map(Question::conditions).collect();
            host.find_many(table, &queries, *limit)
        }
    }
}

impl Question {
    fn id(&self) -> Option<String> {
        match &self.kind {
            Kind::Get(id) => Some(id.clone()),
            Kind::Find(..) => None,
        }
    }

    fn conditions(&self) -> Option<Vec<Condition>> {
        match &self.kind {
            Kind::Get(_) => None,
            Kind::Find(_, conditions) => Some(conditions.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::at;

    /// A host that leaves the last answer out.
    struct Forgetful;

    impl Host for Forgetful {
        fn get_many(&self, _: &str, ids: &[String]) -> Answer<Option<Document>> {
            Ok(ids.iter().skip(1).map(|_| None).collect())
        }
        fn find_many(&self, _: &str, _: &[Vec<Condition>], _: u32) -> Answer<Vec<Document>> {
            Ok(Vec::new())
        }
        fn now(&self) -> u64 {
            0
        }
        fn param(&self, _: &str) -> Option<String> {
            None
        }
        fn secret(&self, _: &str) -> Option<String> {
            None
        }
        fn new_id(&self, _: &str, _: &str) -> String {
            String::new()
        }
        fn log(&self, _: crate::Level, _: &str, _: usize) {}
    }

    #[test]
    fn too_few_answers_are_given_to_nobody() {
        let questions = ["a", "b"].map(|id| Question::get("t", id.into()));
        let mut answers = Answers::default();
        answers.fetch(questions.to_vec(), &Forgetful);
        for question in &questions {
            let error = LookupError::Store("the host gave 1 answers to 2 lookups".into());
            assert_eq!(answers.to(question), Some(&Err(error)));
        }
    }

    #[test]
    fn questions_that_differ_are_not_taken_for_one() {
        let find =
            |limit, conditions: &[Condition]| Question::find("t", conditions.to_vec(), limit);
        let questions = [
            Question::get("t", "a".into()),
            Question::get("u", "a".into()),
            Question::get("t", "b".into()),
            find(1, &[]),
            find(1, &[at("/a").present()]),
            find(2, &[at("/a").present()]),
            find(1, &[at("/a").missing()]),
            find(1, &[at("/a").equals(1)]),
            find(1, &[at("/a").not_equals(1)]),
            find(1, &[at("/a").less_than(1)]),
            find(1, &[at("/a").at_least(1)]),
            find(1, &[at("/a").one_of([1])]),
            find(1, &[at("/a").one_of([1, 2])]),
            find(1, &[at("/a").equals("1")]),
            find(1, &[at("/b").equals(1)]),
            find(1, &[at("/a").equals(1), at("/b").equals(1)]),
        ];
        let distinct: BTreeSet<_> = questions.iter().cloned().collect();
        assert_eq!(distinct.len(), questions.len());
        let calls = Vec::from_iter(distinct);
        let calls = calls.chunk_by(Question::shares_a_call_with).count();
        assert_eq!(calls, 4); // t: gets, finds of limit 1, of limit 2; u: gets
    }
}
