//! A document, and how its fields are read.

use std::borrow::Cow;

use migration_document::{apply, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Edits, Failure, codes, fields};

/// A document as the store held it when its batch was read: its key as text, and its body as JSON
/// text.
///
/// ```
/// use plugin_sdk::Document;
/// let user = Document::new("u1", r#"{"email": "ada@example.org", "score": 1.0}"#);
/// assert_eq!(user.id(), "u1");
/// assert_eq!(user.get::<String>("/email").unwrap().as_deref(), Some("ada@example.org"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    id: Cow<'static, str>,
    body: Cow<'static, str>,
}

impl Document {
    /// A document of one's own, for tests of functions that take one.
    ///
    /// ```
    /// let user = plugin_sdk::Document::new("u1", "{}");
    /// assert_eq!(user.raw(), "{}");
    /// ```
    #[must_use]
    pub fn new(id: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            id: Cow::Owned(id.into()),
            body: Cow::Owned(body.into()),
        }
    }

    /// A document whose texts stay where they are.
    pub(crate) fn lent(id: &'static str, body: &'static str) -> Self {
        Self {
            id: Cow::Borrowed(id),
            body: Cow::Borrowed(body),
        }
    }

    /// The key within its table, as text: the integer key 7 is `7`.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Document::new("u1", "{}").id(), "u1");
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The body, as the store's own JSON text.
    ///
    /// ```
    /// assert_eq!(plugin_sdk::Document::new("p1", r#"{"price": 1.0}"#).raw(), r#"{"price": 1.0}"#);
    /// ```
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.body
    }

    /// The body as a type of yours. Name only the fields that the migration reads: the others
    /// are passed over unread, and with [`Edits`] they stay what they are. Use `String` or `Cow<str>` for
    /// text: a `&str` cannot hold a string that is spelled with escapes.
    ///
    /// # Errors
    /// `invalid-document`, with what does not fit, and the pointer to it unless a member of the
    /// document itself is missing. The message may quote the value; for secret values use
    /// [`Document::raw_at`].
    ///
    /// ```
    /// use plugin_sdk::Document;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct User { email: String }
    ///
    /// let user: User = Document::new("u1", r#"{"email": "ada@example.org", "age": 36}"#).parse().unwrap();
    /// assert_eq!(user.email, "ada@example.org");
    ///
    /// let failure = Document::new("u1", r#"{"email": 5}"#).parse::<User>().err().unwrap();
    /// assert_eq!((failure.code(), failure.pointer()), ("invalid-document", Some("/email")));
    /// ```
    pub fn parse<'d, T: Deserialize<'d>>(&'d self) -> Result<T, Failure> {
        if let Some(read) = fields::read(&self.body) {
            return Ok(read);
        }
        serde_json::from_str(&self.body)
            .map_err(|error| Failure::parsing(codes::INVALID_DOCUMENT, &error, &self.body, ""))
    }

    /// The value that a JSON Pointer leads to; None if there is none, or `null`: as serde reads a
    /// field of the type `Option<T>`. [`Document::has`] tells the two apart. Reads no more of the
    /// body than the way to it.
    ///
    /// # Errors
    /// `invalid-field` and the pointer, if the value does not fit the type; or if the pointer is
    /// none.
    ///
    /// ```
    /// let site = plugin_sdk::Document::new("s1", r#"{"address": {"zip": null, "city": "Oslo"}}"#);
    /// assert_eq!(site.get::<String>("/address/city").unwrap().as_deref(), Some("Oslo"));
    /// assert_eq!(site.get::<String>("/address/zip").unwrap(), None);
    /// assert_eq!(site.get::<u32>("/address/city").unwrap_err().pointer(), Some("/address/city"));
    /// ```
    pub fn get<'d, T: Deserialize<'d>>(&'d self, pointer: &str) -> Result<Option<T>, Failure> {
        match self.text_at(pointer)? {
            None => Ok(None),
            Some(text) => serde_json::from_str(text)
                .map_err(|error| Failure::parsing(codes::INVALID_FIELD, &error, text, pointer)),
        }
    }

    /// The value that a JSON Pointer leads to, where the migration cannot do without.
    ///
    /// # Errors
    /// `missing-field` if there is none, or `null`; otherwise as [`Document::get`].
    ///
    /// ```
    /// let user = plugin_sdk::Document::new("u1", r#"{"name": "Ada"}"#);
    /// assert_eq!(user.require::<String>("/name").unwrap(), "Ada");
    /// let failure = user.require::<String>("/email").unwrap_err();
    /// assert_eq!(failure.to_string(), "missing-field: there is no /email (at /email)");
    /// ```
    pub fn require<'d, T: Deserialize<'d>>(&'d self, pointer: &str) -> Result<T, Failure> {
        self.get(pointer)?.ok_or_else(|| {
            Failure::new(codes::MISSING_FIELD, format!("there is no {pointer}")).at(pointer)
        })
    }

    /// Whether a JSON Pointer leads to a value, `null` included.
    ///
    /// # Errors
    /// `invalid-field` if the pointer is none.
    ///
    /// ```
    /// let user = plugin_sdk::Document::new("u1", r#"{"site": null}"#);
    /// assert!(user.has("/site").unwrap());
    /// assert!(!user.has("/name").unwrap());
    /// ```
    pub fn has(&self, pointer: &str) -> Result<bool, Failure> {
        Ok(self.text_at(pointer)?.is_some())
    }

    /// The value that a JSON Pointer leads to, as it is spelled, `null` included: for values that
    /// are passed on and not understood. `6.10` stays `6.10`, and 2^63 does not become a
    /// floating-point number.
    ///
    /// # Errors
    /// `invalid-field` if the pointer is none.
    ///
    /// ```
    /// use plugin_sdk::{Document, Edits, Outcome};
    /// let film = Document::new("f1", r#"{"title": 6.10}"#);
    /// let title = film.raw_at("/title").unwrap().unwrap();
    /// assert_eq!(title.get(), "6.10");
    /// assert_eq!(Outcome::from(Edits::new().set("/name", title)),
    ///            Outcome::from(Edits::new().set_json("/name", "6.10")));
    /// ```
    pub fn raw_at(&self, pointer: &str) -> Result<Option<&RawValue>, Failure> {
        match self.text_at(pointer)? {
            None => Ok(None),
            Some(text) => serde_json::from_str(text)
                .map(Some)
                .map_err(|error| Failure::parsing(codes::INVALID_FIELD, &error, text, pointer)),
        }
    }

    /// The body after these edits, for an insertion into another table. What no edit names keeps
    /// its bytes.
    ///
    /// # Errors
    /// `invalid-edit` if an edit does not apply; `invalid-value` if a value of one cannot be
    /// written as JSON.
    ///
    /// ```
    /// use plugin_sdk::{Changes, Document, Edits};
    /// let old = Document::new("a1", r#"{"_id": "a1", "price": 1.0}"#);
    /// let body = old.edited(Edits::new().remove("/_id")).unwrap();
    /// assert_eq!(body.get(), r#"{"price": 1.0}"#);
    /// let changes = Changes::new().insert("newTable", body);
    /// ```
    pub fn edited(&self, edits: Edits) -> Result<Box<RawValue>, Failure> {
        let text =
            apply(&self.body, &edits.into_model()?).map_err(|error| Failure::editing(&error))?;
        Ok(RawValue::from_string(text)?)
    }

    fn text_at(&self, pointer: &str) -> Result<Option<&str>, Failure> {
        json::get(&self.body, pointer).map_err(|error| Failure::pointing(&error).at(pointer))
    }
}
