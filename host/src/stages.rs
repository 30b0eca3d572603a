//! The stages of a pipeline.

use serde::{Deserialize, Serialize};

/// Something of each stage of a pipeline, in order: of one at the least. One plugin is a pipeline of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>", into = "Vec<T>")]
#[serde(bound(serialize = "T: Clone + Serialize"))]
pub struct Stages<T> {
    first: T,
    rest: Vec<T>,
}

impl<T> Stages<T> {
    /// That of a single stage.
    pub const fn one(only: T) -> Self {
        Self {
            first: only,
            rest: Vec::new(),
        }
    }

    /// Those of several stages; None where there are none.
    #[must_use]
    pub fn new(all: Vec<T>) -> Option<Self> {
        let mut all = all.into_iter();
        Some(Self {
            first: all.next()?,
            rest: all.collect(),
        })
    }

    /// That of the first stage.
    pub const fn first(&self) -> &T {
        &self.first
    }

    /// Those behind the first.
    #[must_use]
    pub fn rest(&self) -> &[T] {
        &self.rest
    }

    /// That of the only stage; None where there are several.
    #[must_use]
    pub fn only(&self) -> Option<&T> {
        self.rest.is_empty().then_some(&self.first)
    }

    /// Whether there is more than one.
    #[must_use]
    pub fn are_several(&self) -> bool {
        !self.rest.is_empty()
    }

    /// That of the stage with this number, from 0.
    #[must_use]
    pub fn get(&self, stage: usize) -> Option<&T> {
        match stage.checked_sub(1) {
            None => Some(&self.first),
            Some(behind) => self.rest.get(behind),
        }
    }

    /// One after the other.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// One after the other, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.first).chain(&mut self.rest)
    }

    /// The same, lent.
    pub fn each(&self) -> Stages<&T> {
        Stages {
            first: &self.first,
            rest: self.rest.iter().collect(),
        }
    }

    /// Two things of each stage. Those that one has more of are left out.
    pub fn zip<U>(self, others: Stages<U>) -> Stages<(T, U)> {
        Stages {
            first: (self.first, others.first),
            rest: self.rest.into_iter().zip(others.rest).collect(),
        }
    }

    /// Something else of each stage.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Stages<U> {
        Stages {
            first: of(self.first),
            rest: self.rest.into_iter().map(of).collect(),
        }
    }

    /// Something else of each stage.
    ///
    /// # Errors
    /// The first that there is.
    pub fn try_map<U, E>(self, mut of: impl FnMut(T) -> Result<U, E>) -> Result<Stages<U>, E> {
        Ok(Stages {
            first: of(self.first)?,
            rest: self.rest.into_iter().map(of).collect::<Result<_, E>>()?,
        })
    }
}

impl<T> IntoIterator for Stages<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::iter::Once<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.rest)
    }
}

impl<T> From<Stages<T>> for Vec<T> {
    fn from(stages: Stages<T>) -> Self {
        stages.into_iter().collect()
    }
}

impl<T> TryFrom<Vec<T>> for Stages<T> {
    type Error = &'static str;

    fn try_from(all: Vec<T>) -> Result<Self, Self::Error> {
        Self::new(all).ok_or("a pipeline has a stage at the least")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_keep_their_order() {
        let stages = Stages::new(vec![1, 2, 3]).unwrap();
        assert_eq!(stages.iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(stages.each().map(|stage| stage * 2).rest(), [4, 6]);
        let found: Vec<_> = (0..4).map(|stage| stages.get(stage).copied()).collect();
        assert_eq!(found, [Some(1), Some(2), Some(3), None]);
        assert_eq!((stages.only(), Stages::one(7).only()), (None, Some(&7)));
        assert_eq!(
            stages.try_map(|stage| if stage < 3 { Ok(stage) } else { Err(stage) }),
            Err(3)
        );
    }

    #[test]
    fn there_are_none_without_a_stage() {
        assert_eq!(Stages::<u8>::new(Vec::new()), None);
        assert!(serde_json::from_str::<Stages<u8>>("[]").is_err());
        let stages: Stages<u8> = serde_json::from_str("[1,2]").unwrap();
        assert_eq!(serde_json::to_string(&stages).unwrap(), "[1,2]");
    }
}
