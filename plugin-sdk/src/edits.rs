//! Edits of one document.

use std::borrow::Cow;

use migration_document::Edit;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Failure, codes, value};

/// Edits of one document, applied one after the other, all of them or none. What no edit names
/// keeps its exact bytes: number spellings, key order, escapes, white space.
///
/// Pointers are JSON Pointers (RFC 6901): `/email`, `/address/city`, as literals, which are not
/// copied, or as `String`s. One that does not resolve, and a value that cannot be written as JSON,
/// are that document's failure.
///
/// ```
/// use plugin_sdk::{Edits, Outcome};
/// let outcome: Outcome = Edits::new()
///     .set("/displayName", "ada")
///     .set("/updatedAt", 1_700_000_000_000_u64)
///     .rename("/title", "/recipeTitle")
///     .remove("/legacy")
///     .into();
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "edits do nothing until they are returned as an outcome"]
pub struct Edits {
    edits: Vec<Edit<'static>>,
    /// The first value that could not be written as JSON. Kept until the edits are used, so that a
    /// chain of edits needs one `?` and not one for each.
    failure: Option<Failure>,
}

impl Edits {
    /// No edits yet.
    ///
    /// ```
    /// assert!(plugin_sdk::Edits::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value at a pointer: replaces what is there, or adds a member to an object that is
    /// there. In an array an index replaces, and `-` appends.
    ///
    /// ```
    /// let edits = plugin_sdk::Edits::new().set("/tags/-", "new").set("/address", [("city", "Oslo")]);
    /// assert!(!edits.is_empty());
    /// ```
    pub fn set(self, at: impl Into<Cow<'static, str>>, value: impl Serialize) -> Self {
        let text = value::json(&value).map_err(|error| error.to_string());
        self.set_text(at.into(), text)
    }

    /// The same with a JSON text, which is kept as it is spelled.
    ///
    /// ```
    /// use plugin_sdk::{Document, Edits};
    /// let edited = Document::new("p", "{}").edited(Edits::new().set_json("/price", "6.10"));
    /// assert_eq!(edited.unwrap().get(), r#"{"price":6.10}"#);
    /// let failure = Document::new("p", "{}").edited(Edits::new().set_json("/price", "6,10"));
    /// assert_eq!(failure.unwrap_err().code(), "invalid-value");
    /// ```
    pub fn set_json(self, at: impl Into<Cow<'static, str>>, json: impl Into<String>) -> Self {
        let text = RawValue::from_string(json.into())
            .map(|value| value.get().to_owned())
            .map_err(|error| error.to_string());
        self.set_text(at.into(), text)
    }

    #[inline(always)]
    fn set_text(mut self, at: Cow<'static, str>, text: Result<String, String>) -> Self {
        match text {
            Ok(value) => self.edits.push(Edit::Set {
                at,
                value: value.into(),
            }),
            Err(error) => {
                let message = format!("the value for {at} cannot be written as JSON: {error}");
                self.failure
                    .get_or_insert(Failure::new(codes::INVALID_VALUE, message).at(at));
            }
        }
        self
    }

    /// Takes a member or an element out. There must be one.
    ///
    /// ```
    /// let edits = plugin_sdk::Edits::new().remove("/saveRegenerationHistory");
    /// assert!(!edits.is_empty());
    /// ```
    pub fn remove(mut self, at: impl Into<Cow<'static, str>>) -> Self {
        self.edits.push(Edit::Remove { at: at.into() });
        self
    }

    /// Moves a value without decoding it, and replaces what is there. There must be a value at
    /// `from`.
    ///
    /// ```
    /// let edits = plugin_sdk::Edits::new().rename("/title", "/recipeTitle");
    /// assert!(!edits.is_empty());
    /// ```
    pub fn rename(
        mut self,
        from: impl Into<Cow<'static, str>>,
        to: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.edits.push(Edit::Rename {
            from: from.into(),
            to: to.into(),
        });
        self
    }

    /// Whether there is nothing to do; such a document counts as skipped, reason `unchanged`.
    ///
    /// ```
    /// assert!(!plugin_sdk::Edits::new().set("/a", 1).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.failure.is_none()
    }

    /// The edits as the interface's plain data.
    ///
    /// # Errors
    /// `invalid-value`, the first value that could not be written as JSON.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Edits::new().set("/a", 1).into_model().unwrap().len(), 1);
    /// ```
    pub fn into_model(self) -> Result<Vec<Edit<'static>>, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.edits),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_value_that_is_no_json_is_a_failure_and_not_a_panic() {
        let no_json = BTreeMap::from([((1, 2), "a key that is no string")]);
        let failure = Edits::new()
            .set("/a", 1)
            .set("/map", &no_json)
            .set_json("/b", "tru")
            .into_model()
            .unwrap_err();
        assert_eq!(
            (failure.code(), failure.pointer()),
            ("invalid-value", Some("/map"))
        );
    }
}
