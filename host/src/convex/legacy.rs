//! The encoding of values in snapshots that Convex made before March 2026.
//!
//! It writes an int64 as a string of digits, bytes as base64, and floats that are not finite as `"NaN"`, `"Infinity"` and
//! `"-Infinity"`. What a string was is told by the table's [`Shape`], and where that leaves a choice, by a [`Context`] of the
//! document. Both stand in `generated_schema.jsonl`: the shape in its first line, a context for a document in each further one.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use migration_document::json::{self, JsonError};
use serde_json::Value;
use thiserror::Error;

use super::shape::{NoShape, Reading, Shape, Shapes};

/// Positive and negative infinity in the current encoding.
const INFINITY: &str = r#"{"$float":"AAAAAAAA8H8="}"#;
const NEGATIVE_INFINITY: &str = r#"{"$float":"AAAAAAAA8P8="}"#;

/// How deep values may nest. Convex's own limit is 64.
const DEPTH: usize = 128;

/// Why values cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LegacyError {
    /// What tells the encoding cannot be read.
    #[error("it tells no encoding: {0}")]
    Schema(String),
    /// The shape cannot be read.
    #[error(transparent)]
    Shape(#[from] NoShape),
    /// A document is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A document is not what the shape or its context says.
    #[error("`{value}` should be {wanted}")]
    Value {
        /// What stands there.
        value: String,
        /// What should.
        wanted: &'static str,
    },
    /// Convex has given sets and maps up.
    #[error("it has a set or a map, which Convex has given up")]
    Retired,
    /// The document nests too deeply.
    #[error("it nests deeper than {DEPTH} levels")]
    Depth,
}

/// How the strings of one value are to be read, where the shape does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Context {
    Infer,
    Read(Reading),
    /// The base64 of a float that is not a number.
    NaN(String),
    Array(Vec<Context>),
    Object(BTreeMap<String, Context>),
}

impl Context {
    fn of_json(value: Value) -> Result<Self, LegacyError> {
        Ok(match value {
            Value::String(word) => match word.as_str() {
                "infer" => Self::Infer,
                "int64" => Self::Read(Reading::Int64),
                "float64inf" => Self::Read(Reading::Infinite),
                "bytes" => Self::Read(Reading::Bytes),
                "set" | "map" => return Err(LegacyError::Retired),
                _ => return Err(LegacyError::Schema(format!("`{word}` is no context"))),
            },
            Value::Array(elements) => Self::Array(
                elements
                    .into_iter()
                    .map(Self::of_json)
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(mut members) => match members.remove("$float64NaN") {
                Some(Value::String(number)) => Self::NaN(number),
                Some(other) => return Err(LegacyError::Schema(format!("`{other}` is no float"))),
                None => Self::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| Ok((name, Self::of_json(value)?)))
                        .collect::<Result<_, LegacyError>>()?,
                ),
            },
            other => return Err(LegacyError::Schema(format!("`{other}` is no context"))),
        })
    }
}

/// How the documents of a table are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// Every value tells its type by itself.
    Current,
    /// The table tells them.
    Legacy(Legacy),
}

impl Encoding {
    /// Reads the lines of `generated_schema.jsonl`.
    ///
    /// # Errors
    /// If they tell no encoding.
    pub fn read<'l>(mut lines: impl Iterator<Item = &'l str>) -> Result<Self, LegacyError> {
        let first = lines.next().unwrap_or_default();
        let shape: String = serde_json::from_str(first)
            .map_err(|error| LegacyError::Schema(format!("line 1: {error}")))?;
        if shape == "uniform" {
            return Ok(Self::Current);
        }
        let mut contexts = HashMap::new();
        for (index, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let mistake = |what: String| LegacyError::Schema(format!("line {}: {what}", index + 2));
            let entries: BTreeMap<String, Value> =
                serde_json::from_str(line).map_err(|error| mistake(error.to_string()))?;
            for (id, context) in entries {
                // Read once, to find mistakes before any document is taken; kept as text, which is smaller.
                let text = context.to_string();
                Context::of_json(context).map_err(|error| mistake(error.to_string()))?;
                contexts.insert(id.into_boxed_str(), text.into_boxed_str());
            }
        }
        Ok(Self::Legacy(Legacy {
            shape: Shape::parse(&shape)?,
            contexts,
        }))
    }
}

