//! Whether a text is JSON: quick to say yes.
//!
//! Every document that is read is asked this, so that it costs as much as reading it. [`is_json`] only ever says yes
//! to what RFC 8259 calls JSON; what it has doubts about is the parser's to judge, which can tell what is wrong.

use super::skim::{all, first, less, skip_space, word, zeros};

#[cfg(target_arch = "x86_64")]
mod blocks;

/// Whether a text surely is exactly one JSON value, with nothing but white space around it. One that is nested deeper
/// than [`DEEP`] is doubted.
pub(super) fn is_json(text: &str) -> bool {
    let bytes = text.as_bytes();
    #[cfg(target_arch = "x86_64")]
    if bytes.len() > blocks::BLOCK
        && let Some(answer) = blocks::is_json(bytes)
    {
        return answer;
    }
    end_of_value(bytes, skip_space(bytes, 0))
        .is_some_and(|end| skip_space(bytes, end) == bytes.len())
}

/// How many brackets may be open.
const DEEP: u32 = u64::BITS;

/// The brackets that are open.
#[derive(Default)]
struct Open {
    depth: u32,
    /// A bit for each, the innermost one's the lowest: whether it is curly.
    curly: u64,
}

impl Open {
    #[inline(always)]
    fn push(&mut self, curly: bool) -> Option<()> {
        self.depth += 1;
        self.curly = self.curly << 1 | u64::from(curly);
        (self.depth <= DEEP).then_some(())
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth -= 1;
        self.curly >>= 1;
    }

    /// Whether the innermost one is curly, and so has members with keys; None if none is open.
    #[inline(always)]
    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.curly & 1 == 1)
    }
}

