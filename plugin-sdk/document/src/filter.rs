//! Whether a document meets the conditions of a manifest or of a lookup.
//!
//! This is the meaning of a condition. A store may use an index to leave documents out that cannot
//! meet it, but what it lets through is judged here.

use std::cmp::Ordering;

use memchr::memchr;
use thiserror::Error;

use crate::json::{self, JsonError, Key};
use crate::model::{Condition, Test};
use crate::number::Decimal;

/// Why a condition cannot be tested.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConditionError {
    /// The pointer is none.
    #[error("the condition's pointer cannot be used: {0}")]
    Pointer(JsonError),
    /// The value is not a JSON scalar.
    #[error(
        "the condition on `{at}` compares with `{value}`, which is not the JSON text of a string, a number, true, false or null"
    )]
    Value {
        /// The condition's pointer.
        at: String,
        /// The value that cannot be compared with.
        value: String,
    },
}

/// A JSON scalar, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, by value.
    Number(Number),
    /// A string, decoded.
    String(String),
}

/// A number that compares by value, and remembers how it was spelled.
#[derive(Debug, Clone)]
pub struct Number {
    text: String,
    value: Decimal,
}

impl Number {
    /// The number as it was spelled.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Number {}

impl Scalar {
    /// Reads the JSON text of a scalar; None for anything else.
    ///
    /// ```
    /// use migration_document::filter::Scalar;
    /// assert_eq!(Scalar::parse("1.0"), Scalar::parse("1"));
    /// assert_eq!(Scalar::parse("[1]"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = json::trimmed(text);
        match text.as_bytes().first()? {
            b'"' => serde_json::from_str(text).ok().map(Self::String),
            b't' | b'f' => text.parse().ok().map(Self::Bool),
            b'n' => (text == "null").then_some(Self::Null),
            b'-' | b'0'..=b'9' => {
                json::check(text).ok()?;
                Some(Self::Number(Number {
                    text: text.to_owned(),
                    value: Decimal::parse(text)?,
                }))
            }
            _ => None,
        }
    }

    /// Orders numbers by value and strings by their bytes; other pairs have no order.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(mine), Self::Number(theirs)) => Some(mine.value.compare(&theirs.value)),
            (Self::String(mine), Self::String(theirs)) => Some(mine.cmp(theirs)),
            _ => None,
        }
    }
}

/// Conditions, checked and ready to be tested on many bodies.
///
/// ```
/// use migration_document::{Condition, Filter, Test};
/// let premium = Filter::new(&[
///     Condition { at: "/tier".into(), test: Test::Equals(r#""premium""#.into()) },
///     Condition { at: "/premiumSince".into(), test: Test::Missing },
/// ]).unwrap();
/// assert!(premium.matches(r#"{"tier": "premium"}"#).unwrap());
/// assert!(!premium.matches(r#"{"tier": "free"}"#).unwrap());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Filter {
    clauses: Vec<Clause>,
    /// One of these must be met besides; none are there where the clauses say it all.
    one_of: Vec<Filter>,
    null_is_missing: bool,
}

/// One condition, ready to be tested.
#[derive(Debug, Clone)]
pub struct Clause {
    /// The condition's pointer.
    at: String,
    /// Its tokens, decoded.
    tokens: Vec<String>,
    /// Looks for the last token as the key that it would be, where it can only be a key.
    key: Option<Key>,
    expected: Expected,
}

impl Clause {
    /// The tokens of the condition's pointer, decoded.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// What the value must be.
    #[must_use]
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Whether this is the condition's pointer. `-` leads to no value that is there.
    fn is_at(&self, at: &str) -> bool {
        // There is one way to spell a token.
        self.at == at && !at.ends_with("/-")
    }

    /// Tells quickly, of most bodies without the value, that they do not have it: without a backslash a key
    /// has one spelling.
    fn cannot_be_in(&self, body: &str) -> bool {
        self.key
            .as_ref()
            .is_some_and(|key| !key.is_in(body) && memchr(b'\\', body.as_bytes()).is_none())
    }
}

impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        self.tokens == other.tokens && self.expected == other.expected
    }
}

/// What the value at a pointer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Any value.
    Present,
    /// No value.
    Missing,
    /// This value.
    Equals(Scalar),
    /// Any other value, or none.
    NotEquals(Scalar),
    /// A value before this one.
    LessThan(Scalar),
    /// This value or one behind it.
    AtLeast(Scalar),
    /// One of these values.
    OneOf(Vec<Scalar>),
}

impl Filter {
    /// Checks the conditions. None at all are met by every document.
    ///
    /// # Errors
    /// If a pointer is none, or a value is no JSON scalar.
    pub fn new(conditions: &[Condition]) -> Result<Self, ConditionError> {
        let clauses = conditions.iter().map(clause).collect::<Result<_, _>>()?;
        Ok(Self {
            clauses,
            one_of: Vec::new(),
            null_is_missing: false,
        })
    }

    /// Met by what meets any of these filters; of none at all, by every document.
    ///
    /// ```
    /// use migration_document::{Condition, Filter, Test};
    /// let has = |at: &str| Filter::new(&[Condition { at: at.into(), test: Test::Present }]).unwrap();
    /// let either = Filter::any_of(vec![has("/name"), has("/title")]);
    /// assert!(either.matches(r#"{"title": 1}"#).unwrap());
    /// assert!(!either.matches(r#"{"names": 1}"#).unwrap());
    /// ```
    #[must_use]
    pub fn any_of(mut filters: Vec<Self>) -> Self {
        let Some(first) = filters.first() else {
            return Self::default();
        };
        // What all of them ask for can be looked for at once, by a store's index for instance.
        let shared: Vec<Clause> = first
            .clauses
            .iter()
            .filter(|clause| filters.iter().all(|other| other.clauses.contains(clause)))
            .cloned()
            .collect();
        let null_is_missing = first.null_is_missing;
        for filter in &mut filters {
            filter.clauses.retain(|clause| !shared.contains(clause));
        }
        if filters.iter().any(Self::is_met_by_all) {
            filters.clear();
        }
        Self {
            clauses: shared,
            one_of: filters,
            null_is_missing,
        }
    }

    /// Whether every document meets it.
    #[must_use]
    pub fn is_met_by_all(&self) -> bool {
        self.clauses.is_empty() && self.one_of.is_empty()
    }

    /// Takes `null` for missing, or not. In a row table a column is always there, and what has no value
    /// is NULL: there [`Test::Missing`] means NULL. By default `null` is a value like others.
    ///
    /// ```
    /// use migration_document::{Condition, Filter, Test};
    /// let without = Filter::new(&[Condition { at: "/site_id".into(), test: Test::Missing }]).unwrap();
    /// let row = r#"{"id": 1, "site_id": null}"#;
    /// assert!(!without.matches(row).unwrap());
    /// assert!(without.null_is_missing(true).matches(row).unwrap());
    /// ```
    #[must_use]
    pub fn null_is_missing(self, null_is_missing: bool) -> Self {
        let one_of = self.one_of.into_iter();
        Self {
            one_of: one_of
                .map(|filter| filter.null_is_missing(null_is_missing))
                .collect(),
            null_is_missing,
            ..self
        }
    }

    /// Whether `null` is taken for missing.
    #[must_use]
    pub fn takes_null_for_missing(&self) -> bool {
        self.null_is_missing
    }

    /// The conditions, one by one, that must all be met. Of a filter that is [any of several](Self::any_of), those that all of them have.
    #[must_use]
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether no body that has this value at this pointer meets all conditions.
    ///
    /// ```
    /// use migration_document::{Condition, Filter, Test};
    /// let without = Filter::new(&[Condition { at: "/site".into(), test: Test::Missing }]).unwrap();
    /// assert!(without.excludes("/site", "1"));
    /// assert!(!without.excludes("/name", "1"));
    /// ```
    #[must_use]
    pub fn excludes(&self, at: &str, value: &str) -> bool {
        let by_clause = self.clauses.iter().any(|clause| {
            clause.is_at(at)
                && !clause
                    .expected
                    .met_by(Some(json::trimmed(value)), self.null_is_missing)
        });
        by_clause
            || !self.one_of.is_empty()
                && self.one_of.iter().all(|filter| filter.excludes(at, value))
    }

