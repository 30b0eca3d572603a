//! A batch in one piece: documents, or what is said of them, as one text with all of theirs and a list of numbers that
//! tells what is what.
//!
//! It says what the interface's `list<document>` and `list<outcome>` say, for a fraction of the cost: strings that cross
//! into a sandbox and out of it one by one are allocated, copied and checked one by one. `wit/migration.wit` has the
//! format.
//!
//! ```
//! use migration_document::packed::Pack;
//! use migration_document::{Edit, Outcome};
//! let said = vec![Outcome::Delete, Outcome::Edit(vec![Edit::Remove { at: "/a".into() }])];
//! let mut pack = Pack::default();
//! said.iter().for_each(|outcome| pack.push(outcome));
//! assert_eq!((&*pack.text, &*pack.numbers), ("/a", &[3, 1, 1, 1, 2][..]));
//! assert_eq!(pack.outcomes(2, usize::MAX), Ok(said));
//! ```

use std::borrow::Cow;
use std::slice;

use thiserror::Error;

use crate::{Change, Edit, Failure, Insertion, Outcome, Reference};

/// Values in one piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pack {
    /// Their texts, one behind the other.
    pub text: String,
    /// Numbers in unsigned LEB128: for each text its length in bytes, for a list how many items follow, for a variant which
    /// case it is, for an option whether there is one.
    pub numbers: Vec<u8>,
}

/// Why something holds no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnpackError {
    /// It does not follow the format.
    #[error("its numbers and its text do not fit together")]
    Malformed,
    /// They would take more memory than they may.
    #[error("it takes more memory than it may")]
    TooLarge,
}

/// A case of a variant, by its number in `wit/migration.wit`.
mod case {
    pub(super) const SKIP: usize = 0;
    pub(super) const EDIT: usize = 1;
    pub(super) const REPLACE: usize = 2;
    pub(super) const DELETE: usize = 3;
    pub(super) const CHANGES: usize = 4;
    pub(super) const FAIL: usize = 5;

    pub(super) const SET: usize = 0;
    pub(super) const REMOVE: usize = 1;
    pub(super) const RENAME: usize = 2;

    pub(super) const INSERT: usize = 0;
    pub(super) const EDIT_OTHER: usize = 1;
    pub(super) const REPLACE_OTHER: usize = 2;
    pub(super) const DELETE_OTHER: usize = 3;
}

impl Pack {
    /// Adds a text.
    #[inline(always)]
    pub fn push_text(&mut self, text: &str) {
        self.push_length(text.len());
        self.text.push_str(text);
    }

    /// Adds what tells of a text of so many bytes, for those who have the texts in one piece elsewhere.
    #[inline(always)]
    pub fn push_length(&mut self, bytes: usize) {
        self.number(bytes);
    }

