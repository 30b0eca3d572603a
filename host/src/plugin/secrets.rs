//! The secrets that a plugin was granted, and what it says: of that, nothing is kept that still holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use memchr::memmem::Finder;
use migration_document::Failure;
use secrecy::{ExposeSecret as _, SecretString};

/// Secrets of fewer bytes are not wiped: they would be found in every other word.
pub const SHORTEST_WIPED: usize = 4;

/// The lines of a secret of several, such as a key in PEM, are wiped one by one, too, from so many bytes on.
const SHORTEST_LINE: usize = 8;

/// What stands for a secret where its name would take more room than the secret did.
const UNNAMED: &str = "***";

/// Secrets by their names. They do not print themselves, and their memory is overwritten when they go.
///
/// ```
/// let mut secrets = host::plugin::Secrets::default();
/// secrets.insert("KEY".into(), "correct horse".to_owned().into());
/// let said = secrets.clean("cannot use `correct horse`".into());
/// assert_eq!(&*said, "cannot use `[secret KEY]`");
/// assert!(!format!("{secrets:?}").contains("horse"));
/// ```
#[derive(Debug, Default)]
pub struct Secrets {
    values: BTreeMap<String, Arc<SecretString>>,
    traces: Vec<Trace>,
}

/// A text that gives a secret away.
#[derive(Debug)]
struct Trace {
    /// The secret's name.
    name: String,
    text: SecretString,
}

impl Secrets {
    /// Adds a secret.
    pub fn insert(&mut self, name: String, value: SecretString) {
        self.share(name, Arc::new(value));
    }

    fn share(&mut self, name: String, value: Arc<SecretString>) {
        self.wipe(&name, &value);
        self.values.insert(name, value);
    }

    /// Wipes the others' secrets, too, and shows none of them: plugins that work on the same documents see what
    /// those with other secrets have made of them.
    pub fn wipe_those_of(&mut self, others: &Self) {
        for (name, value) in &others.values {
            self.wipe(name, value);
        }
    }

    /// Wipes a secret from now on.
    fn wipe(&mut self, name: &str, value: &SecretString) {
        let text = value.expose_secret();
        self.trace(name, text, SHORTEST_WIPED);
        if text.contains(['\n', '\r']) {
            for line in text.lines() {
                self.trace(name, line.trim(), SHORTEST_LINE);
            }
        }
    }

    /// Wipes this text from now on, spelled as it is or as JSON spells it within a string.
    fn trace(&mut self, name: &str, text: &str, shortest: usize) {
        let json = SecretString::from(serde_json::to_string(text).unwrap_or_default());
        let quoted = json.expose_secret().strip_prefix('"');
        let within = quoted
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or_default();
        for spelled in [text, within] {
            let known = || {
                let mut traces = self.traces.iter();
                traces.any(|trace| trace.text.expose_secret() == spelled)
            };
            if spelled.len() >= shortest && !known() {
                self.traces.push(Trace {
                    name: name.into(),
                    text: spelled.to_owned().into(),
                });
            }
        }
    }

    /// A secret, for the plugin that was granted it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.expose_secret())
    }

    /// Only the secrets with these names.
    ///
    /// # Errors
    /// The name of one that is not there.
    pub fn only<'n>(&self, names: &'n [String]) -> Result<Self, &'n str> {
        let mut some = Self::default();
        for name in names {
            let value = self.values.get(name).ok_or(name.as_str())?;
            some.share(name.clone(), Arc::clone(value));
        }
        Ok(some)
    }

    /// Wipes the secrets out of a text.
    #[must_use]
    pub fn clean(&self, text: String) -> Clean {
        Clean(self.wiped(&text).unwrap_or(text))
    }

    /// Wipes the secrets out of what is said of a document that failed. The host's own messages quote what the
    /// plugin returned: ids, pointers, names of tables.
    #[must_use]
    pub fn clean_failure(&self, failure: Failure) -> Failure {
        let clean = |text| self.clean(text).0;
        Failure {
            code: clean(failure.code),
            message: clean(failure.message),
            at: failure.at.map(clean),
        }
    }

    /// The text without the secrets; None if it holds none. It is never longer than the text was.
    fn wiped(&self, text: &str) -> Option<String> {
        let mut finds: Vec<Find<'_>> = self
            .traces
            .iter()
            .filter_map(|trace| Find::first(trace, text))
            .collect();
        if finds.is_empty() {
            return None;
        }
        let mut wiped = String::with_capacity(text.len());
        let mut done = 0;
        while let Some(begin) = finds.iter().map(|find| find.at).min() {
            // What overlaps, or touches, goes together: of two halves that overlap one would stay otherwise.
            let (mut end, mut name) = (begin, None);
            while let Some(find) = finds.iter_mut().find(|find| find.at <= end) {
                end = end.max(find.at + find.trace.text.expose_secret().len());
                name.get_or_insert(&find.trace.name);
                find.next(text);
                finds.retain(|find| find.at < text.len());
            }
            wiped.push_str(text.get(done..begin).unwrap_or_default());
            let named = format!("[secret {}]", name.map_or("", String::as_str));
            let room = end - begin;
            wiped.push_str(
                [&named, UNNAMED]
                    .into_iter()
                    .find(|mark| mark.len() <= room)?,
            );
            done = end;
        }
        wiped.push_str(text.get(done..).unwrap_or_default());
        Some(wiped)
    }
}

/// Where a trace stands in a text.
struct Find<'t> {
    trace: &'t Trace,
    finder: Finder<'t>,
    /// The text's length once it stands nowhere any more.
    at: usize,
}

