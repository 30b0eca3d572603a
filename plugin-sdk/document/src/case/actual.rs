//! What came out of a case.

use std::collections::BTreeMap;

use super::{Case, Named};
use crate::model::Failure;

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actual {
    /// What became of itself.
    pub fate: Fate,
    /// Other documents that differ afterwards: tables, and in each ids and bodies, None for one that is gone.
    pub tables: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// What was logged about it.
    pub log: Vec<Line>,
}

/// What became of a document itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It has this body now; None: it is gone.
    Document(Option<String>),
    /// It is as it was, and others have changed.
    Kept,
    /// It was skipped, for this reason.
    Skipped(String),
    /// The filter passed it over.
    PassedOver,
    /// It failed.
    Failed(Failure),
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// What it says.
    pub message: String,
}

impl Case {
    /// What came out, as the case would expect it. The log stands in it where the case expects one.
    #[must_use]
    pub fn expectation(&self, came_out: &[Named<Actual>]) -> String {
        let one = |(id, actual): &Named<Actual>| {
            let expects_log = self
                .expect
                .iter()
                .flatten()
                .any(|(expected, what)| expected == id && what.log.is_some());
            (id.clone(), actual.text(expects_log))
        };
        if self.is_batch {
            return object(came_out.iter().map(one));
        }
        came_out
            .first()
            .map(|first| one(first).1)
            .unwrap_or_default()
    }
}

impl Actual {
    /// As a case expects it.
    #[must_use]
    pub fn text(&self, with_log: bool) -> String {
        let mut members: Vec<Named<String>> = Vec::new();
        match &self.fate {
            Fate::Document(body) => members.push(("document".into(), body_text(body))),
            Fate::Kept => {}
            Fate::Skipped(reason) => members.push(("skip".into(), string(reason))),
            Fate::PassedOver => members.push(("passed_over".into(), "true".into())),
            Fate::Failed(failure) => members.push(("fail".into(), failure_text(failure))),
        }
        if !self.tables.is_empty() || self.fate == Fate::Kept {
            let documents = |documents: &BTreeMap<String, Option<String>>| {
                object(
                    documents
                        .iter()
                        .map(|(id, body)| (id.clone(), body_text(body))),
                )
            };
            let tables = self
                .tables
                .iter()
                .map(|(table, all)| (table.clone(), documents(all)));
            members.push(("tables".into(), object(tables)));
        }
        if with_log {
            members.push(("logs".into(), log_text(&self.log)));
        }
        object(members)
    }
}

pub(super) fn body_text(body: &Option<String>) -> String {
    body.clone().unwrap_or_else(|| "null".into())
}

pub(super) fn log_text(log: &[Line]) -> String {
    let lines: Vec<_> = log
        .iter()
        .map(|line| object([(line.level.to_owned(), string(&line.message))]))
        .collect();
    format!("[{}]", lines.join(", "))
}

fn failure_text(failure: &Failure) -> String {
    let mut members = vec![
        ("code".to_owned(), string(&failure.code)),
        ("message".to_owned(), string(&failure.message)),
    ];
    if let Some(at) = &failure.at {
        members.push(("at".to_owned(), string(at)));
    }
    object(members)
}

/// An object of names and JSON texts.
pub(super) fn object(members: impl IntoIterator<Item = Named<String>>) -> String {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| format!("{}: {value}", string(&name)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

pub(super) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
