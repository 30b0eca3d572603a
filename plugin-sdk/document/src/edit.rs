//! Applying edits to a body.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memrchr;
use thiserror::Error;

use crate::json::{self, Child, End, Entry, JsonError, Span, quoted};
use crate::model::Edit;

mod members;
mod name;
mod together;

use members::set_members;
use together::together;

/// How much text edits may go over that nobody sets a limit, in bytes. A second or three.
const WORK: usize = 1 << 30;

/// Why an edit does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// The pointer is none, or the body is malformed.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The value to set is not JSON.
    #[error("the value to set at `{at}` is {error}")]
    Value {
        /// Where it was to go.
        at: String,
        /// What is wrong with it.
        error: JsonError,
    },
    /// The pointer leads nowhere.
    #[error("`{at}` does not resolve: the document has no value there")]
    Nowhere {
        /// The pointer.
        at: String,
    },
    /// There is no object or array to put the value into.
    #[error("`{at}` does not resolve: there is no object or array to hold it")]
    NoParent {
        /// The pointer.
        at: String,
    },
    /// A value would move into itself, or the whole body away.
    #[error("`{from}` cannot move to `{to}`")]
    Move {
        /// Where the value is.
        from: String,
        /// Where it would go.
        to: String,
    },
    /// So many edits of so large a body would take too long.
    #[error(
        "{edits} edits of a body of {bytes} bytes would take too long; set larger parts of it at once"
    )]
    Work {
        /// How many edits there are.
        edits: usize,
        /// How large the body is.
        bytes: usize,
    },
    /// The body itself cannot be taken out.
    #[error("the whole document cannot be removed by an edit; use the outcome `delete`")]
    WholeBody,
}

impl EditError {
    /// The pointer to blame.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        match self {
            Self::Json(JsonError::Pointer(at))
            | Self::Value { at, .. }
            | Self::Nowhere { at }
            | Self::NoParent { at } => Some(at),
            Self::Move { from, .. } => Some(from),
            Self::Json(JsonError::Malformed(_)) | Self::Work { .. } | Self::WholeBody => None,
        }
    }
}

/// Applies edits, one after the other: all of them or none. They may go over a GiB of text.
///
/// What they do not name keeps its exact bytes. A new member goes to the end of its object and is
/// spaced like the member before it.
///
/// # Errors
/// The first edit that does not apply.
///
/// ```
/// use migration_document::{Edit, apply};
/// let body = r#"{"email": "ada@example.org", "score": 1.0}"#;
/// let edits = [Edit::Set { at: "/name".into(), value: r#""ada""#.into() }];
/// assert_eq!(
///     apply(body, &edits).unwrap(),
///     r#"{"email": "ada@example.org", "score": 1.0, "name": "ada"}"#
/// );
/// ```
pub fn apply(body: &str, edits: &[Edit]) -> Result<String, EditError> {
    apply_within(body, edits, &mut Allowance::of(WORK))
}

/// As [`apply`], with an allowance of text that the edits may go over. Edits that do not touch what the others
/// do go over a value once for all of them, for every level that they lead down; others go over it each.
///
/// # Errors
/// The first edit that does not apply; [`EditError::Work`] beyond the allowance.
pub fn apply_within(
    body: &str,
    edits: &[Edit],
    allowance: &mut Allowance,
) -> Result<String, EditError> {
    if let Some(text) = set_members(body, edits)? {
        return if allowance.spend(body.len()) {
            Ok(text)
        } else {
            Err(too_much(body, edits))
        };
    }
    if edits.len() > 1
        && let Some(text) = together(body, edits, allowance)?
    {
        return Ok(text);
    }
    in_turns(body, edits, allowance)
}

/// How much text edits may still go over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    left: usize,
}