impl<'t> Find<'t> {
    fn first(trace: &'t Trace, text: &str) -> Option<Self> {
        let finder = Finder::new(trace.text.expose_secret());
        let at = finder.find(text.as_bytes())?;
        Some(Self { trace, finder, at })
    }

    /// Goes on to its next place, which may overlap this one.
    fn next(&mut self, text: &str) {
        let from = self.at + 1;
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        self.at = self.finder.find(rest).map_or(text.len(), |at| from + at);
    }
}

/// A text that may have come from a plugin, without the secrets that it was granted. [`Secrets::clean`] makes it,
/// so what a plugin says cannot get any further with a secret in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clean(String);

impl Clean {
    /// Cuts it to so many bytes. Only now: half of a secret would not be known as one.
    ///
    /// Returns whether there was something to cut.
    pub fn cut(&mut self, most: usize) -> bool {
        let longer = self.0.len() > most;
        if longer {
            self.0.truncate(self.0.floor_char_boundary(most));
            // What was cut off would otherwise stay in memory: ten thousand lines of megabytes.
            self.0.shrink_to_fit();
        }
        longer
    }

    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// The host's own words hold no secret.
impl From<&'static str> for Clean {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl Deref for Clean {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        let mut secrets = Secrets::default();
        for (name, value) in values {
            secrets.insert((*name).into(), (*value).to_owned().into());
        }
        secrets
    }

    #[track_caller]
    fn wipes(values: &[(&str, &str)], text: &str, expected: &str) {
        let clean = secrets(values).clean(text.into());
        assert_eq!(&*clean, expected, "{text}");
    }

    #[test]
    fn a_secret_gives_way_to_its_name_where_there_is_room() {
        let long = [("K", "correct horse")];
        wipes(&long, "nothing", "nothing");
        wipes(&long, "correct horse", "[secret K]");
        wipes(
            &long,
            "<correct horse> é correct horse!",
            "<[secret K]> é [secret K]!",
        );
        wipes(&[("K", "abcd")], "xabcdy", "x***y");
        // Nobody could read anything any more.
        wipes(&[("K", "abc")], "abc", "abc");
        wipes(&[("K", "")], "abc", "abc");
    }

    #[test]
    fn what_overlaps_goes_as_a_whole() {
        wipes(&[("A", "abcdef"), ("B", "defghi")], "-abcdefghi-", "-***-");
        wipes(&[("A", "aaaa")], "baaaaaab", "b***b");
        wipes(
            &[("A", "inner-key"), ("B", "the inner-key of it")],
            "<the inner-key of it>",
            "<[secret B]>",
        );
        wipes(&[("A", "abab")], "ababab abab", "*** ***");
        // What touches does, too: where one ends and the other begins is nobody's business.
        wipes(&[("A", "abcd"), ("B", "efgh")], "-abcdefgh-", "-***-");
    }

    #[test]
    fn json_spells_it_otherwise() {
        let secret = [("K", "a \"quoted\"\nline")];
        wipes(
            &secret,
            r#"{"k":"a \"quoted\"\nline"}"#,
            r#"{"k":"[secret K]"}"#,
        );
        wipes(&secret, "a \"quoted\"\nline", "[secret K]");
        wipes(
            &[("K", "\"quoted\"")],
            r#"["\"quoted\""]"#,
            r#"["[secret K]"]"#,
        );
    }

    #[test]
    fn each_line_of_a_key_is_one() {
        let pem = [("KEY", "-----BEGIN-----\r\nMIIEvgIBADANBg\n}\n")];
        wipes(
            &pem,
            "the second line, MIIEvgIBADANBg, is odd",
            "the second line, [secret KEY], is odd",
        );
        wipes(
            &[("KEY", "a:\n    indented-by-yaml\n")],
            "indented-by-yaml",
            "[secret KEY]",
        );
        wipes(&pem, "fn main() {}\n", "fn main() {}\n");
    }

    #[test]
    fn of_a_failure_every_part_is_clean() {
        let said = |text: &str| Failure {
            code: text.into(),
            message: text.into(),
            at: Some(text.into()),
        };
        let clean = secrets(&[("K", "correct horse")]).clean_failure(said("correct horse"));
        assert_eq!(clean, said("[secret K]"));
    }

    #[test]
    fn it_is_cut_only_when_it_is_clean() {
        let mut text = secrets(&[("K", "correct horse")]).clean("the correct horse".into());
        assert!(text.cut(11));
        assert_eq!(&*text, "the [secret");
        assert!(!text.cut(11));
    }

    #[test]
    fn nobody_sees_more_secrets_than_they_ask_for() {
        let secrets = secrets(&[("A", "first"), ("B", "second")]);
        let some = secrets.only(&["B".into()]).unwrap();
        assert_eq!((some.get("A"), some.get("B")), (None, Some("second")));
        assert_eq!(secrets.only(&["C".into()]).unwrap_err(), "C");
    }

    proptest! {
        #[test]
        fn none_is_left_and_nothing_grows(
            values in prop::collection::btree_map("[A-C]{1,12}", "[ab\"]{4,7}", 1..4),
            text in "[ab\"é]{0,40}",
        ) {
            let mut secrets = Secrets::default();
            for (name, value) in &values {
                secrets.insert(name.clone(), value.clone().into());
            }
            let clean = secrets.clean(text.clone());
            for value in values.values() {
                prop_assert!(!clean.contains(value.as_str()), "{clean:?}");
            }
            prop_assert!(clean.len() <= text.len());
        }
    }
}
