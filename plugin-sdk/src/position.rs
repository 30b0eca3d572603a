//! From a position in a JSON text to the pointer of the value that stands there.

use migration_document::json;

/// The JSON Pointer of the value that a parser had read, or was about to read, when it stopped
/// after `column` bytes of the line `line` (both from 1, as `serde_json` counts). Empty for the
/// whole text.
///
/// `serde_json` tells the position of an error and not the path to it. Tracking the path while
/// parsing would be generated anew for every type; finding it afterwards is one small function, and
/// costs nothing as long as nothing fails.
pub(crate) fn pointer(text: &str, line: usize, column: usize) -> String {
    let line_start = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let end = line_start.saturating_add(column).min(text.len());
    let mut steps: Vec<Step> = Vec::new();
    let mut rest = text.as_bytes().iter().enumerate().take(end);
    while let Some((start, byte)) = rest.next() {
        match byte {
            b'{' => steps.push(Step::Object),
            b'[' => steps.push(Step::Element(0)),
            b'}' | b']' => {
                steps.pop();
            }
            b',' => match steps.last_mut() {
                Some(Step::Element(index)) => *index += 1,
                Some(member) => *member = Step::Object,
                None => {}
            },
            b'"' => {
                let mut escaped = false;
                let close = rest.find(|(_, byte)| match byte {
                    b'"' if !escaped => true,
                    byte => {
                        escaped = **byte == b'\\' && !escaped;
                        false
                    }
                });
                if let (Some((close, _)), Some(step @ Step::Object)) = (close, steps.last_mut()) {
                    // A string directly in an object is a key: its value would follow a colon.
                    *step = Step::Member(start, close);
                }
            }
            _ => {}
        }
    }
    let mut pointer = String::new();
    for step in steps {
        match step {
            Step::Object => break,
            Step::Element(index) => pointer.push_str(&format!("/{index}")),
            Step::Member(start, close) => {
                let key = text.get(start..=close).unwrap_or_default();
                let key: String = serde_json::from_str(key).unwrap_or_default();
                pointer.push('/');
                pointer.push_str(&json::escape(&key));
            }
        }
    }
    pointer
}

/// One step from the whole text to the position.
enum Step {
    /// An object, between its members.
    Object,
    /// A member of an object: where its key begins and ends, quotes included.
    Member(usize, usize),
    /// An element of an array, by index.
    Element(usize),
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Person {
        name: String,
        #[serde(default)]
        tags: Vec<u8>,
        address: Option<Box<Person>>,
        #[serde(rename = "a/b~\"c")]
        odd: Option<bool>,
    }

    #[track_caller]
    fn blames(text: &str, expected: &str) {
        let error = serde_json::from_str::<Person>(text).unwrap_err();
        assert_eq!(
            pointer(text, error.line(), error.column()),
            expected,
            "{error}"
        );
    }

    #[test]
    fn the_value_of_a_wrong_type() {
        blames(r#"{"name": 5, "tags": []}"#, "/name");
        blames(r#"{"name": true}"#, "/name");
        blames(r#"{"name": [1, 2]}"#, "/name");
        blames(r#"{"name": {"a": 1}}"#, "/name");
        blames(r#"{"tags": [1, 2, "x"], "name": "a"}"#, "/tags/2");
        blames(r#"{"tags": [1, 2, 999], "name": "a"}"#, "/tags/2");
        blames(r#"{"name": "a", "tags": "none"}"#, "/tags");
    }

    #[test]
    fn nested_values_and_lines() {
        blames(
            "{\n \"name\": \"a,{\\\"\",\n \"address\": {\"name\":\n  7}}",
            "/address/name",
        );
        blames(r#"{"name": "a", "a/b~\"c": 1}"#, "/a~1b~0\"c");
    }

    #[test]
    fn a_missing_member_is_the_objects_fault() {
        blames(r#"{"tags": []}"#, "");
        blames(r#"{"name": "a", "address": {"tags": []}}"#, "/address");
    }

    #[test]
    fn positions_beyond_the_text_are_harmless() {
        assert_eq!(pointer("", 9, 9), "");
        assert_eq!(pointer("{\"a", usize::MAX, usize::MAX), "");
        assert_eq!(pointer("]]}", 1, 3), "");
    }
}