    /// Adds an outcome.
    pub fn push(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Skip(reason) => self.case(case::SKIP, [reason]),
            Outcome::Edit(edits) => {
                self.number(case::EDIT);
                self.list(edits, Self::edit);
            }
            Outcome::Replace(body) => self.case(case::REPLACE, [body]),
            Outcome::Delete => self.number(case::DELETE),
            Outcome::Changes(changes) => {
                self.number(case::CHANGES);
                self.list(changes, Self::change);
            }
            Outcome::Fail(Failure { code, message, at }) => {
                self.case(case::FAIL, [code, message]);
                self.option(at.as_ref());
            }
        }
    }

    /// Its texts, where it has nothing else; up to the first that is none.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let mut unpacking = self.unpacking(usize::MAX);
        std::iter::from_fn(move || {
            let text = unpacking.text();
            unpacking.error.is_none().then_some(text)
        })
    }

    /// Its outcomes, which may take so many bytes of memory. They should be as many as `expected`. Most of their texts are
    /// lent out of its own.
    ///
    /// # Errors
    /// If they take more, or it holds anything else.
    pub fn outcomes(&self, expected: usize, room: usize) -> Result<Vec<Outcome<'_>>, UnpackError> {
        let mut unpacking = self.unpacking(room);
        let mut outcomes = Vec::with_capacity(expected.min(self.numbers.len()));
        while !unpacking.numbers.as_slice().is_empty() {
            unpacking.take::<Outcome>(1);
            unpacking.outcome(&mut outcomes);
        }
        match unpacking {
            Unpacking {
                error: Some(error), ..
            } => Err(error),
            Unpacking { rest: "", .. } => Ok(outcomes),
            _ => Err(UnpackError::Malformed),
        }
    }

    fn unpacking(&self, room: usize) -> Unpacking<'_> {
        Unpacking {
            rest: &self.text,
            numbers: self.numbers.iter(),
            room,
            error: None,
        }
    }

    #[inline(always)]
    fn number(&mut self, number: usize) {
        // Most are small. In a sandbox each turn of a loop is looked at, whether time is up.
        if number < 0x80 {
            self.numbers.push(number as u8);
        } else {
            self.large_number(number);
        }
    }

    #[inline(never)]
    fn large_number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.numbers.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.numbers.push(number as u8);
    }

    #[inline(always)]
    fn case<const N: usize>(&mut self, case: usize, texts: [&str; N]) {
        self.number(case);
        texts.into_iter().for_each(|text| self.push_text(text));
    }

    #[inline(always)]
    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.number(items.len());
        items.iter().for_each(|value| item(self, value));
    }

    fn option(&mut self, text: Option<&String>) {
        self.number(usize::from(text.is_some()));
        text.into_iter().for_each(|text| self.push_text(text));
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Set { at, value } => self.case(case::SET, [at, value]),
            Edit::Remove { at } => self.case(case::REMOVE, [at]),
            Edit::Rename { from, to } => self.case(case::RENAME, [from, to]),
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Insert(Insertion { table, id, body }) => {
                self.case(case::INSERT, [table]);
                self.option(id.as_ref());
                self.push_text(body);
            }
            Change::Edit(Reference { table, id }, edits) => {
                self.case(case::EDIT_OTHER, [table, id]);
                self.list(edits, Self::edit);
            }
            Change::Replace(Reference { table, id }, body) => {
                self.case(case::REPLACE_OTHER, [table, id, body]);
            }
            Change::Delete(Reference { table, id }) => self.case(case::DELETE_OTHER, [table, id]),
        }
    }
}

/// Takes a [`Pack`] apart.
///
/// An error is kept rather than returned, and values are put straight into their lists: what is returned in a
/// `Result` crosses memory, to be read there in other widths than it was just written in, which a processor has to
/// wait for. That would cost more than all the rest.
struct Unpacking<'p> {
    rest: &'p str,
    numbers: slice::Iter<'p, u8>,
    /// How much memory the values may still take, in bytes.
    room: usize,
    /// The first. Nothing is left behind it, so that all that is read then is zero and empty.
    error: Option<UnpackError>,
}

impl<'p> Unpacking<'p> {
    #[cold]
    fn fail(&mut self, error: UnpackError) {
        self.error.get_or_insert(error);
        (self.rest, self.numbers) = ("", [].iter());
    }

    /// Accounts for so many values.
    #[inline]
    fn take<T>(&mut self, values: usize) {
        let left = values
            .checked_mul(size_of::<T>())
            .and_then(|bytes| self.room.checked_sub(bytes));
        match left {
            Some(left) => self.room = left,
            None => self.fail(UnpackError::TooLarge),
        }
    }

    #[inline]
    fn number(&mut self) -> usize {
        match self.numbers.next() {
            Some(&byte) if byte < 0x80 => byte.into(),
            Some(&byte) => self.long_number(byte),
            None => {
                self.fail(UnpackError::Malformed);
                0
            }
        }
    }

    #[inline(never)]
    fn long_number(&mut self, first: u8) -> usize {
        let mut number = u32::from(first & 0x7f);
        for shift in [7, 14, 21, 28] {
            let Some(&byte) = self.numbers.next() else {
                break;
            };
            let bits = u32::from(byte & 0x7f);
            if bits > u32::MAX >> shift {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return usize::try_from(number).unwrap_or_else(|_| {
                    self.fail(UnpackError::TooLarge);
                    0
                });
            }
        }
        self.fail(UnpackError::Malformed);
        0
    }