impl Allowance {
    /// So many bytes.
    #[must_use]
    pub fn of(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Whether there is so much left.
    fn allows(&self, bytes: usize) -> bool {
        bytes <= self.left
    }

    /// Takes so much of it, if it is there.
    fn spend(&mut self, bytes: usize) -> bool {
        let allowed = self.allows(bytes);
        self.left = self.left.saturating_sub(bytes);
        allowed
    }
}

fn too_much(body: &str, edits: &[Edit]) -> EditError {
    EditError::Work {
        edits: edits.len(),
        bytes: body.len(),
    }
}

/// Makes one edit after the other.
fn in_turns(body: &str, edits: &[Edit], allowance: &mut Allowance) -> Result<String, EditError> {
    let mut text = body.to_owned();
    let mut left: usize = edits.iter().map(levels).sum();
    for edit in edits {
        // The rest costs as much again as the body is large by now.
        if !allowance.allows(text.len().saturating_mul(left))
            || !allowance.spend(text.len() * levels(edit))
        {
            return Err(too_much(body, edits));
        }
        left -= levels(edit);
        match edit {
            Edit::Set { at, value } => {
                check_value(at, value)?;
                set(&mut text, at, json::trimmed(value))?;
            }
            Edit::Remove { at } => {
                remove(&mut text, at)?;
            }
            Edit::Rename { from, to } => rename(&mut text, from, to)?,
        }
    }
    Ok(text)
}

/// How many levels an edit leads down.
fn levels(edit: &Edit) -> usize {
    let count = |at: &str| at.bytes().filter(|byte| *byte == b'/').count();
    match edit {
        Edit::Set { at, .. } | Edit::Remove { at } => count(at),
        Edit::Rename { from, to } => count(from) + count(to),
    }
}

fn check_value(at: &str, value: &str) -> Result<(), EditError> {
    json::check(value).map_err(|error| EditError::Value {
        at: at.to_owned(),
        error,
    })
}

/// The pointer of the parent, and the last token; None for the pointer to the whole body.
fn parent(pointer: &str) -> Option<(&str, Cow<'_, str>)> {
    let (parent, _) = pointer.rsplit_once('/')?;
    let last = json::tokens(pointer).ok()?.last()?;
    Some((parent, last))
}

/// The span of the value at a pointer.
fn locate(text: &str, pointer: &str) -> Result<Option<Span>, JsonError> {
    let mut span = json::root(text)?;
    for token in json::tokens(pointer)? {
        match json::child(text, span, &token)? {
            Child::Found(entry) => span = entry.value,
            Child::Absent(_) | Child::Scalar => return Ok(None),
        }
    }
    Ok(Some(span))
}

/// What the last token of a pointer leads to, and the token.
fn locate_child<'p>(text: &str, at: &'p str) -> Result<Option<(Child, Cow<'p, str>)>, JsonError> {
    let Some((parent, token)) = parent(at) else {
        return Ok(None);
    };
    let Some(within) = locate(text, parent)? else {
        return Ok(Some((Child::Scalar, token)));
    };
    Ok(Some((json::child(text, within, &token)?, token)))
}

fn set(text: &mut String, at: &str, value: &str) -> Result<(), EditError> {
    // A pointer that is none is told from one that leads nowhere.
    json::check_pointer(at)?;
    match locate_child(text, at)? {
        None => *text = value.to_owned(),
        Some((Child::Found(entry), _)) => {
            text.replace_range(entry.value.start..entry.value.end, value);
        }
        Some((Child::Absent(gap), token)) => {
            let key = gap.keyed.then(|| quoted(&token));
            if key.is_none() && token != "-" && json::array_index(&token) != Some(gap.length) {
                return Err(EditError::Nowhere { at: at.into() });
            }
            let place = gap.end.place();
            let mut added = String::new();
            append(
                &mut added,
                &Spacing::at(text, &gap.end),
                gap.end.last.is_none(),
                key.as_deref(),
                value,
            );
            text.insert_str(place, &added);
        }
        Some((Child::Scalar, _)) => return Err(EditError::NoParent { at: at.into() }),
    }
    Ok(())
}

