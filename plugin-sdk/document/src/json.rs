//! Where things stand in a JSON text: the spans of values, members and elements.
//!
//! The scanner trusts nothing but checks little: on a text that is no JSON it returns an error or a
//! span that means nothing, and never panics. [`check`] is the judge of what is JSON; callers ask it
//! once per text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use memchr::memrchr;
use serde::de::IgnoredAny;
use thiserror::Error;

mod check;
mod fields;
mod key;
mod skim;

pub use fields::{Field, Fields, NoField};
pub(crate) use key::Key;
use skim::skip_space;

/// Why a text or a pointer could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// The text is not JSON (RFC 8259).
    #[error("not valid JSON: {0}")]
    Malformed(String),
    /// The pointer does not follow RFC 6901.
    #[error(
        "`{0}` is no JSON Pointer: it must be empty or begin with `/`, and `~` stand only in `~0` and `~1`"
    )]
    Pointer(String),
}

/// What RFC 8259 takes for white space.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A text without the white space around it, of which there is mostly none.
pub(crate) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => text.trim_matches(SPACE),
    }
}

/// Part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// The text of this span; empty where the span does not fit the text.
    pub(crate) fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or("")
    }
}

/// Checks that the text is exactly one JSON value, with nothing but white space around it.
///
/// Nesting is not limited: the check needs no stack.
///
/// # Errors
/// [`JsonError::Malformed`], with what is wrong and where.
///
/// ```
/// assert!(migration_document::json::check(r#"{"a": 1.0}"#).is_ok());
/// assert!(migration_document::json::check(r#"{"a": 1.0"#).is_err());
/// ```
pub fn check(text: &str) -> Result<(), JsonError> {
    if check::is_json(text) {
        return Ok(());
    }
    serde_json::from_str::<IgnoredAny>(text)
        .map(|_| ())
        .map_err(|error| JsonError::Malformed(error.to_string()))
}

/// The text of the value that a pointer leads to; None if it leads nowhere.
///
/// Where an object has a key twice, the last one counts, as for most parsers.
///
/// # Errors
/// If the pointer is none, or the text is malformed on the way.
///
/// ```
/// use migration_document::json::get;
/// let body = r#"{"address": {"city": "Oslo", "lines": ["a", 6.10]}}"#;
/// assert_eq!(get(body, "/address/lines/1"), Ok(Some("6.10")));
/// assert_eq!(get(body, "/address/zip"), Ok(None));
/// ```
pub fn get<'t>(text: &'t str, pointer: &str) -> Result<Option<&'t str>, JsonError> {
    follow(text, tokens(pointer)?)
}

/// The text of the value that these tokens lead to.
pub(crate) fn follow(
    text: &str,
    tokens: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Option<&str>, JsonError> {
    let mut span = root(text)?;
    for token in tokens {
        match child(text, span, token.as_ref())? {
            Child::Found(entry) => span = entry.value,
            Child::Absent(_) | Child::Scalar => return Ok(None),
        }
    }
    Ok(Some(span.of(text)))
}

/// The members of an object: decoded keys and the texts of their values, in order.
///
/// # Errors
/// If the text is no object.
///
/// ```
/// let members = migration_document::json::members(r#"{"a": 1.0, "b": null}"#).unwrap();
/// assert_eq!(members[0], ("a".into(), "1.0"));
/// ```
pub fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, JsonError> {
    let root = root(text)?;
    match entries(text, root)? {
        Some(mut entries) if entries.keyed => {
            let mut found = Vec::new();
            while let Some(entry) = entries.next_entry()? {
                let key = entry.key.map_or("", |key| key.of(text));
                found.push((decode(key), entry.value.of(text)));
            }
            Ok(found)
        }
        _ => Err(JsonError::Malformed("expected an object".into())),
    }
}

/// A text as JSON spells it, in quotes.
///
/// ```
/// use migration_document::json::quoted;
/// assert_eq!(quoted("Ada"), r#""Ada""#);
/// assert_eq!(quoted("a\"b\n"), r#""a\"b\n""#);
/// ```
#[must_use]
#[inline]
pub fn quoted(text: &str) -> String {
    if !skim::is_plain(text.as_bytes()) {
        return serde_json::Value::from(text).to_string();
    }
    let mut spelled = String::with_capacity(text.len() + 2);
    spelled.push('"');
    spelled.push_str(text);
    spelled.push('"');
    spelled
}

/// What stands directly within an object or an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'t> {
    /// The decoded key; None for an element of an array.
    pub key: Option<Cow<'t, str>>,
    /// Where the value stands in the text, in bytes.
    pub value: Range<usize>,
}