/// What tells the types of a table's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    shape: Shape,
    /// By document; as JSON.
    contexts: HashMap<Box<str>, Box<str>>,
}

impl Default for Legacy {
    /// Of a table about which nothing is told: strings are strings, and numbers floats.
    fn default() -> Self {
        Self {
            shape: Shape::Unknown,
            contexts: HashMap::new(),
        }
    }
}

impl Legacy {
    /// A document in the current encoding. What need not change keeps its spelling.
    ///
    /// # Errors
    /// If the document is not what the shape or its context says.
    pub fn decode(&self, id: &str, document: &str) -> Result<String, LegacyError> {
        let context = match self.contexts.get(id) {
            None => Context::Infer,
            Some(text) => serde_json::from_str(text)
                .map_err(|error| LegacyError::Schema(error.to_string()))
                .and_then(Context::of_json)?,
        };
        let mut decoded = String::with_capacity(document.len() + 16);
        decode(
            document,
            &context,
            &Shapes::of(&self.shape),
            0,
            &mut decoded,
        )?;
        Ok(decoded)
    }

    /// A document of the current encoding in this one, which may not [tell](Self::tells) all its types.
    ///
    /// # Errors
    /// If the document is no JSON.
    pub fn encode(document: &str) -> Result<String, LegacyError> {
        let mut encoded = String::with_capacity(document.len());
        encode(document, 0, &mut encoded)?;
        Ok(encoded)
    }

    /// Whether a document of the current encoding can be told from what it is in this one.
    #[must_use]
    pub fn tells(&self, id: &str, document: &str) -> bool {
        Self::encode(document)
            .and_then(|encoded| self.decode(id, &encoded))
            .is_ok_and(|told| told == document)
    }
}

fn decode(
    text: &str,
    context: &Context,
    shapes: &Shapes<'_>,
    depth: usize,
    to: &mut String,
) -> Result<(), LegacyError> {
    if depth == DEPTH {
        return Err(LegacyError::Depth);
    }
    let Some(parts) = json::parts(text)? else {
        return scalar(text, context, shapes, to);
    };
    let wrong = |wanted| LegacyError::Value {
        value: text.chars().take(40).collect(),
        wanted,
    };
    let mut copied = 0;
    for (index, part) in parts.iter().enumerate() {
        let (inner, shapes) = match &part.key {
            Some(key) => {
                let inner = match context {
                    Context::Infer => None,
                    Context::Object(fields) => fields.get(key.as_ref()),
                    _ => return Err(wrong("no object")),
                };
                (inner, shapes.field(key))
            }
            None => {
                let inner = match context {
                    Context::Infer => None,
                    Context::Array(elements) if elements.len() == parts.len() => {
                        elements.get(index)
                    }
                    _ => return Err(wrong("an array of another length, or none")),
                };
                (inner, shapes.elements())
            }
        };
        let inner = inner.unwrap_or(&Context::Infer);
        to.push_str(slice(text, copied, part.value.start));
        let value = slice(text, part.value.start, part.value.end);
        decode(value, inner, &shapes, depth + 1, to)?;
        copied = part.value.end;
    }
    to.push_str(slice(text, copied, text.len()));
    Ok(())
}

