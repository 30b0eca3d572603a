//! Whether what came out is what was expected.

use std::collections::BTreeMap;

use super::actual::{body_text, log_text, object, string};
use super::{Actual, Case, Expected, ExpectedFate, Fate, Named};

/// Something that came out otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The document whose outcome it is.
    pub id: String,
    /// What differs: `the document`, `sites s1`, `the outcome`, `the log`.
    pub what: String,
    /// JSON text.
    pub expected: String,
    /// JSON text.
    pub found: String,
}

/// A JSON text without what no reader of JSON sees: white space between tokens, and how a string's characters are
/// escaped. The order of members and the spelling of numbers stay.
///
/// ```
/// use migration_document::case::plain;
/// assert_eq!(plain("{\"a\" : [1.0, \"\\u00e9\"]}"), "{\"a\":[1.0,\"é\"]}");
/// ```
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, string) = rest.split_at(quote);
        plain.extend(
            before
                .chars()
                .filter(|character| !character.is_whitespace()),
        );
        let end = end_of_string(string);
        let (string, behind) = string.split_at(end);
        // A lone surrogate is no Unicode, and stays as it is spelled.
        match serde_json::from_str::<String>(string) {
            Ok(decoded) => plain.push_str(&self::string(&decoded)),
            Err(_) => plain.push_str(string),
        }
        rest = behind;
    }
    plain.extend(rest.chars().filter(|character| !character.is_whitespace()));
    plain
}

/// Where the string ends that a text begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

impl Case {
    /// What came out otherwise than the case expects it; nothing where it expects nothing.
    #[must_use]
    pub fn mismatches(&self, came_out: &[Named<Actual>]) -> Vec<Mismatch> {
        let expected = |id: &String| {
            let mut all = self.expect.iter().flatten();
            all.find(|(expected, _)| expected == id)
                .map(|(_, what)| what)
        };
        came_out
            .iter()
            .filter_map(|(id, actual)| Some(expected(id)?.mismatches(id, actual)))
            .flatten()
            .collect()
    }
}

impl Expected {
    fn mismatches(&self, id: &str, actual: &Actual) -> Vec<Mismatch> {
        let mismatch = |what: &str, expected: String, found: String| Mismatch {
            id: id.into(),
            what: what.into(),
            expected,
            found,
        };
        let mut found = Vec::new();
        match (&self.fate, &actual.fate) {
            (ExpectedFate::Document(Some(expected)), Fate::Document(Some(body))) => {
                if plain(expected) != plain(body) {
                    found.push(mismatch("the document", expected.clone(), body.clone()));
                }
            }
            (fate, now) if fate.is_met(now) => {}
            _ => found.push(mismatch(
                "the outcome",
                self.fate.text(),
                Actual {
                    tables: BTreeMap::new(),
                    ..actual.clone()
                }
                .text(false),
            )),
        }
        self.compare_tables(actual, |what, expected, now| {
            found.push(mismatch(what, expected, now))
        });
        if let Some(log) = self.log.as_ref().filter(|log| **log != actual.log) {
            found.push(mismatch("the log", log_text(log), log_text(&actual.log)));
        }
        found
    }

    /// Documents of other tables that are not what they should be.
    fn compare_tables(&self, actual: &Actual, mut differs: impl FnMut(&str, String, String)) {
        const NOTHING: &str = "\"as it was\"";
        let mut left = actual.tables.clone();
        for (table, documents) in &self.tables {
            let mut now = left.remove(table).unwrap_or_default();
            for (id, expected) in documents {
                let found = now.remove(id);
                let met = found.as_ref().is_some_and(|found| match (expected, found) {
                    (Some(expected), Some(body)) => plain(expected) == plain(body),
                    (None, None) => true,
                    _ => false,
                });
                if !met {
                    let shown = found.as_ref().map_or_else(|| NOTHING.into(), body_text);
                    differs(&format!("{table} {id}"), body_text(expected), shown);
                }
            }
            left.insert(table.clone(), now);
        }
        for (table, documents) in left {
            for (id, body) in documents {
                differs(&format!("{table} {id}"), NOTHING.into(), body_text(&body));
            }
        }
    }
}

impl ExpectedFate {
    fn is_met(&self, fate: &Fate) -> bool {
        match (self, fate) {
            (Self::Document(None), Fate::Document(None))
            | (Self::Kept, Fate::Kept)
            | (Self::PassedOver, Fate::PassedOver) => true,
            (Self::Skipped(expected), Fate::Skipped(reason)) => {
                expected.as_ref().is_none_or(|expected| expected == reason)
            }
            (Self::Failed { code, message, at }, Fate::Failed(failure)) => {
                code.as_ref().is_none_or(|code| *code == failure.code)
                    && message
                        .as_ref()
                        .is_none_or(|message| *message == failure.message)
                    && at.as_ref().is_none_or(|at| *at == failure.at)
            }
            _ => false,
        }
    }

    /// As it stands in a case.
    fn text(&self) -> String {
        let (name, value) = match self {
            Self::Document(body) => ("document", body_text(body)),
            Self::Kept => ("tables", "{}".into()),
            Self::Skipped(Some(reason)) => ("skip", string(reason)),
            Self::Skipped(None) => ("skip", "true".into()),
            Self::PassedOver => ("passed_over", "true".into()),
            Self::Failed { code, message, at } => {
                let mut members: Vec<_> = code
                    .iter()
                    .map(|code| ("code".to_owned(), string(code)))
                    .collect();
                members.extend(
                    message
                        .iter()
                        .map(|message| ("message".to_owned(), string(message))),
                );
                members.extend(at.iter().map(|at| {
                    let at = at
                        .as_ref()
                        .map_or_else(|| "null".to_owned(), |at| string(at));
                    ("at".to_owned(), at)
                }));
                ("fail", object(members))
            }
        };
        object([(name.to_owned(), value)])
    }
}