/// The members of an object, or the elements of an array, in order; None for a scalar.
///
/// # Errors
/// If the text is malformed.
///
/// ```
/// let text = r#"{"a": [1.0, true]}"#;
/// let parts = migration_document::json::parts(text).unwrap().unwrap();
/// assert_eq!(parts[0].key.as_deref(), Some("a"));
/// assert_eq!(&text[parts[0].value.clone()], "[1.0, true]");
/// ```
pub fn parts(text: &str) -> Result<Option<Vec<Part<'_>>>, JsonError> {
    let Some(mut entries) = entries(text, root(text)?)? else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    while let Some(entry) = entries.next_entry()? {
        parts.push(Part {
            key: entry.key.map(|key| decode(key.of(text))),
            value: entry.value.start..entry.value.end,
        });
    }
    Ok(Some(parts))
}

/// Checks that a pointer follows RFC 6901.
///
/// # Errors
/// [`JsonError::Pointer`] if it does not.
///
/// ```
/// assert!(migration_document::json::check_pointer("/address/0").is_ok());
/// assert!(migration_document::json::check_pointer("address").is_err());
/// ```
pub fn check_pointer(pointer: &str) -> Result<(), JsonError> {
    tokens(pointer).map(|_| ())
}

/// The decoded tokens of a pointer.
pub(crate) fn tokens(pointer: &str) -> Result<impl Iterator<Item = Cow<'_, str>>, JsonError> {
    let mut parts = pointer.split('/');
    // What stands before the first slash; splitting always yields one part.
    let valid = parts.next() == Some("")
        && pointer
            .split('~')
            .skip(1)
            .all(|after| after.starts_with(['0', '1']));
    if !valid {
        return Err(JsonError::Pointer(pointer.into()));
    }
    Ok(parts.map(token))
}

/// A token of a pointer, decoded.
pub(crate) fn token(spelled: &str) -> Cow<'_, str> {
    if spelled.contains('~') {
        Cow::Owned(spelled.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(spelled)
    }
}

/// A pointer's token, with `~` and `/` written so that they survive.
///
/// ```
/// assert_eq!(migration_document::json::escape("a/b~c"), "a~1b~0c");
/// ```
#[must_use]
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// A string's text, decoded; the text itself, without its quotes, where it cannot be decoded
/// (a lone surrogate is valid JSON and no Unicode).
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(text).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// One member of an object or one element of an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The member's key with its quotes; None for an element.
    pub(crate) key: Option<Span>,
    pub(crate) value: Span,
    /// Where the value before ends; None for the first entry.
    pub(crate) before: Option<usize>,
    /// Where the next entry starts; None for the last one.
    pub(crate) after: Option<usize>,
}

impl Entry {
    /// Where the entry starts: its key, or the element itself.
    pub(crate) fn start(&self) -> usize {
        self.key.unwrap_or(self.value).start
    }
}

/// Where a new entry would go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    pub(crate) keyed: bool,
    pub(crate) length: usize,
    pub(crate) end: End,
}

/// The end of an object or an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// Just behind the opening bracket.
    pub(crate) open: usize,
    pub(crate) last: Option<Entry>,
}

impl End {
    /// Where a further entry goes.
    pub(crate) fn place(&self) -> usize {
        self.last.map_or(self.open, |last| last.value.end)
    }
}

/// What a token leads to within a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Child {
    Found(Entry),
    Absent(Gap),
    /// The value has no inside.
    Scalar,
}

/// The whole value of a text, without the white space around it. Nothing between its ends is looked at.
pub(crate) fn root(text: &str) -> Result<Span, JsonError> {
    let start = skip_space(text.as_bytes(), 0);
    let end = text.trim_end_matches(SPACE).len();
    if start >= end {
        return Err(malformed(start, "expected a value"));
    }
    Ok(Span { start, end })
}