    /// Whether a body meets all conditions.
    ///
    /// # Errors
    /// If the body is malformed where a pointer goes along.
    pub fn matches(&self, body: &str) -> Result<bool, JsonError> {
        for clause in &self.clauses {
            // The quick look passes over whatever is malformed, which only those may do who let it through.
            if clause.expected.met_by(None, self.null_is_missing) && clause.cannot_be_in(body) {
                continue;
            }
            let found = json::follow(body, &clause.tokens)?;
            if !clause.expected.met_by(found, self.null_is_missing) {
                return Ok(false);
            }
        }
        for filter in &self.one_of {
            if filter.matches(body)? {
                return Ok(true);
            }
        }
        Ok(self.one_of.is_empty())
    }
}

impl Expected {
    /// Whether the text of a value, or none, is what is expected.
    fn met_by(&self, found: Option<&str>, null_is_missing: bool) -> bool {
        let missing = found.is_none_or(|value| null_is_missing && value == "null");
        match self {
            Self::Present => return !missing,
            Self::Missing => return missing,
            _ => {}
        }
        // An object or an array is like no scalar; neither is what is missing.
        let found = found.and_then(Scalar::parse);
        let order = |expected: &Scalar| found.as_ref().and_then(|value| value.compare(expected));
        match self {
            Self::Present | Self::Missing => false,
            Self::Equals(expected) => found.as_ref() == Some(expected),
            Self::NotEquals(expected) => found.as_ref() != Some(expected),
            Self::LessThan(expected) => order(expected).is_some_and(Ordering::is_lt),
            Self::AtLeast(expected) => order(expected).is_some_and(Ordering::is_ge),
            Self::OneOf(expected) => found.is_some_and(|value| expected.contains(&value)),
        }
    }
}

