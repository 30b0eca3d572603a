//! JSON lines and JSON arrays, in.

use std::io::{self, BufRead};

use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::TransferError;
use super::intake::Intake;

/// A line may be as long as SQLite takes a value, and no longer.
const LINE_BYTES: u64 = 1_000_000_000;

/// A mark that some programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Takes documents, one a line or as an array: the first character tells.
pub(super) fn take(intake: &mut Intake<'_>, input: &mut dyn BufRead) -> Result<(), TransferError> {
    if begins_array(input)? {
        return array(intake, input);
    }
    each_line(input, LINE_BYTES, |text, at| intake.document(text, at))
}

/// Whether the input is a JSON array: JSON lines begin with an object.
fn begins_array(input: &mut dyn BufRead) -> Result<bool, TransferError> {
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    loop {
        let buffer = input.fill_buf()?;
        let blank = buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        match buffer.get(blank) {
            Some(b'[') => return Ok(true),
            Some(b'{') => return Ok(false),
            Some(_) => {
                return Err(TransferError::input(
                    "the beginning",
                    "expected a JSON object on each line, or a JSON array of objects",
                ));
            }
            None if buffer.is_empty() => return Ok(false),
            // What is skipped is counted as lines by nobody: they are empty.
            None => input.consume(blank),
        }
    }
}

/// Goes over the lines that are not empty.
pub(super) fn each_line(
    input: &mut dyn BufRead,
    longest: u64,
    mut take: impl FnMut(&str, &dyn Fn() -> String) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        number += 1;
        let at = || format!("line {number}");
        let read = io::Read::take(&mut *input, longest).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 == longest && line.last() != Some(&b'\n') {
            return Err(TransferError::input(
                at(),
                format!("longer than {}", bytesize::ByteSize(longest)),
            ));
        }
        let text = std::str::from_utf8(&line)
            .map_err(|error| TransferError::input(at(), format!("not UTF-8: {error}")))?
            .trim_ascii();
        if !text.is_empty() {
            take(text, &at)?;
        }
    }
}

fn array(intake: &mut Intake<'_>, input: &mut dyn BufRead) -> Result<(), TransferError> {
    let mut failed = None;
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let visitor = Elements {
        intake,
        failed: &mut failed,
    };
    let read = deserializer
        .deserialize_seq(visitor)
        .and_then(|()| deserializer.end());
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_io() => Err(io::Error::from(error).into()),
        (None, Err(error)) => Err(TransferError::input(
            format!("element {}", intake.count() + 1),
            format!("not valid JSON: {error}"),
        )),
    }
}

/// Takes the elements of an array one by one, as they are spelled.
struct Elements<'i, 'a> {
    intake: &'i mut Intake<'a>,
    failed: &'i mut Option<TransferError>,
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0_u64;
        while let Some(element) = elements.next_element::<Box<RawValue>>()? {
            number += 1;
            let at = || format!("element {number}");
            if let Err(error) = self.intake.document(element.get(), &at) {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("the document was not taken"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_before_the_text_tells_nothing() {
        for (text, array) in [("\u{feff}{}", false), ("\u{feff} \n[", true), ("", false)] {
            assert_eq!(
                begins_array(&mut text.as_bytes()).ok(),
                Some(array),
                "{text}"
            );
        }
        assert!(begins_array(&mut "\u{feff}x".as_bytes()).is_err());
    }

    #[test]
    fn a_line_that_is_too_long_is_told_by_its_number() {
        let taken = |text: &str| {
            let mut taken = Vec::new();
            let read = each_line(&mut text.as_bytes(), 5, |line, _| {
                taken.push(line.to_owned());
                Ok(())
            });
            (taken, read.err().map(|error| error.to_string()))
        };
        // The break counts, and the last line needs none.
        assert_eq!(taken("1234\n\n12").1, None);
        let (lines, told) = taken("1234\n12345\n12\n");
        assert_eq!(lines, ["1234"]);
        assert_eq!(told.as_deref(), Some("line 2: longer than 5 B"));
    }
}