/// The end of the object that is the whole of a text without any backslash, found from behind: without them a
/// quote always is a string's begin or end. None if the text is nothing of the kind.
pub(crate) fn end_of_plain_object(text: &str, within: Span) -> Option<End> {
    let bytes = text.as_bytes().get(..within.end)?;
    let before = |at: usize| bytes.get(at.checked_sub(1)?).copied();
    let open = within.start + 1;
    if bytes.get(within.start) != Some(&b'{') || before(within.end) != Some(b'}') {
        return None;
    }
    let value_end = skip_space_back(bytes, within.end - 1);
    if value_end == open {
        return Some(End { open, last: None });
    }
    let value_start = value_start(bytes, value_end)?;
    let colon = skip_space_back(bytes, value_start);
    if before(colon) != Some(b':') {
        return None;
    }
    let key_end = skip_space_back(bytes, colon - 1);
    if before(key_end) != Some(b'"') {
        return None;
    }
    let key_start = string_start(bytes, key_end)?;
    let behind = skip_space_back(bytes, key_start);
    let previous = match before(behind)? {
        b',' => Some(skip_space_back(bytes, behind - 1)),
        b'{' if behind == open => None,
        _ => return None,
    };
    let last = Entry {
        key: Some(Span {
            start: key_start,
            end: key_end,
        }),
        value: Span {
            start: value_start,
            end: value_end,
        },
        before: previous,
        after: None,
    };
    Some(End {
        open,
        last: Some(last),
    })
}

/// Where the value begins that ends here, in a text without any backslash.
fn value_start(bytes: &[u8], end: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = end;
    loop {
        let here = at.checked_sub(1)?;
        match bytes.get(here)? {
            b'"' => at = string_start(bytes, at)?,
            b'}' | b']' => {
                depth += 1;
                at = here;
            }
            b'{' | b'[' => {
                depth = depth.checked_sub(1)?;
                at = here;
            }
            byte if depth == 0 && !byte.is_ascii_alphanumeric() && !b"-+.".contains(byte) => {
                return None;
            }
            _ if depth == 0 => {
                let scalar = bytes.get(..end)?.iter().rev();
                let length = scalar
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"-+.".contains(byte))
                    .count();
                return Some(end - length);
            }
            _ => {
                at = here;
                continue;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Where the string begins whose closing quote stands before this place, in a text without any backslash.
fn string_start(bytes: &[u8], end: usize) -> Option<usize> {
    memrchr(b'"', bytes.get(..end.checked_sub(1)?)?)
}

fn skip_space_back(bytes: &[u8], mut at: usize) -> usize {
    while at > 0 && matches!(bytes.get(at - 1), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at -= 1;
    }
    at
}

/// Looks a token up in the value at a span.
pub(crate) fn child(text: &str, within: Span, token: &str) -> Result<Child, JsonError> {
    let Some(mut entries) = entries(text, within)? else {
        return Ok(Child::Scalar);
    };
    let (keyed, open) = (entries.keyed, entries.open);
    let wanted = if keyed { None } else { array_index(token) };
    let (mut found, mut last, mut length) = (None, None, 0);
    while let Some(entry) = entries.next_entry()? {
        let hit = match entry.key {
            Some(key) => key_is(key.of(text), token),
            None => wanted == Some(length),
        };
        if hit {
            found = Some(entry);
        }
        last = Some(entry);
        length += 1;
    }
    Ok(match found {
        Some(entry) => Child::Found(entry),
        None => Child::Absent(Gap {
            keyed,
            length,
            end: End { open, last },
        }),
    })
}

/// Whether a key's text, in its quotes, spells the token.
pub(crate) fn key_is(key: &str, token: &str) -> bool {
    let Some(spelled) = key.get(1..key.len().saturating_sub(1)) else {
        return false;
    };
    match spelled.len().cmp(&token.len()) {
        // Every escape is longer than what it stands for.
        Ordering::Less => false,
        Ordering::Equal => spelled == token && !spelled.contains('\\'),
        Ordering::Greater => spelled.contains('\\') && decode(key) == token,
    }
}

/// An array index as RFC 6901 writes it: no sign, no leading zero.
pub(crate) fn array_index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with('0');
    (plain && token.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| token.parse().ok())
        .flatten()
}

/// The entries of the object or array at a span; None if it is a scalar.
pub(crate) fn entries(text: &str, within: Span) -> Result<Option<Entries<'_>>, JsonError> {
    let keyed = match text.as_bytes().get(within.start) {
        Some(b'{') => true,
        Some(b'[') => false,
        _ => return Ok(None),
    };
    let open = within.start + 1;
    Ok(Some(Entries {
        bytes: text.as_bytes(),
        keyed,
        open,
        next: first_entry(text.as_bytes(), open),
        before: None,
    }))
}

/// Where the first entry behind an opening bracket starts; None if there is none.
fn first_entry(bytes: &[u8], open: usize) -> Option<usize> {
    let start = skip_space(bytes, open);
    (!matches!(bytes.get(start), Some(b'}' | b']') | None)).then_some(start)
}

/// Goes over the entries of one object or array.
pub(crate) struct Entries<'t> {
    bytes: &'t [u8],
    pub(crate) keyed: bool,
    open: usize,
    next: Option<usize>,
    before: Option<usize>,
}

