//! What a document asks for under `do`, and how it gets it; under `undo` for a guest that has a `revert`.
//!
//! The tests' guests share this file; they differ by their manifests.

use migration_document::{Condition, Edit, Failure, Outcome};
use plugin_sdk::__component::migration::exports::migration::plugin::transform::Outcome as WireOutcome;
use plugin_sdk::__component::migration::migration::plugin::{context, log, lookup, types};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a document may ask for besides an outcome. Where there is an answer, it goes to the member `answer`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    /// Stops in the middle.
    Trap,
    /// Never comes back.
    Loop,
    /// Takes memory until there is none.
    Hoard,
    /// The batch gets one outcome too few.
    OneTooFew,
    /// The batch gets one outcome too many.
    OneTooMany,
    /// Writes a warning about itself into the log, and skips.
    Log(String),
    /// Writes lines into the log.
    Lines(Lines),
    /// Looks documents up by their ids: their bodies, null for each that does not exist.
    Get {
        table: String,
        ids: Vec<String>,
    },
    /// Looks documents up by conditions: their ids.
    Find {
        table: String,
        conditions: Vec<Condition>,
        limit: u32,
    },
    Param(String),
    Secret(String),
    Now,
    NewId {
        table: String,
        seed: String,
    },
    /// Inserts this body into a table under an id of the host's making, from this seed.
    InsertNew {
        table: String,
        seed: String,
        body: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lines {
    level: Level,
    message: String,
    /// How many there are; one if it says nothing.
    times: Option<u32>,
    /// They are about no document.
    #[serde(default)]
    about_none: bool,
    /// The outcome; a skip if it says nothing.
    then: Option<Outcome<'static>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wish {
    Outcome(Outcome<'static>),
    Request(Request),
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, rename = "do")]
    wish: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BodyBack<'a> {
    #[serde(borrow, rename = "undo")]
    wish: Option<&'a RawValue>,
}

/// Which wish of its documents a guest obeys.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "few guests have a way back")]
pub enum Way {
    Forth,
    Back,
}

/// Obeys the documents of a batch.
pub fn obey(documents: Vec<types::Document>, way: Way) -> Vec<WireOutcome> {
    let mut outcomes = Vec::new();
    let (mut too_few, mut too_many) = (false, false);
    for (place, document) in (0..).zip(&documents) {
        let outcome = match wish(&document.body, way) {
            Ok(None) => Outcome::Skip("no wish".into()),
            Ok(Some(Wish::Outcome(outcome))) => outcome,
            Ok(Some(Wish::Request(Request::OneTooFew))) => {
                too_few = true;
                Outcome::Skip("one too few".into())
            }
            Ok(Some(Wish::Request(Request::OneTooMany))) => {
                too_many = true;
                Outcome::Skip("one too many".into())
            }
            Ok(Some(Wish::Request(request))) => grant(request, place),
            Err(error) => Outcome::Fail(Failure {
                code: "no-script".into(),
                message: error.to_string(),
                at: Some("/do".into()),
            }),
        };
        outcomes.push(outcome.into());
    }
    if too_few {
        outcomes.pop();
    }
    if too_many {
        outcomes.push(Outcome::Skip("one too many".into()).into());
    }
    outcomes
}

fn wish(body: &str, way: Way) -> serde_json::Result<Option<Wish>> {
    let wish = match way {
        Way::Forth => serde_json::from_str::<Body<'_>>(body)?.wish,
        Way::Back => serde_json::from_str::<BodyBack<'_>>(body)?.wish,
    };
    let Some(text) = wish.map(RawValue::get) else {
        return Ok(None);
    };
    // A column of a row table holds the script as a text.
    match serde_json::from_str::<String>(text) {
        Ok(script) if script.starts_with(['{', '"']) => serde_json::from_str(&script).map(Some),
        _ => serde_json::from_str(text).map(Some),
    }
}

/// What becomes of the document at this place of its batch.
fn grant(request: Request, place: u32) -> Outcome<'static> {
    match request {
        Request::Trap => std::process::abort(),
        Request::Loop => loop {
            std::hint::black_box(());
        },
        Request::Hoard => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 16 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        // Settled where the whole batch is seen.
        Request::OneTooFew | Request::OneTooMany => Outcome::Skip("".into()),
        Request::Log(message) => {
            log::emit(log::Level::Warn, &message, Some(place));
            Outcome::Skip("logged".into())
        }
        Request::Lines(lines) => {
            let about = (!lines.about_none).then_some(place);
            for _ in 0..lines.times.unwrap_or(1) {
                log::emit(lines.level.into(), &lines.message, about);
            }
            lines.then.unwrap_or(Outcome::Skip("logged".into()))
        }
        Request::Get { table, ids } => match lookup::get_many(&table, &ids) {
            Ok(found) => answer(&array(found.into_iter().map(|document| {
                document.map_or_else(|| "null".to_owned(), |document| document.body)
            }))),
            Err(error) => no_answer(&error),
        },
        Request::Find {
            table,
            conditions,
            limit,
        } => {
            let conditions: Vec<types::Condition> =
                conditions.into_iter().map(Into::into).collect();
            match lookup::find_many(&table, &[conditions], limit) {
                Ok(found) => answer(&array(
                    found
                        .into_iter()
                        .flatten()
                        .map(|document| string(&document.id)),
                )),
                Err(error) => no_answer(&error),
            }
        }
        Request::Param(name) => answer(&context::param(&name).unwrap_or_else(|| "null".into())),
        Request::Secret(name) => {
            answer(&context::secret(&name).map_or("null".into(), |value| string(&value)))
        }
        Request::Now => answer(&context::now().to_string()),
        Request::NewId { table, seed } => answer(&string(&context::new_id(&table, &seed))),
        Request::InsertNew { table, seed, body } => {
            let id = Some(context::new_id(&table, &seed));
            Outcome::Changes(vec![migration_document::Change::Insert(
                migration_document::Insertion { table, id, body },
            )])
        }
    }
}

/// Keeps an answer in the document.
fn answer(json: &str) -> Outcome<'static> {
    Outcome::Edit(vec![Edit::Set {
        at: "/answer".into(),
        value: json.to_owned().into(),
    }])
}

fn no_answer(error: &lookup::Error) -> Outcome<'static> {
    let (code, message) = match error {
        lookup::Error::NotGranted(table) => ("lookup-not-granted", table),
        lookup::Error::UnknownTable(table) => ("lookup-unknown-table", table),
        lookup::Error::LimitExceeded(limit) => ("lookup-limit-exceeded", limit),
        lookup::Error::Store(message) => ("lookup-store", message),
    };
    Outcome::Fail(Failure {
        code: code.into(),
        message: message.clone(),
        at: None,
    })
}

fn array(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.collect::<Vec<_>>().join(","))
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Makes a component of the script and a manifest.
macro_rules! scripted {
    ($manifest:expr) => {
        struct Guest;

        impl plugin_sdk::__component::migration::exports::migration::plugin::transform::Guest for Guest {
            fn describe()
            -> plugin_sdk::__component::migration::migration::plugin::types::Manifest {
                plugin_sdk::Manifest::as_model(&$manifest).clone().into()
            }

            fn transform(
                documents: Vec<plugin_sdk::__component::migration::migration::plugin::types::Document>,
            ) -> Vec<plugin_sdk::__component::migration::migration::plugin::types::Outcome> {
                script::obey(documents, script::Way::Forth)
            }
        }

        plugin_sdk::__component::export_migration!(
            Guest with_types_in plugin_sdk::__component::migration
        );
    };
}
pub(crate) use scripted;