/// Part of a text; nothing where the places are none of its.
fn slice(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

fn scalar(
    text: &str,
    context: &Context,
    shapes: &Shapes<'_>,
    to: &mut String,
) -> Result<(), LegacyError> {
    let bare = text.trim_ascii();
    if bare.starts_with(|symbol: char| symbol == '-' || symbol.is_ascii_digit()) {
        to.push_str(text);
        // Every number of this encoding is a float.
        if is_integer(bare) {
            to.push_str(".0");
        }
        return Ok(());
    }
    if !bare.starts_with('"') {
        to.push_str(text);
        return Ok(());
    }
    let wrong = |wanted| LegacyError::Value {
        value: bare.chars().take(40).collect(),
        wanted,
    };
    let reading = match context {
        Context::Infer => shapes.reading().unwrap_or(Reading::Text),
        Context::Read(reading) => *reading,
        Context::NaN(number) if bare == "\"NaN\"" => {
            to.push_str(&format!("{{\"$float\":\"{number}\"}}"));
            return Ok(());
        }
        Context::NaN(_) => return Err(wrong("\"NaN\"")),
        Context::Array(_) => return Err(wrong("an array")),
        Context::Object(_) => return Err(wrong("an object")),
    };
    let inner = slice(bare, 1, bare.len().saturating_sub(1));
    match reading {
        Reading::Text => to.push_str(text),
        Reading::Int64 if inner.parse::<i64>().is_ok() => to.push_str(inner),
        Reading::Int64 => return Err(wrong("an int64")),
        Reading::Infinite => match inner {
            "Infinity" => to.push_str(INFINITY),
            "-Infinity" => to.push_str(NEGATIVE_INFINITY),
            _ => return Err(wrong("an infinity")),
        },
        Reading::NaN => return Err(wrong("a float")),
        Reading::Bytes if BASE64.decode(inner).is_ok() => {
            to.push_str(&format!("{{\"$bytes\":{bare}}}"));
        }
        Reading::Bytes => return Err(wrong("base64")),
    }
    Ok(())
}

/// Whether a JSON number has neither a point nor an exponent.
fn is_integer(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

fn encode(text: &str, depth: usize, to: &mut String) -> Result<(), LegacyError> {
    if depth == DEPTH {
        return Err(LegacyError::Depth);
    }
    let Some(parts) = json::parts(text)? else {
        let number = text.starts_with(|symbol: char| symbol == '-' || symbol.is_ascii_digit());
        // What no int64 holds is a float for Convex, however it is spelled.
        if number && is_integer(text) && text.parse::<i64>().is_ok() {
            to.push_str(&format!("\"{text}\""));
        } else {
            to.push_str(text);
        }
        return Ok(());
    };
    if let [part] = parts.as_slice()
        && let Some(tag) = part.key.as_deref()
    {
        let value = slice(text, part.value.start, part.value.end);
        match tag {
            "$bytes" => {
                to.push_str(value);
                return Ok(());
            }
            "$float" => {
                to.push_str(match value {
                    r#""AAAAAAAA8H8=""# => "\"Infinity\"",
                    r#""AAAAAAAA8P8=""# => "\"-Infinity\"",
                    _ => "\"NaN\"",
                });
                return Ok(());
            }
            _ => {}
        }
    }
    let mut copied = 0;
    for part in &parts {
        to.push_str(slice(text, copied, part.value.start));
        let value = slice(text, part.value.start, part.value.end);
        encode(value, depth + 1, to)?;
        copied = part.value.end;
    }
    to.push_str(slice(text, copied, text.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn legacy(lines: &str) -> Legacy {
        match Encoding::read(lines.lines()).unwrap() {
            Encoding::Legacy(legacy) => legacy,
            Encoding::Current => panic!("it is the current encoding"),
        }
    }

    #[test]
    fn the_current_encoding_is_told() {
        assert_eq!(
            Encoding::read("\"uniform\"\n".lines()),
            Ok(Encoding::Current)
        );
        for text in [
            "",
            "uniform",
            "{}",
            "\"int65\"",
            "\"int64\"\n{\"a\": \"int\"}",
        ] {
            assert!(Encoding::read(text.lines()).is_err(), "{text}");
        }
    }

    #[test]
    fn every_type_is_told_and_the_rest_keeps_its_spelling() {
        let table = legacy(concat!(
            r#""{\"i\": int64, \"b\": bytes, \"t\": inf, \"s\": string, \"f\": normalfloat64, \"x\": unknown, \"n\": NaN | null}""#,
            "\n",
            r#"{"two": {"x": {"y": "int64", "z": ["infer", "bytes"]}, "n": {"$float64NaN": "AAAAAAAA+H8="}}}"#,
        ));
        let plain = r#"{ "s":"7","i":"42", "b":"AAE=","t":"-Infinity","f":1.50,"x":{"y":"7"}}"#;
        let decoded = r#"{ "s":"7","i":42, "b":{"$bytes":"AAE="},"t":{"$float":"AAAAAAAA8P8="},"f":1.50,"x":{"y":"7"}}"#;
        assert_eq!(table.decode("one", plain).as_deref(), Ok(decoded));
        assert_eq!(Legacy::encode(decoded).as_deref(), Ok(plain));
        assert!(table.tells("one", decoded));
        let told = r#"{"x":{"y":"7","z":["AA==","AA=="]},"n":"NaN"}"#;
        let decoded =
            r#"{"x":{"y":7,"z":["AA==",{"$bytes":"AA=="}]},"n":{"$float":"AAAAAAAA+H8="}}"#;
        assert_eq!(table.decode("two", told).as_deref(), Ok(decoded));
        assert_eq!(Legacy::encode(decoded).as_deref(), Ok(told));
        assert!(table.tells("two", decoded));
    }

    #[test]
    fn numbers_of_the_legacy_encoding_are_floats() {
        let table = Legacy::default();
        let decoded = table.decode("x", r#"{"a":1,"b":[2,-0.0,1e3],"c":"7"}"#);
        assert_eq!(
            decoded.as_deref(),
            Ok(r#"{"a":1.0,"b":[2.0,-0.0,1e3],"c":"7"}"#)
        );
    }

    #[test]
    fn what_would_lose_its_type_is_not_told() {
        let table = legacy("\"{\\\"i\\\": int64}\"");
        assert!(table.tells("x", r#"{"i":1}"#));
        for lost in [
            r#"{"i":1,"new":2}"#,
            r#"{"i":"1"}"#,
            r#"{"new":{"$bytes":"AA=="}}"#,
        ] {
            assert!(!table.tells("x", lost), "{lost}");
        }
    }

    #[test]
    fn a_document_that_is_not_of_its_shape_is_refused() {
        let table = legacy("\"{\\\"i\\\": int64, \\\"b\\\": bytes}\"");
        for document in [
            r#"{"i":"x"}"#,
            r#"{"b":"?"}"#,
            r#"{"i":"9223372036854775808"}"#,
        ] {
            assert!(table.decode("x", document).is_err(), "{document}");
        }
    }

    /// A value of the current encoding, with the shape that tells exactly it.
    fn value() -> impl Strategy<Value = (String, String)> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(|number| (number.to_string(), "int64".into())),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| (format!("{number:?}"), "normalfloat64".into())),
            ".*".prop_map(|text| (Value::from(text).to_string(), "string".into())),
            any::<Vec<u8>>().prop_map(|bytes| {
                let text = BASE64.encode(bytes);
                (format!("{{\"$bytes\":\"{text}\"}}"), "bytes".into())
            }),
            Just((INFINITY.into(), "inf".into())),
            Just((NEGATIVE_INFINITY.into(), "-inf".into())),
            Just(("true".into(), "boolean".into())),
            Just(("null".into(), "null".into())),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            let element = inner.clone();
            prop_oneof![
                (element, 0_usize..4).prop_map(|((text, shape), count)| {
                    let elements = vec![text; count].join(" , ");
                    (format!("[ {elements}]"), format!("array<{shape}>"))
                }),
                proptest::collection::btree_map("[a-z]{1,3}", inner, 0..5).prop_map(|fields| {
                    let texts = fields
                        .iter()
                        .map(|(name, (text, _))| format!("\"{name}\": {text}"));
                    let shapes = fields.iter().map(|(name, (_, shape))| {
                        // As if another document had none.
                        format!("\"{name}\"?: {shape} | null")
                    });
                    let (texts, shapes): (Vec<_>, Vec<_>) = (texts.collect(), shapes.collect());
                    (
                        format!("{{{}}}", texts.join(", ")),
                        format!("{{{}}}", shapes.join(", ")),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_told_again(values in proptest::collection::btree_map("[a-z]{1,4}", value(), 0..6)) {
            let texts: Vec<_> = values.iter().map(|(name, (text, _))| format!("\"{name}\":{text}")).collect();
            let shapes: Vec<_> = values.iter().map(|(name, (_, shape))| format!("\"{name}\": {shape}")).collect();
            let document = format!("{{{}}}", texts.join(","));
            let shape = format!("{{{}}}", shapes.join(", "));
            let table = Legacy { shape: Shape::parse(&shape).unwrap(), contexts: HashMap::new() };
            prop_assert!(table.tells("x", &document), "{} of {}", document, shape);
            let encoded = Legacy::encode(&document).unwrap();
            prop_assert_eq!(table.decode("x", &encoded).unwrap(), document);
        }

        #[test]
        fn no_text_is_a_danger(lines in ".*", document in ".*") {
            if let Ok(Encoding::Legacy(legacy)) = Encoding::read(lines.lines()) {
                let _ = legacy.decode("x", &document);
            }
            let _ = Shape::parse(&lines);
            let _ = Legacy::default().decode("x", &document);
            let _ = Legacy::default().tells("x", &document);
        }
    }
}
