//! What should be true of every migration: the same in gives the same out, applied to its own result it rests, and its
//! `revert` gives back what was.

use std::collections::BTreeMap;

use migration_document::{Failure, diff};

use super::super::apply::Verdict;
use super::super::error::RunError;
use super::super::intent::meets;
use super::{Done, OwnedChange, Told, Trial, Way};
use crate::plugin::world::lock;
use crate::store::{Document, Reach};

/// A document of which the plugin said different things.
pub(super) struct Differs {
    /// Its place in the batch.
    pub place: usize,
    /// What was said, in words.
    pub problem: String,
}

/// What comes of applying a migration to its own result.
pub(super) enum Again {
    /// Nothing, as it should.
    Rests,
    /// It changes something.
    Changes(Vec<OwnedChange>),
    /// The document fails.
    Fails(Failure),
}

impl Again {
    /// What is wrong with it, and what would change; None where nothing is.
    pub fn problem(self) -> Option<(String, Vec<OwnedChange>)> {
        match self {
            Self::Rests => None,
            Self::Changes(changes) => {
                Some(("applied to its own result it changes again".into(), changes))
            }
            Self::Fails(Failure { code, message, .. }) => Some((
                format!("applied to its own result it fails: {message} ({code})"),
                Vec::new(),
            )),
        }
    }
}

/// A document that `revert` does not give back.
pub(super) struct Unreverted {
    pub table: String,
    pub id: String,
    pub problem: String,
    /// From what was to what is.
    pub change: Option<OwnedChange>,
}

impl Trial {
    /// Has documents told of once more in other company, and finds those of which something else is said.
    pub fn differing(
        &self,
        way: Way<'_>,
        documents: &[Document],
        first: &[Told],
    ) -> Result<Vec<Differs>, RunError> {
        let mut differing = Vec::new();
        let again = self.tell_otherwise(way, documents)?;
        for (place, (once, again)) in first.iter().zip(&again).enumerate() {
            let Some(document) = documents.get(place).filter(|_| once != again) else {
                continue;
            };
            differing.push(Differs {
                place,
                problem: format!(
                    "in one batch {}; in another {}; {}",
                    once.words(self.secrets()),
                    again.words(self.secrets()),
                    self.alone(way, document)?
                ),
            });
        }
        Ok(differing)
    }

    /// What is said of a document that shares its batch with none, in words.
    fn alone(&self, way: Way<'_>, document: &Document) -> Result<String, RunError> {
        let mut words = Vec::new();
        for _ in 0..2 {
            let told = self.tell(way, std::slice::from_ref(document))?;
            words.extend(told.iter().map(|told| told.words(self.secrets())));
        }
        words.dedup();
        Ok(format!("alone {}", words.join(", and then ")))
    }

    /// What the plugin says of documents in other batches than one with all of them in order: with other neighbours,
    /// and of other sizes.
    fn tell_otherwise(&self, way: Way<'_>, documents: &[Document]) -> Result<Vec<Told>, RunError> {
        let order = other_order(documents.len());
        let mut told = BTreeMap::new();
        let mut rest = order.as_slice();
        let mut size = 1;
        while !rest.is_empty() {
            let (places, behind) = rest.split_at(size.min(rest.len()));
            let part: Vec<_> = places
                .iter()
                .filter_map(|place| documents.get(*place).cloned())
                .collect();
            told.extend(places.iter().copied().zip(self.tell(way, &part)?));
            rest = behind;
            size *= 2;
        }
        Ok(told.into_values().collect())
    }

    /// Applies the migration to what it has made of documents. For each of them, in order.
    pub fn again(&self, way: Way<'_>, done: &[Done]) -> Result<Vec<Again>, RunError> {
        let changed: Vec<_> = done
            .iter()
            .enumerate()
            .filter(|(_, done)| done.verdict == Verdict::Updated)
            .collect();
        let ids: Vec<_> = changed
            .iter()
            .map(|(_, done)| done.document.id.to_string())
            .collect();
        let mut places = Vec::new();
        let mut documents = Vec::new();
        for ((place, _), now) in changed.into_iter().zip(self.now(&ids)?) {
            if let Some(now) = now.filter(|now| meets(way.filter, &now.body)) {
                places.push(place);
                documents.push(now);
            }
        }
        let told = self.tell(way, &documents)?;
        let mut all: Vec<_> = done.iter().map(|_| Again::Rests).collect();
        for ((place, document), told) in places.into_iter().zip(&documents).zip(told) {
            let (effect, changes) = self.effect(document, told.intent)?;
            let again = match effect.verdict {
                Verdict::Failed(failure) => Again::Fails(failure),
                _ if changes.is_empty() => Again::Rests,
                _ => Again::Changes(changes),
            };
            if let Some(slot) = all.get_mut(place) {
                *slot = again;
            }
        }
        Ok(all)
    }

