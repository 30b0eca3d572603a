//! What bytes stand for. Few names and values, so that things meet.

use arbitrary::{Result, Unstructured};
use migration_document::{Condition, Edit, Test};

/// How deep a body is nested at the most.
const DEPTH: u32 = 5;

/// Scalars that are spelled oddly, or that programs like to see differently.
const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0.0",
    "1",
    "1.0",
    "1e0",
    "2",
    "6.10",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "1e400",
    "0.1",
    "\"\"",
    "\"1\"",
    "\"a\"",
    "\"A\"",
    "\"\u{e4}\"",
    "\"\\u00e4\"",
    "\"a\\u0000b\"",
    "\"\\ud800\"",
    "\"\\\"\\\\\\/\"",
    "\"{[,:]}\"",
];

/// Keys as JSON spells them.
const KEYS: &[&str] = &[
    "a", "b", "c", "_id", "", "~", "/", "\\u0061", "\\\"", "0", "1", "-", "\u{e9}",
];

/// The same as pointers spell them.
const TOKENS: &[&str] = &[
    "a", "b", "c", "_id", "", "~0", "~1", "\"", "0", "1", "2", "-", "\u{e9}", "00",
];

/// Pointers to what most documents have.
const FIELDS: &[&str] = &["/a", "/b", "/c"];

const SPACES: &[&str] = &["", "", "", " ", "\n  "];

/// A scalar's JSON text.
pub fn scalar(bytes: &mut Unstructured<'_>) -> Result<String> {
    bytes.choose(SCALARS).map(|scalar| (*scalar).to_owned())
}

/// A JSON text.
pub fn json(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    value(bytes, DEPTH, &mut text)?;
    Ok(text)
}

/// A JSON text that is an object.
pub fn object(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    entries(bytes, DEPTH, true, &mut text)?;
    Ok(text)
}

fn value(bytes: &mut Unstructured<'_>, depth: u32, text: &mut String) -> Result<()> {
    match bytes.int_in_range(0..=3)? {
        0 | 1 if depth > 0 => entries(bytes, depth, is_keyed(bytes), text),
        _ => {
            text.push_str(bytes.choose(SCALARS)?);
            Ok(())
        }
    }
}

/// Whether an object comes next or an array, as the bytes fall.
fn is_keyed(bytes: &Unstructured<'_>) -> bool {
    bytes.len().is_multiple_of(2)
}

fn entries(bytes: &mut Unstructured<'_>, depth: u32, keyed: bool, text: &mut String) -> Result<()> {
    text.push(if keyed { '{' } else { '[' });
    text.push_str(bytes.choose(SPACES)?);
    let count = bytes.int_in_range(0..=4)?;
    for place in 0..count {
        if place > 0 {
            text.push(',');
            text.push_str(bytes.choose(SPACES)?);
        }
        if keyed {
            text.push_str(&format!("\"{}\"", bytes.choose(KEYS)?));
            text.push_str(bytes.choose(SPACES)?);
            text.push(':');
            text.push_str(bytes.choose(SPACES)?);
        }
        value(bytes, depth - 1, text)?;
        text.push_str(bytes.choose(SPACES)?);
    }
    text.push(if keyed { '}' } else { ']' });
    Ok(())
}

/// A pointer; rarely a text that is none.
pub fn pointer(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(1, 40)? {
        return bytes.arbitrary();
    }
    let mut pointer = String::new();
    for _ in 0..bytes.int_in_range(0..=3)? {
        pointer.push('/');
        pointer.push_str(bytes.choose(TOKENS)?);
    }
    Ok(pointer)
}

/// Some edits.
pub fn edits(bytes: &mut Unstructured<'_>) -> Result<Vec<Edit<'static>>> {
    let mut edits = Vec::new();
    for _ in 0..bytes.int_in_range(0..=6)? {
        edits.push(match bytes.int_in_range(0..=6)? {
            0..=3 => Edit::Set {
                at: pointer(bytes)?.into(),
                value: if bytes.ratio(1, 40)? {
                    bytes.arbitrary::<String>()?.into()
                } else {
                    json(bytes)?.into()
                },
            },
            4 | 5 => Edit::Remove {
                at: pointer(bytes)?.into(),
            },
            _ => Edit::Rename {
                from: pointer(bytes)?.into(),
                to: pointer(bytes)?.into(),
            },
        });
    }
    Ok(edits)
}

/// Some conditions.
pub fn conditions(bytes: &mut Unstructured<'_>) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    for _ in 0..bytes.int_in_range(0..=3)? {
        conditions.push(Condition {
            at: if bytes.ratio(2, 3)? {
                bytes.choose(FIELDS).map(|field| (*field).to_owned())?
            } else {
                pointer(bytes)?
            },
            test: test(bytes)?,
        });
    }
    Ok(conditions)
}

fn test(bytes: &mut Unstructured<'_>) -> Result<Test> {
    Ok(match bytes.int_in_range(0..=6)? {
        0 => Test::Present,
        1 => Test::Missing,
        2 => Test::Equals(scalar(bytes)?),
        3 => Test::NotEquals(scalar(bytes)?),
        4 => Test::LessThan(scalar(bytes)?),
        5 => Test::AtLeast(scalar(bytes)?),
        _ => {
            let mut values = Vec::new();
            for _ in 0..bytes.int_in_range(0..=3)? {
                values.push(scalar(bytes)?);
            }
            Test::OneOf(values)
        }
    })
}
