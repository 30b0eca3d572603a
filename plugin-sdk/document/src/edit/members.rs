//! Setting members of the root object, all in one pass: what most migrations do to most documents.
//!
//! The result is that of one edit after the other, as a property test shows.

use std::rc::Rc;

use memchr::memchr;

use super::name::Name;
use super::{EditError, Spacing, append, check_value};
use crate::json::{self, End, Span};
use crate::model::Edit;

/// How many edits are made together. Each is compared with each member, so more are better made in turns.
const FEW: usize = 16;

/// A member to set.
struct Set<'e> {
    name: Rc<Name>,
    value: &'e str,
    /// Where its value stands now.
    found: Option<Span>,
}

/// Makes the edits, if all of them set different members of an object that is the whole body.
///
/// # Errors
/// If a value is no JSON, or the body is malformed.
pub(super) fn set_members(body: &str, edits: &[Edit]) -> Result<Option<String>, EditError> {
    let Some(mut sets) = sets(edits) else {
        return Ok(None);
    };
    let root = json::root(body)?;
    if body.as_bytes().get(root.start) != Some(&b'{') {
        return Ok(None);
    }
    for edit in edits {
        if let Edit::Set { at, value } = edit {
            check_value(at, value)?;
        }
    }
    let end = match end_if_new(body, root, &sets) {
        Some(end) => end,
        None => find(body, root, &mut sets)?,
    };
    Ok(Some(written(body, sets, end)))
}

/// The end of the object, if it is quick to see that it has none of the members: most migrations add some.
fn end_if_new(body: &str, root: Span, sets: &[Set<'_>]) -> Option<End> {
    // Without a backslash a key has one spelling.
    let plain = memchr(b'\\', body.as_bytes()).is_none();
    if !plain || sets.iter().any(|set| set.name.key.is_in(body)) {
        return None;
    }
    json::end_of_plain_object(body, root)
}

/// Finds the members that are there, and the object's end.
fn find(body: &str, root: Span, sets: &mut [Set<'_>]) -> Result<End, EditError> {
    let mut end = End {
        open: root.start + 1,
        last: None,
    };
    if let Some(mut entries) = json::entries(body, root)? {
        while let Some(entry) = entries.next_entry()? {
            if let Some(key) = entry.key {
                let key = key.of(body);
                if let Some(set) = sets
                    .iter_mut()
                    .find(|set| json::key_is(key, &set.name.text))
                {
                    set.found = Some(entry.value);
                }
            }
            end.last = Some(entry);
        }
    }
    Ok(end)
}

/// The edits as members to set; None if one of them is anything else, or a name stands twice.
fn sets<'e>(edits: &'e [Edit<'_>]) -> Option<Vec<Set<'e>>> {
    if edits.len() > FEW {
        return None;
    }
    let mut sets: Vec<Set<'_>> = Vec::with_capacity(edits.len());
    for edit in edits {
        let Edit::Set { at, value } = edit else {
            return None;
        };
        let name = Name::of(at)?;
        if sets.iter().any(|set| set.name.text == name.text) {
            return None;
        }
        sets.push(Set {
            name,
            value: json::trimmed(value),
            found: None,
        });
    }
    Some(sets)
}

/// The body with its members set; those that it does not have go to its end.
fn written(body: &str, mut sets: Vec<Set<'_>>, end: End) -> String {
    // Quotes, colon, comma, and white space like that of other members.
    const AROUND: usize = 16;
    let added: usize = sets
        .iter()
        .map(|set| set.name.key.spelled.len() + set.value.len() + AROUND)
        .sum();
    let mut text = String::with_capacity(body.len() + added);
    // Those that are there in their order, then the others in the order of the edits.
    sets.sort_by_key(|set| set.found.map_or(usize::MAX, |span| span.start));
    let mut copied = 0;
    let mut copy = |text: &mut String, until: usize, then: usize| {
        text.push_str(body.get(copied..until).unwrap_or_default());
        copied = then;
    };
    let mut first = end.last.is_none();
    let mut at_end = false;
    let spacing = Spacing::at(body, &end);
    for set in &sets {
        match set.found {
            Some(span) => {
                copy(&mut text, span.start, span.end);
                text.push_str(set.value);
            }
            None => {
                if !at_end {
                    copy(&mut text, end.place(), end.place());
                    at_end = true;
                }
                append(
                    &mut text,
                    &spacing,
                    first,
                    Some(&set.name.key.spelled),
                    set.value,
                );
                first = false;
            }
        }
    }
    copy(&mut text, body.len(), body.len());
    text
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use proptest::prelude::*;

    fn one_by_one(body: &str, edits: &[Edit]) -> Result<String, EditError> {
        edits
            .iter()
            .try_fold(body.to_owned(), |body, edit| super::super::one(&body, edit))
    }

    proptest! {
        #[test]
        fn together_is_one_after_the_other(
            members in proptest::collection::vec(
                ("[a-d]|b\\\\u0063|\u{e9}|~", r#"1\.0|"x\\"y"|\{"a":[1]\}|\[\]|null"#), 0..5),
            spaces in proptest::collection::vec("[ \n]{0,2}", 5),
            sets in proptest::collection::vec(("[a-e]|bc|\u{e9}|~0", r#" ?2|\{"q": 1\}|"w" ?"#), 0..5),
        ) {
            let [open, close, before, colon, comma] = &spaces[..] else { unreachable!() };
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("{before}\"{key}\"{colon}:{colon}{value}"))
                .collect();
            let body = format!("{open}{{{before}{}{close}}}", members.join(&format!("{comma},")));
            let edits: Vec<_> = sets
                .into_iter()
                .map(|(name, value)| Edit::Set { at: format!("/{name}").into(), value: value.into() })
                .collect();
            if let Some(together) = set_members(&body, &edits).unwrap() {
                prop_assert_eq!(together, one_by_one(&body, &edits).unwrap(), "{} {:?}", body, edits);
            }
        }
    }

    #[test]
    fn only_different_members_of_an_object_are_set_together() {
        fn set(at: impl Into<Cow<'static, str>>) -> Edit<'static> {
            Edit::Set {
                at: at.into(),
                value: "1".into(),
            }
        }
        let together = |body: &str, edits: &[Edit]| set_members(body, edits).unwrap();
        assert_eq!(
            together("{}", &[set("/a"), set("/b")]).as_deref(),
            Some(r#"{"a":1,"b":1}"#)
        );
        assert_eq!(together("{}", &[set("/a"), set("/a")]), None);
        assert_eq!(together("[]", &[set("/0")]), None);
        assert_eq!(together("{}", &[set("")]), None);
        assert_eq!(together(r#"{"a":{}}"#, &[set("/a/b")]), None);
        assert_eq!(together("{}", &[Edit::Remove { at: "/a".into() }]), None);
        assert_eq!(
            together(
                "{}",
                &(0..17).map(|n| set(format!("/{n}"))).collect::<Vec<_>>()
            ),
            None
        );
    }
}
