//! Shapes: what Convex says, in legacy snapshots, of the values that a table has.
//!
//! Written like types of TypeScript: `{"name": string, "age"?: int64 | null}`, `record<id<10001>, array<float64>>`.
//! Only what tells how a string or number is to be read is kept.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

/// How deep shapes may nest. Convex's values nest up to 64.
const DEPTH: usize = 128;

/// A text that is no shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not the shape of a table, from `{0}` on")]
pub struct NoShape(String);

/// What values look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Written as a string of digits.
    Int64,
    /// Any float, NaN and the infinities included.
    Float64,
    /// Not a number; there are several.
    NaN,
    /// One of the infinities.
    Infinite,
    /// Any string, an id, a literal, the name of a field.
    Text,
    /// Written as base64.
    Bytes,
    /// What is never written as a string: null, booleans, finite floats, nothing at all.
    Plain,
    /// Arrays of values of one shape.
    Array(Box<Shape>),
    /// Objects with known fields.
    Object(BTreeMap<String, Shape>),
    /// Objects with any fields, whose values have one shape.
    Record(Box<Shape>),
    /// Sets and maps, which Convex has given up.
    Retired,
    /// One of several.
    Union(Vec<Shape>),
    /// Anything.
    Unknown,
}

/// How a string of the legacy encoding is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// As the string that it is.
    Text,
    /// As an integer.
    Int64,
    /// As an infinity.
    Infinite,
    /// As one of the values that are not a number.
    NaN,
    /// As base64.
    Bytes,
}

impl Shape {
    /// Reads a shape.
    ///
    /// # Errors
    /// If the text is none.
    pub fn parse(text: &str) -> Result<Self, NoShape> {
        let mut parser = Parser { rest: text };
        let shape = parser.union(0)?;
        if parser.rest.is_empty() {
            Ok(shape)
        } else {
            Err(parser.stuck())
        }
    }

    /// The shapes that this one stands for.
    fn options(&self) -> Vec<&Self> {
        match self {
            Self::Union(options) => options.iter().flat_map(Self::options).collect(),
            shape => vec![shape],
        }
    }

    fn readings(&self) -> &'static [Reading] {
        match self {
            Self::Int64 => &[Reading::Int64],
            Self::Infinite => &[Reading::Infinite],
            // There is more than one value that is not a number, so a string never tells which.
            Self::Float64 | Self::NaN => &[Reading::Infinite, Reading::NaN],
            Self::Text => &[Reading::Text],
            Self::Bytes => &[Reading::Bytes],
            Self::Unknown => &[Reading::Text, Reading::Int64],
            Self::Plain
            | Self::Array(_)
            | Self::Object(_)
            | Self::Record(_)
            | Self::Retired
            | Self::Union(_) => &[],
        }
    }
}

/// The shapes that a value may have.
#[derive(Debug, Clone)]
pub struct Shapes<'s>(Vec<&'s Shape>);

impl<'s> Shapes<'s> {
    /// Those of the one shape.
    #[must_use]
    pub fn of(shape: &'s Shape) -> Self {
        Self(shape.options())
    }

