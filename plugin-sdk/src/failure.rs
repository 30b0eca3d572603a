//! Why a document could not be migrated.

use std::error::Error;
use std::fmt;

use migration_document::{EditError, JsonError};

use crate::host::LookupError;

/// The codes of failures that the SDK makes. They are stable: reports and scripts may rely on them.
///
/// ```
/// use plugin_sdk::{Document, codes};
/// let document = Document::new("u1", r#"{"age": "old"}"#);
/// assert_eq!(document.require::<u8>("/age").unwrap_err().code(), codes::INVALID_FIELD);
/// ```
pub mod codes {
    /// The body does not fit the type that it was parsed to.
    pub const INVALID_DOCUMENT: &str = "invalid-document";
    /// A field does not fit the type that it was asked as.
    pub const INVALID_FIELD: &str = "invalid-field";
    /// A field that the migration cannot do without is missing or null.
    pub const MISSING_FIELD: &str = "missing-field";
    /// A value cannot be written as JSON: a map with keys that are no strings, for example.
    pub const INVALID_VALUE: &str = "invalid-value";
    /// An edit does not apply to the document. The host uses this code and `invalid-value` too.
    pub const INVALID_EDIT: &str = "invalid-edit";
    /// A parameter of the run does not fit the type that it was asked as.
    pub const INVALID_PARAMETER: &str = "invalid-parameter";
    /// The table is not declared by the manifest, or was not granted.
    pub const LOOKUP_NOT_GRANTED: &str = "lookup-not-granted";
    /// There is no such table. A host need not tell this from one that was not granted.
    pub const LOOKUP_UNKNOWN_TABLE: &str = "lookup-unknown-table";
    /// The lookup exceeds a limit of the host, which the message names.
    pub const LOOKUP_LIMIT_EXCEEDED: &str = "lookup-limit-exceeded";
    /// The store could not answer.
    pub const LOOKUP_STORE: &str = "lookup-store";
    /// The transform looked up more often than [`Migration::LOOKUPS`](crate::Migration::LOOKUPS)
    /// allows.
    pub const TOO_MANY_LOOKUPS: &str = "too-many-lookups";
    /// The transform asked other questions when it was run again; it must be a pure function.
    pub const IMPURE: &str = "impure";
    /// Any other error that `?` passed on.
    pub const ERROR: &str = "error";
    /// The document waits for a lookup. Never reported: such a document is transformed again.
    pub(crate) const WAITING: &str = "waiting";
}

/// Why one document could not be migrated: it is quarantined, and the run goes on.
///
/// Any error that implements [`std::error::Error`] becomes a failure by `?`, with the code `error`
/// and the messages of the error and its sources. For that reason `Failure` is no such error
/// itself.
///
/// Its text is stored and shown: do not put secrets or whole documents into it.
///
/// ```
/// use plugin_sdk::Failure;
///
/// fn year(text: &str) -> Result<u16, Failure> {
///     let year: u16 = text.parse()?; // any error
///     if year < 1888 {
///         return Err(Failure::new("too-early", format!("no films in {year}")).at("/released"));
///     }
///     Ok(year)
/// }
///
/// assert_eq!(year("1998").unwrap(), 1998);
/// assert_eq!(year("12").unwrap_err().pointer(), Some("/released"));
/// assert_eq!(year("x").unwrap_err().to_string(), "error: invalid digit found in string");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(migration_document::Failure);

impl Failure {
    /// A failure with a code for machines (stable, lower-case words joined by hyphens) and a
    /// message for people.
    ///
    /// ```
    /// let failure = plugin_sdk::Failure::new("no-primary-site", "Participant p1: No Primary site");
    /// assert_eq!(failure.code(), "no-primary-site");
    /// ```
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self(migration_document::Failure {
            code: code.into(),
            message: message.into(),
            at: None,
        })
    }

    /// The same failure, with a JSON Pointer to the field that is to blame. An empty pointer (the
    /// whole document) says nothing that the report would not, and counts as none.
    ///
    /// ```
    /// let failure = plugin_sdk::Failure::new("bad-email", "email has no @").at("/email");
    /// assert_eq!(failure.pointer(), Some("/email"));
    /// ```
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.at = Some(pointer.into()).filter(|pointer| !pointer.is_empty());
        self
    }

    /// The code.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Failure::new("a-code", "a message").code(), "a-code");
    /// ```
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message, without code and pointer.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Failure::new("a-code", "a message").message(), "a message");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field that is to blame, where there is one.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Failure::new("a-code", "a message").pointer(), None);
    /// ```
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.0.at.as_deref()
    }

    /// The failure as the interface's plain data.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Failure::new("a-code", "a message").into_model().at, None);
    /// ```
    #[must_use]
    pub fn into_model(self) -> migration_document::Failure {
        self.0
    }

    /// What a lookup returns whose answer is not known yet.
    pub(crate) fn waiting() -> Self {
        Self::new(
            codes::WAITING,
            "the lookup's answer is fetched; the document is transformed again",
        )
    }

    /// A serde error in the value that `base` leads to within its document. The position in the
    /// text becomes a pointer, because nobody counts columns in the one long line that a document
    /// is.
    pub(crate) fn parsing(code: &str, error: &serde_json::Error, text: &str, base: &str) -> Self {
        let (line, column) = (error.line(), error.column());
        let full = error.to_string();
        let message = full
            .strip_suffix(&format!(" at line {line} column {column}"))
            .unwrap_or(&full);
        let at = crate::position::pointer(text, line, column);
        Self::new(code, message).at(format!("{base}{at}"))
    }

    pub(crate) fn editing(error: &EditError) -> Self {
        let code = match error {
            EditError::Value { .. } => codes::INVALID_VALUE,
            _ => codes::INVALID_EDIT,
        };
        let failure = Self::new(code, error.to_string());
        failure.at(error.at().unwrap_or_default())
    }

    pub(crate) fn pointing(error: &JsonError) -> Self {
        Self::new(codes::INVALID_FIELD, error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.0.code, self.0.message)?;
        match &self.0.at {
            Some(at) => write!(formatter, " (at {at})"),
            None => Ok(()),
        }
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let text = inner.to_string();
            // Many errors repeat their source in their own message.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = inner.source();
        }
        Self::new(codes::ERROR, message)
    }
}

impl From<&LookupError> for Failure {
    fn from(error: &LookupError) -> Self {
        let (code, text) = match error {
            LookupError::NotGranted(text) => (codes::LOOKUP_NOT_GRANTED, text),
            LookupError::UnknownTable(text) => (codes::LOOKUP_UNKNOWN_TABLE, text),
            LookupError::LimitExceeded(text) => (codes::LOOKUP_LIMIT_EXCEEDED, text),
            LookupError::Store(text) => (codes::LOOKUP_STORE, text),
        };
        Self::new(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the year is no number")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_tells_its_sources() {
        let failure = Failure::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(
            failure.message(),
            "the year is no number: invalid digit found in string"
        );
    }

    #[test]
    fn the_whole_document_is_no_pointer() {
        assert_eq!(Failure::new("a", "b").at("").pointer(), None);
    }
}
