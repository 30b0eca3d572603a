//! From JSON to a case.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Case, Expected, ExpectedFate, ID, Line, NOW, Named};

/// Why a text is no case.
pub(super) struct Problem {
    pub message: String,
    /// The byte of the text that it is about, as far as it is known.
    pub at: usize,
}

/// The members of an object, in order.
struct Members<T>(Vec<Named<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Ordered<T> {
            type Value = Members<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut members: Vec<Named<T>> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("`{name}` stands here twice")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Ordered(PhantomData))
    }
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A member that is there, `null` included.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'t> {
    name: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    document: Option<&'t RawValue>,
    id: Option<String>,
    documents: Option<Members<Box<RawValue>>>,
    #[serde(default)]
    tables: Members<Members<Box<RawValue>>>,
    #[serde(default)]
    params: Members<Box<RawValue>>,
    #[serde(default)]
    secrets: Members<String>,
    now: Option<u64>,
    #[serde(default)]
    revert: bool,
    #[serde(borrow, default)]
    expect: Option<&'t RawValue>,
    again: Option<Again>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Again {
    Changes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExpected {
    #[serde(default, deserialize_with = "present")]
    document: Option<Box<RawValue>>,
    #[serde(default)]
    tables: Option<Members<Members<Box<RawValue>>>>,
    skip: Option<Reason>,
    passed_over: Option<True>,
    fail: Option<WrittenFailure>,
    logs: Option<Vec<WrittenLine>>,
}

/// A reason, or `true` for any.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a reason, or true for any")]
enum Reason {
    This(String),
    Any(True),
}

struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Ok(Self),
            false => Err(D::Error::custom("expected true")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFailure {
    code: Option<String>,
    message: Option<String>,
    #[serde(default, deserialize_with = "present")]
    at: Option<Option<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenLine {
    Debug(String),
    Info(String),
    Warn(String),
    Error(String),
}

/// Reads the case that a text is.
pub(super) fn case(text: &str) -> Result<Case, Problem> {
    let written: Written<'_> = parse(text, 0)?;
    let says = |message: &str| Problem {
        message: message.into(),
        at: text.len() - text.trim_start().len(),
    };
    let is_batch = written.documents.is_some();
    let documents = match (written.document, written.documents) {
        (Some(body), None) => {
            let id = written.id.unwrap_or_else(|| ID.into());
            vec![(id, body.get().to_owned())]
        }
        (None, Some(_)) if written.id.is_some() => {
            return Err(says(
                "`documents` name their ids themselves; `id` goes with `document`",
            ));
        }
        (None, Some(documents)) => texts(documents),
        (Some(_), Some(_)) => return Err(says("it has both `document` and `documents`")),
        (None, None) => return Err(says("it has neither `document` nor `documents`")),
    };
    let expect = written
        .expect
        .map(|raw| expected(text, raw, &documents, is_batch))
        .transpose()?;
    Ok(Case {
        name: written.name,
        line: 1,
        documents,
        is_batch,
        tables: tables(written.tables, |body| body),
        params: texts(written.params),
        secrets: written.secrets.0,
        now: written.now.unwrap_or(NOW),
        revert: written.revert,
        expect,
        changes_again: written.again.is_some(),
    })
}

fn expected(
    text: &str,
    raw: &RawValue,
    documents: &[Named<String>],
    is_batch: bool,
) -> Result<Vec<Named<Expected>>, Problem> {
    // The raw text is a part of the whole.
    let at = raw.get().as_ptr() as usize - text.as_ptr() as usize;
    let says = |message: String| Problem { message, at };
    if !is_batch {
        let one = parse::<WrittenExpected>(raw.get(), at)?;
        let id = documents.first().map(|(id, _)| id.clone());
        return Ok(vec![(id.unwrap_or_default(), one.read().map_err(says)?)]);
    }
    let Members(all) = parse::<Members<WrittenExpected>>(raw.get(), at)?;
    for (id, _) in documents {
        if !all.iter().any(|(expected, _)| expected == id) {
            return Err(says(format!(
                "it does not say what is expected of document `{id}`"
            )));
        }
    }
    all.into_iter()
        .map(|(id, one)| {
            if !documents.iter().any(|(known, _)| *known == id) {
                return Err(says(format!(
                    "it has no document `{id}` of which to expect anything"
                )));
            }
            let read = one
                .read()
                .map_err(|message| says(format!("of document `{id}`: {message}")))?;
            Ok((id, read))
        })
        .collect()
}

impl WrittenExpected {
    fn read(self) -> Result<Expected, String> {
        let mut kinds = Vec::new();
        if self.document.is_some() {
            kinds.push("`document`");
        }
        if self.tables.is_some() && self.document.is_none() {
            kinds.push("`tables`");
        }
        if self.skip.is_some() {
            kinds.push("`skip`");
        }
        if self.passed_over.is_some() {
            kinds.push("`passed_over`");
        }
        if self.fail.is_some() {
            kinds.push("`fail`");
        }
        let fate = match (self.document, self.skip, self.fail, self.passed_over) {
            _ if kinds.len() > 1 => {
                return Err(format!(
                    "a document cannot have {} at once",
                    kinds.join(" and ")
                ));
            }
            (Some(body), ..) => ExpectedFate::Document(gone(text(&body))),
            (_, Some(Reason::This(reason)), ..) => ExpectedFate::Skipped(Some(reason)),
            (_, Some(Reason::Any(True)), ..) => ExpectedFate::Skipped(None),
            (_, _, Some(failure), _) => ExpectedFate::Failed {
                code: failure.code,
                message: failure.message,
                at: failure.at,
            },
            (_, _, _, Some(True)) => ExpectedFate::PassedOver,
            _ if self.tables.is_some() => ExpectedFate::Kept,
            _ => {
                return Err(
                    "it needs one of `document`, `tables`, `skip`, `passed_over` and `fail`".into(),
                );
            }
        };
        let line = |line| {
            let (level, message) = match line {
                WrittenLine::Debug(message) => ("debug", message),
                WrittenLine::Info(message) => ("info", message),
                WrittenLine::Warn(message) => ("warn", message),
                WrittenLine::Error(message) => ("error", message),
            };
            Line { level, message }
        };
        Ok(Expected {
            fate,
            tables: tables(self.tables.unwrap_or_default(), gone),
            log: self.logs.map(|lines| lines.into_iter().map(line).collect()),
        })
    }
}

/// A body; None for `null`, which stands for a document that is not there.
fn gone(body: String) -> Option<String> {
    (body != "null").then_some(body)
}

fn text(value: &RawValue) -> String {
    value.get().to_owned()
}

fn texts(members: Members<Box<RawValue>>) -> Vec<Named<String>> {
    members
        .0
        .into_iter()
        .map(|(id, body)| (id, text(&body)))
        .collect()
}

fn tables<T>(
    tables: Members<Members<Box<RawValue>>>,
    body: impl Fn(String) -> T,
) -> Vec<Named<Vec<Named<T>>>> {
    let read = |documents| {
        texts(documents)
            .into_iter()
            .map(|(id, text)| (id, body(text)))
            .collect()
    };
    tables
        .0
        .into_iter()
        .map(|(table, documents)| (table, read(documents)))
        .collect()
}

/// Parses a text that begins at this byte of the whole.
fn parse<'t, T: Deserialize<'t>>(text: &'t str, at: usize) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let before = text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        // The place is told apart, as a line of the file.
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Problem {
            message: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
            at: at + before + error.column().saturating_sub(1),
        }
    })
}