fn clause(condition: &Condition) -> Result<Clause, ConditionError> {
    let tokens = json::tokens(&condition.at)
        .map_err(ConditionError::Pointer)?
        .map(|token| token.into_owned())
        .collect::<Vec<_>>();
    let key = tokens
        .last()
        .filter(|token| json::array_index(token).is_none())
        .map(|token| Key::of(token));
    let scalar = |value: &String| {
        Scalar::parse(value).ok_or_else(|| ConditionError::Value {
            at: condition.at.clone(),
            value: value.clone(),
        })
    };
    let expected = match &condition.test {
        Test::Present => Expected::Present,
        Test::Missing => Expected::Missing,
        Test::Equals(value) => Expected::Equals(scalar(value)?),
        Test::NotEquals(value) => Expected::NotEquals(scalar(value)?),
        Test::LessThan(value) => Expected::LessThan(scalar(value)?),
        Test::AtLeast(value) => Expected::AtLeast(scalar(value)?),
        Test::OneOf(values) => {
            Expected::OneOf(values.iter().map(scalar).collect::<Result<_, _>>()?)
        }
    };
    Ok(Clause {
        at: condition.at.clone(),
        tokens,
        key,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn met(at: &str, test: Test, body: &str) -> bool {
        let condition = Condition {
            at: at.into(),
            test,
        };
        Filter::new(&[condition]).unwrap().matches(body).unwrap()
    }

    #[test]
    fn each_test_means_what_it_says() {
        let body = r#"{"n": 1.50, "s": "b\u0065", "null": null, "yes": true, "o": {"in": 9223372036854775808}}"#;
        let text = |value: &str| value.to_string();
        for (at, test, expected) in [
            ("/n", Test::Present, true),
            ("/null", Test::Present, true),
            ("/none", Test::Present, false),
            ("/none", Test::Missing, true),
            ("/null", Test::Missing, false),
            ("/n", Test::Equals(text("1.5")), true),
            ("/n", Test::Equals(text("15e-1")), true),
            ("/n", Test::Equals(text("\"1.5\"")), false),
            ("/s", Test::Equals(text("\"be\"")), true),
            ("/yes", Test::Equals(text("true")), true),
            ("/yes", Test::Equals(text("1")), false),
            ("/null", Test::Equals(text("null")), true),
            ("/none", Test::Equals(text("null")), false),
            ("/none", Test::NotEquals(text("1")), true),
            ("/n", Test::NotEquals(text("1.5")), false),
            ("/n", Test::LessThan(text("2")), true),
            ("/n", Test::LessThan(text("1.5")), false),
            ("/n", Test::AtLeast(text("1.5")), true),
            ("/s", Test::LessThan(text("\"bf\"")), true),
            ("/s", Test::AtLeast(text("1")), false),
            ("/o/in", Test::AtLeast(text("9223372036854775807.5")), true),
            ("/o", Test::Equals(text("\"{}\"")), false),
            ("/n", Test::OneOf(vec![text("1"), text("1.5")]), true),
            ("/n", Test::OneOf(vec![]), false),
        ] {
            assert_eq!(met(at, test.clone(), body), expected, "{at} {test:?}");
        }
    }

    fn some_filter() -> impl Strategy<Value = Filter> {
        let condition = (
            prop::sample::select(vec!["/a", "/b"]),
            prop::sample::select(vec![
                Test::Present,
                Test::Missing,
                Test::Equals("1".into()),
                Test::NotEquals("1".into()),
            ]),
        );
        prop::collection::vec(condition, 0..3).prop_map(|conditions| {
            let conditions: Vec<_> = conditions
                .into_iter()
                .map(|(at, test)| Condition {
                    at: at.into(),
                    test,
                })
                .collect();
            Filter::new(&conditions).unwrap()
        })
    }

    proptest! {
        #[test]
        fn any_of_several_is_met_by_what_meets_one(
            filters in prop::collection::vec(some_filter(), 1..4),
            body in prop::sample::select(vec![
                r#"{}"#, r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":null}"#, r#"{"b":1}"#, r#"{"a":1,"b":1}"#, r#"{"a":2,"b":null}"#,
            ]),
            value in prop::sample::select(vec!["1", "2", "null"]),
            null_is_missing: bool,
        ) {
            let filters: Vec<_> = filters
                .into_iter()
                .map(|filter| filter.null_is_missing(null_is_missing))
                .collect();
            let any = Filter::any_of(filters.clone());
            let one = filters.iter().any(|filter| filter.matches(body).unwrap());
            prop_assert_eq!(any.matches(body).unwrap(), one);
            prop_assert!(!any.is_met_by_all() || one);
            // The clauses are what a store may look for.
            let clauses = Filter { clauses: any.clauses().to_vec(), one_of: Vec::new(), null_is_missing };
            prop_assert!(!one || clauses.matches(body).unwrap());
            if any.excludes("/a", value) {
                let body = format!(r#"{{"a":{value},"b":1}}"#);
                prop_assert!(!any.matches(&body).unwrap());
            }
        }
    }

    #[test]
    fn a_condition_that_cannot_be_tested_is_refused() {
        let condition = |at: &str, test| Condition {
            at: at.into(),
            test,
        };
        assert!(matches!(
            Filter::new(&[condition("tier", Test::Present)]),
            Err(ConditionError::Pointer(_))
        ));
        for value in [
            "premium", "[1]", "{}", "", "1 2", "nul", "01", "1.", "truee",
        ] {
            assert!(
                matches!(
                    Filter::new(&[condition("/a", Test::Equals(value.into()))]),
                    Err(ConditionError::Value { .. })
                ),
                "{value}"
            );
        }
    }
}