impl Entries<'_> {
    /// The next entry; None after the last.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, JsonError> {
        let Some(start) = self.next else {
            return Ok(None);
        };
        let (key, value_start) = if self.keyed {
            let end = value_end(self.bytes, start)?;
            let colon = skip_space(self.bytes, end);
            if self.bytes.get(start) != Some(&b'"') || self.bytes.get(colon) != Some(&b':') {
                return Err(malformed(start, "expected a key and a colon"));
            }
            (Some(Span { start, end }), skip_space(self.bytes, colon + 1))
        } else {
            (None, start)
        };
        let value = Span {
            start: value_start,
            end: value_end(self.bytes, value_start)?,
        };
        let behind = skip_space(self.bytes, value.end);
        let after = match self.bytes.get(behind) {
            Some(b',') => Some(skip_space(self.bytes, behind + 1)),
            Some(b'}' | b']') => None,
            _ => return Err(malformed(behind, "expected a comma or a closing bracket")),
        };
        let entry = Entry {
            key,
            value,
            before: self.before,
            after,
        };
        self.before = Some(value.end);
        self.next = after;
        Ok(Some(entry))
    }
}

fn malformed(at: usize, reason: &str) -> JsonError {
    JsonError::Malformed(format!("{reason} at byte {at}"))
}

/// Where the value that starts here ends.
fn value_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    skim::value_end(bytes, start).ok_or_else(|| {
        let reason = match bytes.get(start) {
            Some(b'"') => "a string is never closed",
            Some(b'{' | b'[') => "a bracket is never closed",
            _ => "expected a value",
        };
        malformed(start, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pointers_follow_rfc_6901() {
        // The examples of RFC 6901, section 5.
        let text = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4,
            "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#;
        for (pointer, value) in [
            ("/foo", r#"["bar", "baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(get(text, pointer), Ok(Some(value)), "{pointer}");
        }
        assert_eq!(get(text, ""), Ok(Some(text)));
        for nowhere in ["/foo/2", "/foo/00", "/foo/-", "/foo/bar", "/nope", "//x"] {
            assert_eq!(get(text, nowhere), Ok(None), "{nowhere}");
        }
        for invalid in ["foo", "/a~2", "/a~", "x/y"] {
            assert_eq!(
                get(text, invalid),
                Err(JsonError::Pointer(invalid.into())),
                "{invalid}"
            );
        }
    }

    #[test]
    fn keys_compare_decoded_and_the_last_of_two_counts() {
        let text = r#"{"na\u006de": 1, "x": 2, "x": 3}"#;
        assert_eq!(get(text, "/name"), Ok(Some("1")));
        assert_eq!(get(text, "/x"), Ok(Some("3")));
    }

    #[test]
    fn a_key_that_looks_like_a_token_need_not_be_it() {
        let text = r#"{"a\nb": 1, "\n": 2, "a/b": 3, "a\/b": 4, "\ud83d\ude00": 5}"#;
        assert_eq!(get(text, "/a\nb"), Ok(Some("1")));
        assert_eq!(get(text, r"/a\nb"), Ok(None));
        assert_eq!(get(text, r"/\n"), Ok(None));
        assert_eq!(get(text, "/\n"), Ok(Some("2")));
        assert_eq!(get(text, "/a~1b"), Ok(Some("4")));
        assert_eq!(get(text, "/\u{1f600}"), Ok(Some("5")));
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(check(&deep), Ok(()));
        assert_eq!(get(&deep, ""), Ok(Some(deep.as_str())));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_scanner_panic(text in r#"[\[\]{}:,"\\a1 \u{e9}]{0,24}"#, pointer in "(/[a01~-]{0,2}){0,3}") {
            let _ = get(&text, &pointer);
            let _ = members(&text);
        }
    }
}