    /// How a string is to be read, where the shapes allow for one reading only.
    #[must_use]
    pub fn reading(&self) -> Option<Reading> {
        let readings: BTreeSet<_> = self.0.iter().flat_map(|shape| shape.readings()).collect();
        match readings.into_iter().collect::<Vec<_>>()[..] {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The shapes of an array's elements.
    #[must_use]
    pub fn elements(&self) -> Self {
        Self::within(self.0.iter().filter_map(|shape| match shape {
            Shape::Array(element) => Some(element.as_ref()),
            Shape::Unknown => Some(*shape),
            _ => None,
        }))
    }

    /// The shapes of an object's field.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        Self::within(self.0.iter().filter_map(|shape| match shape {
            Shape::Object(fields) => fields.get(name),
            Shape::Record(value) => Some(value.as_ref()),
            Shape::Unknown => Some(*shape),
            _ => None,
        }))
    }

    fn within(shapes: impl Iterator<Item = &'s Shape>) -> Self {
        Self(shapes.flat_map(Shape::options).collect())
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn stuck(&self) -> NoShape {
        NoShape(self.rest.chars().take(40).collect())
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), NoShape> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.stuck())
        }
    }

    fn word(&mut self) -> &str {
        let of_word = |symbol: char| symbol.is_ascii_alphanumeric() || "_-".contains(symbol);
        let end = self
            .rest
            .find(|symbol| !of_word(symbol))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A name in quotes. Convex allows none with a quote or a backslash in it.
    fn quoted(&mut self) -> Result<String, NoShape> {
        self.expect("\"")?;
        let (name, rest) = self.rest.split_once('"').ok_or_else(|| self.stuck())?;
        self.rest = rest;
        Ok(name.into())
    }

    fn union(&mut self, depth: usize) -> Result<Shape, NoShape> {
        let mut options = vec![self.one(depth)?];
        while self.take(" | ") {
            options.push(self.one(depth)?);
        }
        Ok(match options.len() {
            1 => options.remove(0),
            _ => Shape::Union(options),
        })
    }

    fn one(&mut self, depth: usize) -> Result<Shape, NoShape> {
        if depth == DEPTH {
            return Err(self.stuck());
        }
        if self.rest.starts_with('{') {
            return self.object(depth);
        }
        if self.rest.starts_with('"') {
            return self.quoted().map(|_| Shape::Text);
        }
        let before = self.rest;
        let shape = match self.word() {
            "int64" => Shape::Int64,
            "float64" => Shape::Float64,
            "NaN" => Shape::NaN,
            "inf" | "-inf" => Shape::Infinite,
            "string" | "field_name" => Shape::Text,
            "bytes" => Shape::Bytes,
            "never" | "null" | "boolean" | "normalfloat64" | "-0" => Shape::Plain,
            "unknown" => Shape::Unknown,
            "id" => {
                self.expect("<")?;
                self.word();
                self.expect(">")?;
                Shape::Text
            }
            "array" => Shape::Array(self.inner(depth)?),
            "set" => {
                self.inner(depth)?;
                Shape::Retired
            }
            kind @ ("record" | "map") => {
                let record = kind == "record";
                self.expect("<")?;
                self.union(depth + 1)?;
                self.expect(", ")?;
                let value = self.union(depth + 1)?;
                self.expect(">")?;
                if record {
                    Shape::Record(Box::new(value))
                } else {
                    Shape::Retired
                }
            }
            _ => {
                self.rest = before;
                return Err(self.stuck());
            }
        };
        Ok(shape)
    }

    fn inner(&mut self, depth: usize) -> Result<Box<Shape>, NoShape> {
        self.expect("<")?;
        let shape = self.union(depth + 1)?;
        self.expect(">")?;
        Ok(Box::new(shape))
    }

    fn object(&mut self, depth: usize) -> Result<Shape, NoShape> {
        self.expect("{")?;
        let mut fields = BTreeMap::new();
        if self.take("}") {
            return Ok(Shape::Object(fields));
        }
        loop {
            let name = self.quoted()?;
            self.take("?");
            self.expect(": ")?;
            fields.insert(name, self.union(depth + 1)?);
            if self.take("}") {
                return Ok(Shape::Object(fields));
            }
            self.expect(", ")?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading_at(shape: &str, path: &[&str]) -> Option<Reading> {
        let shape = Shape::parse(shape).unwrap();
        let mut shapes = Shapes::of(&shape);
        for step in path {
            shapes = match *step {
                "[]" => shapes.elements(),
                name => shapes.field(name),
            };
        }
        shapes.reading()
    }

    #[test]
    fn a_field_of_one_type_can_be_read() {
        let table = r#"{"_id": id<10001>, "age"?: int64 | null, "tags": array<bytes>, "by": record<string, int64>, "top": inf | -inf}"#;
        assert_eq!(reading_at(table, &["_id"]), Some(Reading::Text));
        assert_eq!(reading_at(table, &["age"]), Some(Reading::Int64));
        assert_eq!(reading_at(table, &["tags", "[]"]), Some(Reading::Bytes));
        assert_eq!(reading_at(table, &["by", "x"]), Some(Reading::Int64));
        assert_eq!(reading_at(table, &["top"]), Some(Reading::Infinite));
        assert_eq!(reading_at(table, &["gone"]), None);
    }

    #[test]
    fn a_field_of_several_types_cannot() {
        for shape in [
            "int64 | string",
            "unknown",
            "float64",
            "NaN",
            "bytes | \"a\"",
        ] {
            assert_eq!(reading_at(shape, &[]), None, "{shape}");
        }
        let options = r#"{"a": int64} | {"a": string, "b": int64}"#;
        assert_eq!(reading_at(options, &["a"]), None);
        assert_eq!(reading_at(options, &["b"]), Some(Reading::Int64));
        assert_eq!(
            reading_at("\"a\" | id<7> | string", &[]),
            Some(Reading::Text)
        );
    }

    #[test]
    fn other_texts_are_refused() {
        let deep = format!("{}int64{}", "array<".repeat(500), ">".repeat(500));
        for text in [
            "",
            "int65",
            "array<int64",
            "{\"a\" int64}",
            "int64 |",
            "int64 x",
            &deep,
        ] {
            assert!(Shape::parse(text).is_err(), "{text}");
        }
        let error = Shape::parse("{\"a\": whatever}").unwrap_err();
        assert_eq!(error, NoShape("whatever}".into()));
    }
}
