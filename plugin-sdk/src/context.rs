//! What a transform can ask besides its document.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use serde::de::DeserializeOwned;

use crate::host::{Host, Level};
use crate::lookups::{Answers, Question};
use crate::{Condition, Document, Failure, codes, time};

/// What a transform can ask besides its document: the time of the run, parameters, secrets, ids for
/// new documents, documents of other tables; and a log.
///
/// Everything in it stands still for the whole run, resumed or not.
/// [`testing::Run`](crate::testing::Run) makes one under `cargo test`.
///
/// ```
/// use plugin_sdk::prelude::*;
///
/// fn stamp(context: &Context) -> Edits {
///     Edits::new().set("/updatedAt", context.now())
/// }
/// ```
pub struct Context<'a> {
    host: &'a dyn Host,
    answers: &'a Answers,
    attempt: &'a Attempt,
    /// The most lookups in one transform.
    lookups: u32,
}

/// What one attempt to transform a document asked and logged.
#[derive(Default)]
pub(crate) struct Attempt {
    /// Lookups made, answered or not.
    lookups: Cell<u32>,
    /// Those that no answer is known to.
    pub(crate) questions: RefCell<Vec<Question>>,
    /// Kept back until it is known that the attempt counts.
    pub(crate) log: RefCell<Vec<(Level, String)>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        host: &'a dyn Host,
        answers: &'a Answers,
        attempt: &'a Attempt,
        lookups: u32,
    ) -> Self {
        Self {
            host,
            answers,
            attempt,
            lookups,
        }
    }

    /// When the run started, in milliseconds since the Unix epoch. The same for all documents, and
    /// for a run that is resumed.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn stamp(context: &Context) -> Edits {
    ///     Edits::new().set("/updatedAt", context.now())
    /// }
    /// ```
    #[must_use]
    pub fn now(&self) -> u64 {
        self.host.now()
    }

    /// The same as text, like `2024-02-29T12:34:56.789Z` (RFC 3339, UTC).
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn stamp(context: &Context) -> Edits {
    ///     Edits::new().set("/updatedAt", context.now_text())
    /// }
    /// ```
    #[must_use]
    pub fn now_text(&self) -> String {
        time::rfc3339(self.now())
    }

    /// A parameter of the run (`--param name=value`); None if it was not given, or is `null`.
    ///
    /// # Errors
    /// `invalid-parameter` if it does not fit the type; it then fails every document.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn limit(context: &Context) -> Result<u32, Failure> {
    ///     Ok(context.param("limit")?.unwrap_or(10))
    /// }
    /// ```
    pub fn param<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.host.param(name) else {
            return Ok(None);
        };
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("the parameter {name} cannot be used: {error}");
            Failure::new(codes::INVALID_PARAMETER, message)
        })
    }

    /// A secret of the run, where the manifest declares it and the user granted it.
    ///
    /// Never put it into a failure, a reason or the log.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn key(context: &Context) -> Result<String, Failure> {
    ///     context
    ///         .secret("encryption-key")
    ///         .ok_or_else(|| Failure::new("no-key", "run with --allow secret:encryption-key"))
    /// }
    /// ```
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<String> {
        self.host.secret(name)
    }

    /// An id for a new document of `table`: the same for the same seed. Choose as seed what makes
    /// the new document the one it is, such as the id of the document that it is made from.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn split_off(order: &Document, context: &Context) -> Outcome {
    ///     let address = context.new_id("addresses", order.id());
    ///     Changes::new()
    ///         .insert_as("addresses", &address, [("city", "Oslo")])
    ///         .edit("orders", order.id(), Edits::new().set("/addressId", &address))
    ///         .into()
    /// }
    /// ```
    #[must_use]
    pub fn new_id(&self, table: &str, seed: &str) -> String {
        self.host.new_id(table, seed)
    }

    /// The document of a table with this key, in the state that the batch sees. An integer key may
    /// be given as the number.
    ///
    /// Asked for all documents of the batch at once: see [`Migration`](crate::Migration). Pass the
    /// failure on with `?`; what a transform returns after a lookup failed to answer is thrown
    /// away.
    ///
    /// # Errors
    /// `lookup-not-granted`, `lookup-unknown-table`, `lookup-limit-exceeded`, `lookup-store` as the
    /// host says; `too-many-lookups` beyond [`Migration::LOOKUPS`](crate::Migration::LOOKUPS).
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn artist(album: &Document, context: &Context) -> Result<Option<String>, Failure> {
    ///     match context.get("Artist", album.require::<u64>("/ArtistId")?)? {
    ///         Some(artist) => artist.get("/Name"),
    ///         None => Ok(None),
    ///     }
    /// }
    /// ```
    pub fn get(&self, table: &str, id: impl Display) -> Result<Option<&'a Document>, Failure> {
        self.count_lookup()?;
        let found = self.answer(Question::get(table, id.to_string()))?;
        Ok(found.first())
    }

    /// The documents of a table with these keys, in order; None where there is none. Counts as one
    /// lookup.
    ///
    /// # Errors
    /// As [`Context::get`].
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn approvers(policy: &Document, context: &Context) -> Result<usize, Failure> {
    ///     let ids: Vec<String> = policy.require("/approved_by")?;
    ///     Ok(context.get_many("users", ids)?.into_iter().flatten().count())
    /// }
    /// ```
    pub fn get_many<I: Display>(
        &self,
        table: &str,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Option<&'a Document>>, Failure> {
        self.count_lookup()?;
        // All are asked for before the first that is not known yet makes the transform return.
        let answers: Vec<_> = ids
            .into_iter()
            .map(|id| self.answer(Question::get(table, id.to_string())))
            .collect();
        answers
            .into_iter()
            .map(|found| Ok(found?.first()))
            .collect()
    }

    /// The documents of a table that meet all of these conditions: the first `limit` of them, by
    /// key.
    ///
    /// The store looks them up by an index if there is one; otherwise it scans the table, and the
    /// host warns.
    ///
    /// # Errors
    /// As [`Context::get`].
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn sites(company: &str, context: &Context) -> Result<usize, Failure> {
    ///     Ok(context.find("sites", [at("/company_id").equals(company)], 100)?.len())
    /// }
    /// ```
    pub fn find(
        &self,
        table: &str,
        conditions: impl IntoIterator<Item = Condition>,
        limit: u32,
    ) -> Result<&'a [Document], Failure> {
        self.count_lookup()?;
        let conditions = conditions.into_iter().collect();
        self.answer(Question::find(table, conditions, limit))
    }

    /// The first document of a table, by key, that meets all of these conditions.
    ///
    /// # Errors
    /// As [`Context::get`].
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn primary<'a>(company: &str, context: &Context<'a>) -> Result<Option<&'a Document>, Failure> {
    ///     context.find_one("sites", [at("/company_id").equals(company), at("/name").equals("Primary")])
    /// }
    /// ```
    pub fn find_one(
        &self,
        table: &str,
        conditions: impl IntoIterator<Item = Condition>,
    ) -> Result<Option<&'a Document>, Failure> {
        Ok(self.find(table, conditions, 1)?.first())
    }

    /// Logs for the author of the migration.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn note(context: &Context) {
    ///     context.debug(format_args!("run at {}", context.now()));
    /// }
    /// ```
    pub fn debug(&self, message: impl Display) {
        self.log(Level::Debug, &message);
    }

    /// Logs for whoever reads the history of a run.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn note(document: &Document, context: &Context) {
    ///     context.info(format_args!("{} was split", document.id()));
    /// }
    /// ```
    pub fn info(&self, message: impl Display) {
        self.log(Level::Info, &message);
    }

    /// Logs that somebody should look at this document.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn note(context: &Context) {
    ///     context.warn("unknown status became draft");
    /// }
    /// ```
    pub fn warn(&self, message: impl Display) {
        self.log(Level::Warn, &message);
    }

    /// Logs that something is wrong. Where the document cannot be migrated, return a [`Failure`]
    /// instead: it is counted, kept and shown.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// fn note(context: &Context) {
    ///     context.error("two primary sites; the first one was taken");
    /// }
    /// ```
    pub fn error(&self, message: impl Display) {
        self.log(Level::Error, &message);
    }

    fn log(&self, level: Level, message: &dyn Display) {
        let line = (level, message.to_string());
        self.attempt.log.borrow_mut().push(line);
    }

    /// What the host answered. If it was not asked yet, the question is noted, and the document
    /// waits.
    fn answer(&self, question: Question) -> Result<&'a [Document], Failure> {
        match self.answers.to(&question) {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(error.into()),
            None => {
                self.attempt.questions.borrow_mut().push(question);
                Err(Failure::waiting())
            }
        }
    }

    fn count_lookup(&self) -> Result<(), Failure> {
        let made = self.attempt.lookups.get();
        if made >= self.lookups {
            let message = format!(
                "the transform of this document makes more than {made} lookups; \
                 the migration's constant LOOKUPS raises the limit"
            );
            return Err(Failure::new(codes::TOO_MANY_LOOKUPS, message));
        }
        self.attempt.lookups.set(made + 1);
        Ok(())
    }
}