/// Where a value ends that starts here; None if it is malformed, or nested too deep.
fn end_of_value(bytes: &[u8], start: usize) -> Option<usize> {
    let mut open = Open::default();
    let mut at = start;
    loop {
        at = match *bytes.get(at)? {
            b'"' => end_of_string(bytes, at + 1)?,
            b'{' => {
                at = skip_space(bytes, at + 1);
                if bytes.get(at) == Some(&b'}') {
                    at + 1
                } else {
                    at = end_of_key(bytes, at)?;
                    open.push(true)?;
                    continue;
                }
            }
            b'[' => {
                at = skip_space(bytes, at + 1);
                if bytes.get(at) == Some(&b']') {
                    at + 1
                } else {
                    open.push(false)?;
                    continue;
                }
            }
            b'-' | b'0'..=b'9' => end_of_number(bytes, at)?,
            b't' => end_of_word(bytes, at, b"true")?,
            b'f' => end_of_word(bytes, at, b"false")?,
            b'n' => end_of_word(bytes, at, b"null")?,
            _ => return None,
        };
        // Behind a value: what it stands in goes on, or ends and is a value itself.
        loop {
            let Some(object) = open.last() else {
                return Some(at);
            };
            at = skip_space(bytes, at);
            match (*bytes.get(at)?, object) {
                (b',', true) => {
                    at = end_of_key(bytes, skip_space(bytes, at + 1))?;
                    break;
                }
                (b',', false) => {
                    at = skip_space(bytes, at + 1);
                    break;
                }
                (b'}', true) | (b']', false) => {
                    open.pop();
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Where the value starts whose key starts here.
#[inline(always)]
fn end_of_key(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let colon = skip_space(bytes, end_of_string(bytes, start + 1)?);
    (bytes.get(colon) == Some(&b':')).then(|| skip_space(bytes, colon + 1))
}

/// Where a string ends whose opening quote stands before this place.
#[inline(always)]
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        // Eight bytes at a time, up to one that means something or may not stand in a string.
        while let Some(word) = word(bytes, at) {
            let found = zeros(word ^ all(b'"')) | zeros(word ^ all(b'\\')) | less(word, b' ');
            if found != 0 {
                at += first(found);
                break;
            }
            at += 8;
        }
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = end_of_escape(bytes, at + 1)?,
            byte if byte < b' ' => return None,
            // One of the last seven bytes.
            _ => at += 1,
        }
    }
}

/// Where an escape ends whose backslash stands before this place.
fn end_of_escape(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let digits = bytes.get(at + 1..at + 5)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}

fn end_of_number(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    at = match *bytes.get(at)? {
        b'0' => at + 1,
        _ => end_of_digits(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = end_of_digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = end_of_digits(bytes, at)?;
    }
    Some(at)
}

/// Where digits end, of which there must be one.
fn end_of_digits(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

fn end_of_word(bytes: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    let end = start + word.len();
    (bytes.get(start..end)? == word).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn parses(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    /// JSON, and what is nearly JSON.
    fn text() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            4 => r#""([a-z {}\[\],:é]|\\[\\"/bfnrtux0]|\\u[0-9a-fA-F]{3,4}|[\x00-\x20]){0,24}""#,
            3 => "-?(0|[1-9][0-9]{0,4}|0[0-9])(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
            2 => prop::sample::select(vec!["null", "true", "false", "nul", "truth", "", "+1", ".5", "NaN"])
                .prop_map(str::to_owned),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            let space = "[ \n\t\r]{0,2}";
            let but_for = |right: &'static str, wrong: &'static str| {
                prop_oneof![9 => Just(right.to_owned()), 1 => wrong]
            };
            let item = (inner.clone(), space).prop_map(|(item, space)| format!("{space}{item}"));
            let member = (but_for("\"a\" : ", "(\"[b-c]\"|a|1)? ?:? ?"), inner)
                .prop_map(|(key, value)| format!("{key}{value}"));
            let entries = |entry: BoxedStrategy<String>| proptest::collection::vec(entry, 0..4);
            prop_oneof![
                (entries(item.boxed()), but_for(",", "[,;]?"), but_for("]", "[}]?")).prop_map(
                    |(items, comma, close)| format!("[{}{close}", items.join(&comma))
                ),
                (entries(member.boxed()), but_for(",", "[,;]?"), but_for("}", "[]]?")).prop_map(
                    |(members, comma, close)| format!("{{{}{close}", members.join(&comma))
                ),
            ]
        })
    }

    #[test]
    fn what_stands_across_blocks_is_told_as_elsewhere() {
        const SOUND: &str = r#"0]; true]; -12.5e3]; 123456]; ""]; "é"]; {}]; []]; {"a":1}]; {"a" : [ 1 , 2 ] , "b":{}}];
            [{"a":null,"bc":"d"},[[0]]]]"#;
        const BAD: &str = r#"x]; trux]; 00]; -]; 1.]; 1x2]; 12a]; 1 2]; "a"x]; "a""b"]; "a":1]; {"a"x:1}]; {"a":}]; {"a"}]; {"a":1,}];
            {,}]; {1:2}]; [1:2]]; {"a":1:2}]; [,]]; [1,]]; [}]; {]]; 0],1; 0],[1]; 0]]; 0] x; 0],; {"a":1 "b":2}]; [1]2]; {}{}]; [] []]"#;
        for (tails, expected) in [(SOUND, true), (BAD, false)] {
            for tail in tails.split(';').map(str::trim) {
                for before in 0..130 {
                    let behind = 130 - before;
                    for text in [
                        format!("[\"{:a<before$}\",{tail}", ""),
                        format!("[1{:2<before$},{tail}", ""),
                        format!("[{:before$}0,{tail}{:behind$}", "", ""),
                    ] {
                        assert_eq!(parses(&text), expected, "{text}");
                        assert_eq!(is_json(&text), expected, "{text}");
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn it_says_what_a_parser_says(text in text(), around in "[ \n]{0,2}", cut in 0_usize..6) {
            let text = format!("{around}{text}{around}");
            prop_assert_eq!(is_json(&text), parses(&text), "{:?}", text);
            let shorter = text.get(..text.len().saturating_sub(cut)).unwrap_or_default();
            prop_assert_eq!(is_json(shorter), parses(shorter), "{:?}", shorter);
        }

        #[cfg(target_arch = "x86_64")]
        #[test]
        fn blocks_tell_what_a_parser_says(text in text(), around in "[ \n\x00]{0,70}", cut in 0_usize..6) {
            for text in [format!("{around}{text}"), format!("[\"{around}\",{text}]")] {
                let shorter = text.get(..text.len().saturating_sub(cut)).unwrap_or_default();
                for text in [&text, shorter] {
                    let doubted = !blocks::are_possible()
                        || text.len() < blocks::BLOCK
                        || text.contains('\\')
                        || !text.trim_start_matches([' ', '\n']).starts_with(['{', '[']);
                    let found = blocks::is_json(text.as_bytes());
                    // What is wrong may be found before a backslash is.
                    prop_assert!(found == Some(parses(text)) || doubted && found.is_none(), "{:?}", text);
                }
            }
        }

        #[test]
        fn a_few_bytes_make_what_a_parser_says_of_them(
            items in proptest::collection::vec(
                r#"\{("[a-zé{,]{0,3}": ?(-?(0|[1-9][0-9]{0,4})(\.[0-9]|e5)?|true|""|"[a-z:}]{0,70}"|\[\]|\{"":0\}|\[(0|null|\{\},(0|[1-9]))\]), ?){0,9}"":\[\]\}"#,
                1..5,
            ),
            at: prop::sample::Index,
            out in 0_usize..4,
            within in prop::collection::vec(prop::sample::select(b"{}[]:,\"0159-.et \n\x01x".as_slice()), 0..3),
        ) {
            let text = format!("[{}]", items.join(","));
            prop_assert!(is_json(&text) && parses(&text), "{}", text);
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            let out = at..(at + out).min(bytes.len());
            bytes.splice(out, within);
            let text = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(is_json(&text), parses(&text), "{}", text);
        }

        #[test]
        fn deep_is_json_where_a_parser_says_so(depth in 60_usize..70, curly: u64, cut in 0_usize..2) {
            let is_curly = |level: &usize| curly >> (level % 64) & 1 == 1;
            let open: String = (0..depth).map(|level| if is_curly(&level) { "{\"a\":" } else { "[" }).collect();
            let close: String = (0..depth - cut).rev().map(|level| if is_curly(&level) { '}' } else { ']' }).collect();
            let text = format!("{open}1{close}");
            prop_assert!(!is_json(&text) || parses(&text));
            prop_assert_eq!(is_json(&text), cut == 0 && depth <= DEEP as usize);
        }

        #[test]
        fn noise_is_json_where_a_parser_says_so(text in r#"[\[\]{}:,"\\u0-9eE.+\-truefalsn \x00-\x1f]{0,16}"#) {
            prop_assert_eq!(is_json(&text), parses(&text), "{:?}", text);
            let long = format!("{:80}", text);
            prop_assert_eq!(is_json(&long), parses(&long), "{:?}", long);
        }
    }
}