    /// Has `revert` take back what was done, and finds what is not as it was.
    pub fn unreverted(&self, back: Way<'_>, done: &[Done]) -> Result<Vec<Unreverted>, RunError> {
        let table = &self.scope.table.name;
        let mut found = Vec::new();
        let mut ids = Vec::new();
        // As in a run: what was done last is taken back first.
        for done in done.iter().rev() {
            match done.verdict {
                Verdict::Updated => ids.push(done.document.id.to_string()),
                Verdict::Deleted => found.push(Unreverted {
                    table: table.clone(),
                    id: done.document.id.to_string(),
                    problem: "the migration deletes it, and `revert` is given only what is there"
                        .into(),
                    change: None,
                }),
                Verdict::Skipped(_) | Verdict::Failed(_) => {}
            }
        }
        let documents: Vec<_> = self.now(&ids)?.into_iter().flatten().collect();
        let told = self.tell(back, &documents)?;
        let reverted = self.carry_out(back, documents, told)?;
        // What became of a document is the reason why it is not as it was.
        let mut why: BTreeMap<(&str, &str), String> = reverted
            .iter()
            .filter_map(|reverted| {
                let words = match &reverted.verdict {
                    Verdict::Failed(failure) => {
                        format!("`revert` fails: {} ({})", failure.message, failure.code)
                    }
                    Verdict::Skipped(reason) => format!("`revert` skips it: {reason}"),
                    Verdict::Updated | Verdict::Deleted => return None,
                };
                Some(((table.as_str(), reverted.document.id.as_str()), words))
            })
            .collect();
        for (at, before) in originals(done) {
            let now = self.body_of(at)?;
            if same(before, now.as_deref()) {
                continue;
            }
            let deleted = at.0 == table && found.iter().any(|found| found.id == at.1);
            if deleted {
                continue;
            }
            found.push(Unreverted {
                table: at.0.into(),
                id: at.1.into(),
                problem: why.remove(&at).unwrap_or_else(|| {
                    let words = match (before, &now) {
                        (None, _) => "the migration inserts it, and `revert` leaves it",
                        (_, None) => "`revert` deletes it",
                        (Some(_), Some(_)) => "`revert` makes something else of it",
                    };
                    words.into()
                }),
                change: Some(OwnedChange {
                    table: at.0.into(),
                    id: at.1.into(),
                    before: before.map(str::to_owned),
                    after: now,
                }),
            });
        }
        Ok(found)
    }

    /// The body of a document that was changed, as it is by now.
    fn body_of(&self, (table, id): (&str, &str)) -> Result<Option<String>, RunError> {
        let writable = self.scope.rights.first().writable.values();
        let Some(table) = writable.into_iter().find(|known| known.name == table) else {
            return Ok(None);
        };
        let found = lock(&self.reader).get(table, &[id.to_owned()], Reach::ANY)?;
        Ok(found
            .into_iter()
            .flatten()
            .next()
            .map(|found| found.body.into()))
    }
}

/// What documents were before any of the changes, by table and key.
fn originals(done: &[Done]) -> BTreeMap<(&str, &str), Option<&str>> {
    let mut originals = BTreeMap::new();
    for change in done.iter().flat_map(|done| &done.changes) {
        originals
            .entry((change.table.as_str(), change.id.as_str()))
            .or_insert(change.before.as_deref());
    }
    originals
}

/// Whether two bodies mean the same.
fn same(before: Option<&str>, now: Option<&str>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => diff(before, now).is_ok_and(|edits| edits.is_empty()),
        (before, now) => before == now,
    }
}

/// So many places in another order, in which nearly all have other neighbours: every other one from behind, then
/// the rest.
fn other_order(count: usize) -> Vec<usize> {
    let odd = (0..count).skip(1).step_by(2).rev();
    odd.chain((0..count).step_by(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_order_has_every_place_and_other_neighbours() {
        assert_eq!(other_order(7), [5, 3, 1, 0, 2, 4, 6]);
        for count in 0..50 {
            let mut order = other_order(count);
            let neighbours = order
                .windows(2)
                .filter(|pair| pair[0].abs_diff(pair[1]) == 1)
                .count();
            assert!(neighbours <= 1);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..count));
        }
    }

    #[test]
    fn bodies_are_the_same_where_they_mean_the_same() {
        assert!(same(
            Some(r#"{"a": 1.0, "b": 2}"#),
            Some(r#"{"b":2,"a":1}"#)
        ));
        assert!(!same(Some(r#"{"a":1}"#), Some(r#"{"a":2}"#)));
        assert!(!same(None, Some("{}")));
        assert!(same(None, None));
    }
}
