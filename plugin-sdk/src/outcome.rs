//! What to do about one document.

use std::borrow::Cow;

use migration_document::Outcome as Model;
use serde::Serialize;

use crate::{Changes, Edits, Failure, codes};

/// What to do about one document. [`Edits`], [`Changes`] and [`Failure`] become one by `.into()`.
///
/// ```
/// use plugin_sdk::{Edits, Failure, Outcome};
///
/// fn lower_case(role: &str) -> Result<Outcome, Failure> {
///     let lower = role.to_lowercase();
///     if lower == role {
///         return Ok(Outcome::skip("already lower-case"));
///     }
///     Ok(Edits::new().set("/role", lower).into())
/// }
/// assert_eq!(lower_case("admin").unwrap(), Outcome::skip("already lower-case"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an outcome does nothing until it is returned"]
pub struct Outcome(Model<'static>);

impl Outcome {
    /// Leave the document alone. The report counts how many were skipped for each reason, so keep
    /// the reason short and the same for all: no ids in it.
    ///
    /// ```
    /// let outcome = plugin_sdk::Outcome::skip("has a site already");
    /// ```
    pub fn skip(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Model::Skip(reason.into()))
    }

    /// Give the document a new body; the host works out what really changed. Prefer [`Edits`]: they
    /// keep what the type of the body does not know, and need no decoding of the rest.
    ///
    /// A body that cannot be written as JSON becomes that document's failure, `invalid-value`.
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct Person { name: String }
    /// let outcome = plugin_sdk::Outcome::replace(Person { name: "Ada".into() });
    /// ```
    pub fn replace(body: impl Serialize) -> Self {
        match serde_json::to_string(&body) {
            Ok(body) => Self(Model::Replace(body.into())),
            Err(error) => {
                let message = format!("the new body cannot be written as JSON: {error}");
                Failure::new(codes::INVALID_VALUE, message).into()
            }
        }
    }

    /// Take the document away.
    ///
    /// ```
    /// let outcome = plugin_sdk::Outcome::delete();
    /// ```
    pub fn delete() -> Self {
        Self(Model::Delete)
    }

    /// The outcome as the interface's plain data.
    ///
    /// ```
    /// use migration_document::Outcome as Model;
    /// assert_eq!(plugin_sdk::Outcome::delete().into_model(), Model::Delete);
    /// ```
    #[must_use]
    pub fn into_model(self) -> Model<'static> {
        self.0
    }
}

impl From<Edits> for Outcome {
    fn from(edits: Edits) -> Self {
        match edits.into_model() {
            Ok(edits) => Self(Model::Edit(edits)),
            Err(failure) => failure.into(),
        }
    }
}

impl From<Changes> for Outcome {
    fn from(changes: Changes) -> Self {
        match changes.into_model() {
            Ok(changes) => Self(Model::Changes(changes)),
            Err(failure) => failure.into(),
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self(Model::Fail(failure.into_model()))
    }
}