/// How the last entry of an object or array is spaced, and so the one that is put behind it.
#[derive(PartialEq, Eq)]
struct Spacing<'t> {
    /// What stands between the comma before it, or the bracket, and the entry.
    lead: &'t str,
    /// What stands between key and value.
    colon: &'t str,
}

impl<'t> Spacing<'t> {
    /// Where there is no entry yet.
    const NONE: Self = Self {
        lead: "",
        colon: ":",
    };

    /// At the end of an object or array of this body.
    fn at(body: &'t str, end: &End) -> Self {
        match &end.last {
            None => Self::NONE,
            Some(last) => Self::of(body, end.open..last.start(), last),
        }
    }

    /// Of an entry. `before` is what stands before it, from the bracket on.
    fn of(body: &'t str, before: Range<usize>, entry: &Entry) -> Self {
        let lead = body.get(before).unwrap_or("");
        let colon = entry
            .key
            .and_then(|key| body.get(key.end..entry.value.start));
        Self {
            // The space inside the bracket of a single entry may be there for the bracket's sake: `{ "a": 1 }`.
            lead: memrchr(b',', lead.as_bytes())
                .and_then(|comma| lead.get(comma + 1..))
                .unwrap_or(lead),
            colon: colon.unwrap_or(":"),
        }
    }
}

/// Adds an entry behind the last one, spaced as that is. `text` ends where it goes.
fn append(text: &mut String, spacing: &Spacing<'_>, first: bool, key: Option<&str>, value: &str) {
    if !first {
        text.push(',');
    }
    text.push_str(spacing.lead);
    if let Some(key) = key {
        text.push_str(key);
        text.push_str(spacing.colon);
    }
    text.push_str(value);
}

/// Takes a value out and returns its text. A key that stands twice goes twice, for otherwise the value
/// that was hidden would come to light. However often it stands, the text is gone over once.
fn remove(text: &mut String, at: &str) -> Result<String, EditError> {
    json::check_pointer(at)?;
    let nowhere = || EditError::Nowhere { at: at.into() };
    let (parent, token) = parent(at).ok_or(EditError::WholeBody)?;
    let within = locate(text, parent)?.ok_or_else(nowhere)?;
    let mut entries = json::entries(text, within)?.ok_or_else(nowhere)?;
    let wanted = json::array_index(&token);
    let mut found = Vec::new();
    let mut count = 0;
    while let Some(entry) = entries.next_entry()? {
        let hit = match entry.key {
            Some(key) => json::key_is(key.of(text), &token),
            None => wanted == Some(count),
        };
        if hit {
            found.push((count, entry));
        }
        count += 1;
    }
    let (_, last) = found.last().ok_or_else(nowhere)?;
    let value = last.value.of(text).to_owned();
    // An entry goes with the comma behind it; one that is the last by now, with the one before it.
    let mut cuts = Vec::new();
    for (index, entry) in found.iter().rev() {
        let is_last = index + 1 == count;
        cuts.push(match (entry.after, entry.before) {
            (Some(after), _) if !is_last => (entry.start(), after),
            (_, Some(before)) => (before, entry.value.end),
            (_, None) => (entry.start(), entry.value.end),
        });
        if is_last {
            count = *index;
        }
    }
    let mut kept = String::with_capacity(text.len());
    let mut copied = 0;
    for (start, end) in cuts.into_iter().rev() {
        kept.push_str(text.get(copied..start).unwrap_or_default());
        copied = end;
    }
    kept.push_str(text.get(copied..).unwrap_or_default());
    *text = kept;
    Ok(value)
}