    #[inline]
    fn text(&mut self) -> &'p str {
        let length = self.number();
        let Some((text, rest)) = self.rest.split_at_checked(length) else {
            self.fail(UnpackError::Malformed);
            return "";
        };
        self.rest = rest;
        text
    }

    /// A text, which it accounts for as if it were not only lent.
    #[inline]
    fn lent(&mut self) -> Cow<'p, str> {
        let text = self.text();
        self.take::<u8>(text.len());
        Cow::Borrowed(text)
    }

    fn string(&mut self) -> String {
        self.lent().into_owned()
    }

    fn option(&mut self) -> Option<String> {
        match self.number() {
            0 => None,
            1 => Some(self.string()),
            _ => {
                self.fail(UnpackError::Malformed);
                None
            }
        }
    }

    #[inline(always)]
    fn list<T>(&mut self, mut push: impl FnMut(&mut Self, &mut Vec<T>)) -> Vec<T> {
        let length = self.number();
        self.take::<T>(length);
        // Each has a number, at least: what is said to be longer than the rest takes no memory first.
        if length > self.numbers.len() {
            self.fail(UnpackError::Malformed);
            return Vec::new();
        }
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            push(self, &mut items);
        }
        items
    }

    #[inline(always)]
    fn outcome(&mut self, into: &mut Vec<Outcome<'p>>) {
        match self.number() {
            case::SKIP => into.push(Outcome::Skip(self.lent())),
            case::EDIT => into.push(Outcome::Edit(self.list(Self::edit))),
            case::REPLACE => into.push(Outcome::Replace(self.lent())),
            case::DELETE => into.push(Outcome::Delete),
            case::CHANGES => into.push(Outcome::Changes(self.list(Self::change))),
            case::FAIL => into.push(Outcome::Fail(Failure {
                code: self.string(),
                message: self.string(),
                at: self.option(),
            })),
            _ => self.fail(UnpackError::Malformed),
        }
    }

    #[inline(always)]
    fn edit(&mut self, into: &mut Vec<Edit<'p>>) {
        match self.number() {
            case::SET => into.push(Edit::Set {
                at: self.lent(),
                value: self.lent(),
            }),
            case::REMOVE => into.push(Edit::Remove { at: self.lent() }),
            case::RENAME => into.push(Edit::Rename {
                from: self.lent(),
                to: self.lent(),
            }),
            _ => self.fail(UnpackError::Malformed),
        }
    }

    fn change(&mut self, into: &mut Vec<Change>) {
        match self.number() {
            case::INSERT => into.push(Change::Insert(Insertion {
                table: self.string(),
                id: self.option(),
                body: self.string(),
            })),
            case::EDIT_OTHER => {
                let at = self.reference();
                let edits = self.list(Self::edit);
                let edits = edits.into_iter().map(Edit::into_owned).collect();
                into.push(Change::Edit(at, edits));
            }
            case::REPLACE_OTHER => {
                into.push(Change::Replace(self.reference(), self.string()));
            }
            case::DELETE_OTHER => into.push(Change::Delete(self.reference())),
            _ => self.fail(UnpackError::Malformed),
        }
    }

    fn reference(&mut self) -> Reference {
        Reference {
            table: self.string(),
            id: self.string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            9 => "[a-zé/\"]{0,6}",
            1 => "[a-zé]{120,300}",
            1 => Just("é".repeat(9_000)),
        ]
    }

    fn edit() -> impl Strategy<Value = Edit<'static>> {
        prop_oneof![
            (text(), text()).prop_map(|(at, value)| Edit::Set {
                at: at.into(),
                value: value.into(),
            }),
            text().prop_map(|at| Edit::Remove { at: at.into() }),
            (text(), text()).prop_map(|(from, to)| Edit::Rename {
                from: from.into(),
                to: to.into(),
            }),
        ]
    }

    fn edits() -> impl Strategy<Value = Vec<Edit<'static>>> {
        proptest::collection::vec(edit(), 0..4)
    }

    fn change() -> impl Strategy<Value = Change> {
        let reference = || (text(), text()).prop_map(|(table, id)| Reference { table, id });
        prop_oneof![
            (text(), proptest::option::of(text()), text())
                .prop_map(|(table, id, body)| Change::Insert(Insertion { table, id, body })),
            (reference(), edits()).prop_map(|(at, edits)| Change::Edit(at, edits)),
            (reference(), text()).prop_map(|(at, body)| Change::Replace(at, body)),
            reference().prop_map(Change::Delete),
        ]
    }

    fn outcome() -> impl Strategy<Value = Outcome<'static>> {
        prop_oneof![
            text().prop_map(|reason| Outcome::Skip(reason.into())),
            edits().prop_map(Outcome::Edit),
            text().prop_map(|body| Outcome::Replace(body.into())),
            Just(Outcome::Delete),
            proptest::collection::vec(change(), 0..4).prop_map(Outcome::Changes),
            (text(), text(), proptest::option::of(text()))
                .prop_map(|(code, message, at)| Outcome::Fail(Failure { code, message, at })),
        ]
    }

    fn pack(outcomes: &[Outcome]) -> Pack {
        let mut pack = Pack::default();
        outcomes.iter().for_each(|outcome| pack.push(outcome));
        pack
    }

    proptest! {
        #[test]
        fn outcomes_come_out_as_they_went_in(
            outcomes in proptest::collection::vec(outcome(), 0..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let packed = pack(&outcomes);
            prop_assert_eq!(packed.outcomes(0, usize::MAX), Ok(outcomes.clone()));
            if !packed.numbers.is_empty() {
                let mut cut_off = packed.clone();
                cut_off.numbers.truncate(cut.index(packed.numbers.len()));
                let found = cut_off.outcomes(0, usize::MAX);
                // Where there is no text behind the cut, it may be one between two outcomes.
                prop_assert!(found.as_ref().is_err() || outcomes.starts_with(&found.unwrap()));
            }
            let mut more = packed;
            more.text.push('x');
            prop_assert_eq!(more.outcomes(0, usize::MAX), Err(UnpackError::Malformed));
        }

        #[test]
        fn texts_come_out_as_they_went_in(texts in proptest::collection::vec(text(), 0..9)) {
            let mut pack = Pack::default();
            texts.iter().for_each(|text| pack.push_text(text));
            prop_assert_eq!(pack.texts().collect::<Vec<_>>(), texts);
        }

        #[test]
        fn nothing_makes_it_panic(
            text in "[aé]{0,20}",
            numbers in proptest::collection::vec(prop_oneof![4 => 0_u8..7, 1 => any::<u8>()], 0..60),
        ) {
            let pack = Pack { text, numbers };
            if let Ok(outcomes) = pack.outcomes(99, 10_000) {
                prop_assert_eq!(pack.outcomes(0, usize::MAX), Ok(outcomes));
            }
            prop_assert!(pack.texts().count() <= pack.numbers.len());
        }
    }

    #[test]
    fn what_is_taken_has_a_limit() {
        let edits = vec![Edit::Remove { at: "/abc".into() }; 2];
        let packed = pack(&[Outcome::Edit(edits)]);
        let room = size_of::<Outcome>() + 2 * (size_of::<Edit>() + 4);
        assert!(packed.outcomes(1, room).is_ok());
        assert_eq!(packed.outcomes(1, room - 1), Err(UnpackError::TooLarge));
    }

    #[test]
    fn a_list_is_no_longer_than_what_follows() {
        let packed = |numbers: &[u8]| Pack {
            text: String::new(),
            numbers: numbers.into(),
        };
        // 2^32 - 1 edits, and a number that has no room in 32 bits.
        for numbers in [
            &[1, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[1, 0xff, 0xff, 0xff, 0xff, 0x1f],
            &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            &[1, 1],
            &[6],
        ] {
            let packed = packed(numbers);
            let found = packed.outcomes(0, usize::MAX);
            assert_eq!(found, Err(UnpackError::Malformed), "{numbers:?}");
        }
        let vast = packed(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(vast.outcomes(1, 1 << 30), Err(UnpackError::TooLarge));
    }
}
