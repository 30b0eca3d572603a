//! Text that comes from documents and plugins, made safe for a terminal; numbers and tables for people.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

/// A text with its control characters escaped: a document or a plugin must not steer the terminal.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|character| {
                if steers(character) {
                    character.escape_unicode().to_string()
                } else {
                    character.to_string()
                }
            })
            .collect(),
    )
}

/// Whether a character does something to a terminal other than standing there. Beyond ASCII's, Unicode has
/// characters that turn the writing direction around.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON text that steers no terminal either. JSON must escape only some control characters, and whatever else
/// steers one can only stand within its strings.
pub(super) fn safe_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Writes a line of JSON that steers no terminal.
pub(super) fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value)?;
    writeln!(out, "{}", safe_json(&text))
}

/// A text cut to so many characters.
pub(super) fn short(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or(text))),
    }
}

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A noun after its number.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A moment in milliseconds since the Unix epoch, as RFC 3339 writes it.
pub(super) fn time(milliseconds: u64) -> String {
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_millis(milliseconds);
    humantime::format_rfc3339_seconds(moment).to_string()
}

/// Rows in columns as wide as they need to be. `right` tells which columns hold numbers.
pub(super) fn columns(rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| console::measure_text_width(cell))
            .max()
            .unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let alignment = if right.contains(&column) {
                console::Alignment::Right
            } else {
                console::Alignment::Left
            };
            line.push_str(&console::pad_str(cell, width(column), alignment, None));
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(safe("plain é"), "plain é");
        assert_eq!(safe("\u{1b}[2Jx\n\u{202e}"), "\\u{1b}[2Jx\\u{a}\\u{202e}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short("äöü", 2), "äö…");
        assert_eq!(short("äöü", 3), "äöü");
    }
}