fn rename(text: &mut String, from: &str, to: &str) -> Result<(), EditError> {
    json::check_pointer(from)?;
    json::check_pointer(to)?;
    let moves_nothing = from == to;
    let inside = to
        .strip_prefix(from)
        .is_some_and(|rest| rest.starts_with('/'));
    let (Some((source, _)), false) = (locate_child(text, from)?, inside) else {
        return Err(EditError::Move {
            from: from.into(),
            to: to.into(),
        });
    };
    let Child::Found(entry) = source else {
        return Err(EditError::Nowhere { at: from.into() });
    };
    if moves_nothing {
        return Ok(());
    }
    // Within one object the member keeps its place among the others, and only its key changes.
    let same_parent = from.rsplit_once('/').map(|(parent, _)| parent)
        == to.rsplit_once('/').map(|(parent, _)| parent);
    if let (true, Some(key), Some((Child::Absent(_), token))) =
        (same_parent, entry.key, locate_child(text, to)?)
        && !twice(text, from, entry.value)?
    {
        let spelled = quoted(&token);
        text.replace_range(key.start..key.end, &spelled);
        return Ok(());
    }
    let value = remove(text, from)?;
    set(text, to, &value)
}

/// Whether the object holds the pointer's key more than once. `last` is the last one's value.
fn twice(text: &str, at: &str, last: Span) -> Result<bool, JsonError> {
    let Some((parent, token)) = parent(at) else {
        return Ok(false);
    };
    let Some(within) = locate(text, parent)? else {
        return Ok(false);
    };
    let Some(mut entries) = json::entries(text, within)? else {
        return Ok(false);
    };
    while let Some(entry) = entries.next_entry()? {
        if entry.value.start >= last.start {
            break;
        }
        if entry
            .key
            .is_some_and(|key| json::key_is(key.of(text), &token))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes one edit in the way that knows nothing of others.
#[cfg(test)]
fn one(body: &str, edit: &Edit) -> Result<String, EditError> {
    in_turns(body, std::slice::from_ref(edit), &mut Allowance::of(WORK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::json_text;
    use proptest::prelude::*;

    fn put<'a>(at: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Edit<'a> {
        Edit::Set {
            at: at.into(),
            value: value.into(),
        }
    }

    fn take(at: &str) -> Edit<'_> {
        Edit::Remove { at: at.into() }
    }

    fn mv<'a>(from: &'a str, to: &'a str) -> Edit<'a> {
        Edit::Rename {
            from: from.into(),
            to: to.into(),
        }
    }

    /// One after the other, from the end, each with the text gone over anew: what [`remove`] must come to.
    fn removed_one_by_one(text: &str, at: &str) -> Option<String> {
        let mut text = text.to_owned();
        let mut any = false;
        while let Some((Child::Found(entry), _)) = locate_child(&text, at).unwrap() {
            any = true;
            let (start, end) = match (entry.after, entry.before) {
                (Some(after), _) => (entry.start(), after),
                (None, Some(before)) => (before, entry.value.end),
                (None, None) => (entry.start(), entry.value.end),
            };
            text.replace_range(start..end, "");
        }
        any.then_some(text)
    }

    proptest! {
        #[test]
        fn a_key_goes_as_often_as_it_stands(keys in proptest::collection::vec("[ab]", 0..6), space in "[ ]{0,2}") {
            let members: Vec<_> = keys
                .iter()
                .enumerate()
                .map(|(number, key)| format!("{space}\"{key}\":{space}{number}{space}"))
                .collect();
            let text = format!("{{{}}}", members.join(","));
            prop_assert_eq!(apply(&text, &[take("/a")]).ok(), removed_one_by_one(&text, "/a"));
        }
    }

    #[test]
    fn edits_of_a_large_body_that_depend_on_each_other_end() {
        let body = format!("[{}]", vec!["1"; 1_000_000].join(","));
        let edits = vec![put("/999999", "2"); 1_000];
        assert_eq!(
            apply(&body, &edits),
            Err(EditError::Work {
                edits: 1_000,
                bytes: 2_000_001
            })
        );
        assert!(apply(&body, &edits[..10]).is_ok());
        let within = |bytes| apply_within(&body, &edits[..10], &mut Allowance::of(bytes));
        assert!(within(1 << 20).is_err());
    }

    #[test]
    fn a_hundred_thousand_edits_of_a_large_body_are_made_in_one_go() {
        let body = |value: &str| format!("[{}]", vec![value; 100_000].join(","));
        let edits: Vec<_> = (0..100_000).map(|n| put(format!("/{n}"), "2")).collect();
        assert_eq!(apply(&body("1"), &edits).unwrap(), body("2"));
        // Once over the body, and no more.
        let within = |bytes| apply_within(&body("1"), &edits, &mut Allowance::of(bytes));
        assert!(within(body("1").len()).is_ok());
        assert!(within(body("1").len() - 1).is_err());
    }

    #[test]
    fn an_edit_at_the_bottom_of_a_deep_body_needs_no_stack() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(2_000), "]".repeat(2_000));
        let at = "/0".repeat(2_000);
        let edits = [put(format!("{at}/a"), "1"), put(format!("{at}/b"), "2")];
        assert_eq!(
            apply(&deep("{}"), &edits).unwrap(),
            deep(r#"{"a":1,"b":2}"#)
        );
    }

    #[test]
    fn a_key_that_stands_a_million_times_goes_in_one_go() {
        let text = format!("{{{}\"b\":1}}", "\"a\":1,".repeat(1_000_000));
        assert_eq!(apply(&text, &[take("/a")]).unwrap(), r#"{"b":1}"#);
    }

    #[test]
    fn edits_keep_what_they_do_not_name() {
        let cases = [
            // (body, edit, result)
            (r#"{"a":1.0,"b":2}"#, put("/b", "3"), r#"{"a":1.0,"b":3}"#),
            (
                r#"{"a":1.0}"#,
                put("/b", " [1, 2] "),
                r#"{"a":1.0,"b":[1, 2]}"#,
            ),
            (
                r#"{"a": 6.10, "c": 0}"#,
                put("/b", "2"),
                r#"{"a": 6.10, "c": 0, "b": 2}"#,
            ),
            (
                "{\n  \"a\": 1,\n  \"b\": 2\n}",
                put("/c", "3"),
                "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}",
            ),
            ("{ \"a\" : 1 }", put("/b", "2"), "{ \"a\" : 1, \"b\" : 2 }"),
            (" {} ", put("/b", "2"), " {\"b\":2} "),
            ("{ }", put("/b", "2"), "{\"b\":2 }"),
            (r#"{"l":[]}"#, put("/l/-", "1"), r#"{"l":[1]}"#),
            (r#"{"l":[1, 2]}"#, put("/l/2", "3"), r#"{"l":[1, 2, 3]}"#),
            (r#"{"l":[1, 2]}"#, put("/l/0", "3"), r#"{"l":[3, 2]}"#),
            (r#"{"a":1}"#, put("", "[]"), "[]"),
            (r#"{"a~/b":1}"#, put("/a~0~1b", "2"), r#"{"a~/b":2}"#),
            (
                r#"{"a":1}"#,
                put("/q\"\u{e9}", "2"),
                "{\"a\":1,\"q\\\"\u{e9}\":2}",
            ),
            (r#"{"a":1, "b":2, "c":3}"#, take("/a"), r#"{"b":2, "c":3}"#),
            (r#"{"a":1, "b":2, "c":3}"#, take("/b"), r#"{"a":1, "c":3}"#),
            (r#"{"a":1, "b":2, "c":3}"#, take("/c"), r#"{"a":1, "b":2}"#),
            (r#"{ "a":1 }"#, take("/a"), "{  }"),
            (r#"{"x":1,"a":0,"x":2}"#, take("/x"), r#"{"a":0}"#),
            (r#"[1,2,2]"#, take("/1"), "[1,2]"),
            (
                r#"{"t" : 1.50,"z":0}"#,
                mv("/t", "/recipeTitle"),
                r#"{"recipeTitle" : 1.50,"z":0}"#,
            ),
            (r#"{"t":1,"z":0}"#, mv("/t", "/z"), r#"{"z":1}"#),
            (
                r#"{"t":1e3,"o":{}}"#,
                mv("/t", "/o/t"),
                r#"{"o":{"t":1e3}}"#,
            ),
            (r#"{"t":1,"t":2,"z":0}"#, mv("/t", "/u"), r#"{"z":0,"u":2}"#),
            (r#"{"t":1}"#, mv("/t", "/t"), r#"{"t":1}"#),
            (r#"[1,[2]]"#, mv("/0", "/0/0"), "!"),
            (r#"[1,[2]]"#, mv("/1/0", "/0"), "[2,[]]"),
        ];
        for (body, edit, expected) in cases {
            match apply(body, std::slice::from_ref(&edit)) {
                Ok(result) => assert_eq!(result, expected, "{body} {edit:?}"),
                Err(error) => assert_eq!(expected, "!", "{body} {edit:?}: {error}"),
            }
        }
    }

    #[test]
    fn an_edit_that_does_not_apply_says_why() {
        let body = r#"{"a":{"b":1},"l":[0],"s":"x"}"#;
        for (edit, expected) in [
            (
                put("/x/y", "1"),
                "`/x/y` does not resolve: there is no object or array to hold it",
            ),
            (
                put("/s/y", "1"),
                "`/s/y` does not resolve: there is no object or array to hold it",
            ),
            (
                put("/l/2", "1"),
                "`/l/2` does not resolve: the document has no value there",
            ),
            (
                put("/l/x", "1"),
                "`/l/x` does not resolve: the document has no value there",
            ),
            (
                take("/nope"),
                "`/nope` does not resolve: the document has no value there",
            ),
            (
                take(""),
                "the whole document cannot be removed by an edit; use the outcome `delete`",
            ),
            (
                mv("/nope", "/a"),
                "`/nope` does not resolve: the document has no value there",
            ),
            (mv("/a", "/a/b"), "`/a` cannot move to `/a/b`"),
            (mv("", "/a"), "`` cannot move to `/a`"),
            (
                put("a", "1"),
                "`a` is no JSON Pointer: it must be empty or begin with `/`, and `~` stand only in `~0` and `~1`",
            ),
            (
                put("/a", "{"),
                "the value to set at `/a` is not valid JSON: EOF while parsing an object at line 1 column 1",
            ),
            (
                put("/a", "1 2"),
                "the value to set at `/a` is not valid JSON: trailing characters at line 1 column 3",
            ),
        ] {
            assert_eq!(apply(body, &[edit]).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn all_edits_apply_or_none() {
        let body = r#"{"a":1}"#;
        assert!(apply(body, &[put("/b", "2"), take("/nope")]).is_err());
        assert_eq!(
            apply(body, &[put("/b", "{}"), put("/b/c", "3"), take("/a")]).unwrap(),
            r#"{"b":{"c":3}}"#
        );
    }

    proptest! {
        #[test]
        fn a_set_member_is_found_and_the_others_keep_their_bytes(
            members in proptest::collection::btree_map("[a-d]{1,2}", json_text(), 0..5),
            key in "[a-e]{1,2}",
            value in json_text(),
        ) {
            let body = format!(
                "{{{}}}",
                members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect::<Vec<_>>().join(", ")
            );
            let pointer = format!("/{key}");
            let result = apply(&body, &[put(&pointer, &value)]).unwrap();
            prop_assert!(json::check(&result).is_ok());
            prop_assert_eq!(json::get(&result, &pointer).unwrap(), Some(value.as_str()));
            for (other, text) in members.iter().filter(|(other, _)| **other != key) {
                let at = format!("/{other}");
                prop_assert_eq!(json::get(&result, &at).unwrap(), Some(text.as_str()));
            }
            // Taking a new member out again gives the old bytes back.
            if !members.contains_key(&key) {
                prop_assert_eq!(apply(&result, &[take(&pointer)]).unwrap(), body);
            }
        }
    }
}
