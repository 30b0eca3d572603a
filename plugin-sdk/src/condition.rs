//! Conditions on a document's fields, for the manifest's filter and for lookups.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;
use serde_json::value::RawValue;

/// A test of one field; [`at`] makes it.
///
/// ```
/// let condition: plugin_sdk::Condition = plugin_sdk::at("/tier").equals("premium");
/// assert_eq!(condition.at, "/tier");
/// ```
pub use migration_document::Condition;
use migration_document::Test;

/// Begins a condition on the field that a JSON Pointer (RFC 6901) leads to.
///
/// A pointer begins with `/`; within a key `~` is written `~0` and `/` is written `~1`. Blanks
/// stand as they are. Whether a pointer is one is checked by the host before a run starts.
///
/// ```
/// use plugin_sdk::at;
/// let conditions = [
///     at("/tier").equals("premium"),
///     at("/address/zip").missing(),
///     at("/Release Date").present(),
///     at("/age").at_least(18),
/// ];
/// assert_eq!(conditions.len(), 4);
/// ```
#[must_use]
pub fn at(pointer: impl Into<String>) -> At {
    At {
        pointer: pointer.into(),
    }
}

/// A field, about to be tested. See [`at`].
///
/// ```
/// let field: plugin_sdk::At = plugin_sdk::at("/tier");
/// assert_eq!(field.present().at, "/tier");
/// ```
#[derive(Debug, Clone)]
pub struct At {
    pointer: String,
}

impl At {
    fn test(self, test: Test) -> Condition {
        Condition {
            at: self.pointer,
            test,
        }
    }

    /// There is a value, `null` included.
    ///
    /// ```
    /// let _has_title = plugin_sdk::at("/title").present();
    /// ```
    #[must_use]
    pub fn present(self) -> Condition {
        self.test(Test::Present)
    }

    /// There is no value, not even `null`. In a row table: the column is NULL.
    ///
    /// ```
    /// let _to_do = plugin_sdk::at("/displayName").missing();
    /// ```
    #[must_use]
    pub fn missing(self) -> Condition {
        self.test(Test::Missing)
    }

    /// The value is `null`; for a row table, the column is NULL.
    ///
    /// ```
    /// let _to_do = plugin_sdk::at("/Composer").is_null();
    /// ```
    #[must_use]
    pub fn is_null(self) -> Condition {
        self.equals(Scalar::NULL)
    }

    /// The value is this one. Numbers compare by value: 1, 1.0 and 1e0 are equal.
    ///
    /// ```
    /// let _premium = plugin_sdk::at("/tier").equals("premium");
    /// let _done = plugin_sdk::at("/migrated").equals(true);
    /// ```
    #[must_use]
    pub fn equals(self, value: impl Into<Scalar>) -> Condition {
        self.test(Test::Equals(value.into().into_text()))
    }

    /// The value is another one, or there is none.
    ///
    /// ```
    /// let _to_do = plugin_sdk::at("/migrated").not_equals(true);
    /// ```
    #[must_use]
    pub fn not_equals(self, value: impl Into<Scalar>) -> Condition {
        self.test(Test::NotEquals(value.into().into_text()))
    }

    /// The value comes before this one: both are numbers, or both are strings (ordered by their
    /// bytes in UTF-8).
    ///
    /// ```
    /// let _old = plugin_sdk::at("/updatedAt").less_than(1_700_000_000_000_u64);
    /// ```
    #[must_use]
    pub fn less_than(self, value: impl Into<Scalar>) -> Condition {
        self.test(Test::LessThan(value.into().into_text()))
    }

    /// The value is this one or comes after it: both are numbers, or both are strings.
    ///
    /// ```
    /// let _adult = plugin_sdk::at("/age").at_least(18);
    /// ```
    #[must_use]
    pub fn at_least(self, value: impl Into<Scalar>) -> Condition {
        self.test(Test::AtLeast(value.into().into_text()))
    }

    /// The value is one of these.
    ///
    /// ```
    /// let _staff = plugin_sdk::at("/role").one_of(["teacher", "tutor"]);
    /// ```
    #[must_use]
    pub fn one_of<S: Into<Scalar>>(self, values: impl IntoIterator<Item = S>) -> Condition {
        let texts = values
            .into_iter()
            .map(|value| value.into().into_text())
            .collect();
        self.test(Test::OneOf(texts))
    }
}

/// What a field can be compared with: a string, a number, `true`, `false` or `null`.
///
/// The conversion cannot fail, so that a manifest needs no error handling. A floating-point number
/// that JSON does not know (NaN, an infinity) becomes `null`, as in `serde_json`. A type of your
/// own is compared by `impl From<Tier> for Scalar`.
///
/// ```
/// use plugin_sdk::{Scalar, at};
///
/// enum Tier { Premium }
/// impl From<Tier> for Scalar {
///     fn from(tier: Tier) -> Self {
///         match tier { Tier::Premium => Scalar::from("premium") }
///     }
/// }
/// assert_eq!(at("/tier").equals(Tier::Premium), at("/tier").equals("premium"));
/// assert_eq!(at("/site").equals(None::<&str>), at("/site").is_null());
/// ```
///
/// A key that is read from a document to look another one up need not be decoded: it may be a
/// number here and a string there, and keeps its spelling.
///
/// ```
/// use plugin_sdk::{Document, Scalar, at};
/// let person = Document::new("p1", r#"{"company_id": 9007199254740993}"#);
/// let company: Scalar = person.require("/company_id").unwrap();
/// assert_eq!(at("/id").equals(company), at("/id").equals(9007199254740993_u64));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(Cow<'static, str>);

impl Scalar {
    /// `null`.
    ///
    /// ```
    /// use plugin_sdk::{Scalar, at};
    /// assert_eq!(at("/site").equals(Scalar::NULL), at("/site").is_null());
    /// ```
    pub const NULL: Self = Self(Cow::Borrowed("null"));

    /// JSON text.
    fn into_text(self) -> String {
        self.0.into_owned()
    }
}

macro_rules! scalars {
    ($($type:ty),*) => {$(
        impl From<$type> for Scalar {
            fn from(value: $type) -> Self {
                Self(Cow::Owned(Value::from(value).to_string()))
            }
        }
    )*};
}

scalars!(
    &str, String, bool, u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64
);

impl From<&String> for Scalar {
    fn from(value: &String) -> Self {
        Self::from(value.as_str())
    }
}

impl<T: Into<Scalar>> From<Option<T>> for Scalar {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        if value.get().starts_with(['{', '[']) {
            let message =
                "a string, a number, true, false or null is expected, not an object or an array";
            return Err(D::Error::custom(message));
        }
        Ok(Self(Cow::Owned(value.get().to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_no_scalar() {
        let error = serde_json::from_str::<Scalar>("[1]").unwrap_err();
        assert!(error.to_string().contains("not an object or an array"));
    }

    #[test]
    fn what_json_does_not_know_is_null() {
        assert_eq!(Scalar::from(f64::NAN), Scalar::NULL);
    }
}
