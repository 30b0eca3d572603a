//! Where secrets are read from: the environment, files, standard input. Never the command line, which other
//! users of the machine see, and never a settings file, which is shared.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;
use tracing::warn;

use crate::plugin::Secrets;
use crate::plugin::secrets::SHORTEST_WIPED;

/// What the names of environment variables begin with that hold secrets, where nothing else is said.
const VARIABLE: &str = "HOST_SECRET_";

/// How many bytes a secret has at the most. A file with more is no secret, but a mistake.
const LONGEST: u64 = 1 << 20;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file, but for a line break at its end.
    File(PathBuf),
    /// On standard input, but for a line break at its end.
    Stdin,
    /// Nobody said where. What stands there instead may be the secret itself, and is not kept.
    Nowhere,
}

/// A source as `host.toml` has it. A literal must not come into an error message, so it is no error yet.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Written {
    File { file: PathBuf },
    Env { env: String },
    Other(IgnoredAny),
}

impl From<Written> for SecretSource {
    fn from(written: Written) -> Self {
        match written {
            Written::File { file } => Self::File(file),
            Written::Env { env } => Self::Env(env),
            Written::Other(_) => Self::Nowhere,
        }
    }
}

/// Why a secret cannot be had.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The environment variable is not set, or is no Unicode.
    #[error(
        "the secret `{name}` was granted, but the environment variable {variable} that holds it is {state}"
    )]
    Variable {
        /// The secret's name.
        name: String,
        /// The variable's name.
        variable: String,
        /// What it is instead.
        state: &'static str,
    },
    /// The file, or standard input, cannot be read.
    #[error("the secret `{name}` cannot be read from {from}: {source}")]
    Unreadable {
        /// The secret's name.
        name: String,
        /// Where it was read from.
        from: String,
        /// What the system says.
        source: io::Error,
    },
    /// What is there is no secret.
    #[error("the secret `{name}` from {from} {why}")]
    Unusable {
        /// The secret's name.
        name: String,
        /// Where it was read from.
        from: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Where each secret is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretSources {
    named: BTreeMap<String, SecretSource>,
}

impl SecretSources {
    /// Says where a secret is, whatever was said before.
    pub fn set(&mut self, name: String, source: SecretSource) {
        self.named.insert(name, source);
    }

    /// A secret of which nobody says where it is.
    pub(super) fn without_source(&self) -> Option<&str> {
        let mut nowhere = self
            .named
            .iter()
            .filter(|(_, source)| **source == SecretSource::Nowhere);
        nowhere.next().map(|(name, _)| name.as_str())
    }

    /// Reads the secrets with these names. Standard input can be read only once, so all that a process needs are
    /// read together.
    ///
    /// # Errors
    /// If one of them is not there, or is none.
    pub fn read<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<Secrets, SecretError> {
        let mut secrets = Secrets::default();
        for name in names {
            if secrets.get(name).is_some() {
                continue;
            }
            let by_default = SecretSource::Env(variable(name));
            let source = match self.named.get(name) {
                None | Some(SecretSource::Nowhere) => &by_default,
                Some(source) => source,
            };
            let value = source.read(name)?;
            if value.len() < SHORTEST_WIPED {
                warn!(
                    "the secret `{name}` is shorter than {SHORTEST_WIPED} bytes, too short to be wiped from what the plugin says"
                );
            }
            secrets.insert(name.clone(), SecretString::from(value.as_str()));
        }
        Ok(secrets)
    }
}

/// The environment variable that holds a secret where nothing else is said.
fn variable(name: &str) -> String {
    let letters = name.chars().map(|character| match character {
        'a'..='z' => character.to_ascii_uppercase(),
        'A'..='Z' | '0'..='9' => character,
        _ => '_',
    });
    VARIABLE.chars().chain(letters).collect()
}

impl SecretSource {
    fn read(&self, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let (value, from) = match self {
            Self::Env(variable) => (of_variable(name, variable)?, variable.clone()),
            Self::File(path) => (of_file(name, path)?, path.display().to_string()),
            Self::Stdin => (of_stdin(name)?, STDIN.to_owned()),
            Self::Nowhere => return Err(unusable(name, "nowhere", "cannot be read")),
        };
        if value.is_empty() {
            return Err(unusable(name, &from, "is empty"));
        }
        Ok(value)
    }
}

/// How messages call standard input.
const STDIN: &str = "standard input";

fn of_variable(name: &str, variable: &str) -> Result<Zeroizing<String>, SecretError> {
    let state = match std::env::var(variable) {
        Ok(value) => return Ok(Zeroizing::new(value)),
        Err(std::env::VarError::NotPresent) => "not set",
        Err(std::env::VarError::NotUnicode(_)) => "no Unicode text",
    };
    Err(SecretError::Variable {
        name: name.into(),
        variable: variable.into(),
        state,
    })
}

fn of_file(name: &str, path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let from = path.display().to_string();
    let file = File::open(path).map_err(|source| unreadable(name, &from, source))?;
    if is_for_all(&file) {
        warn!("{from}, which holds the secret `{name}`, can be read by all users of this machine");
    }
    text(name, &from, file)
}

/// Whether everybody may read a file. That its group may is how secrets are shared.
#[cfg(unix)]
fn is_for_all(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_for_all(_: &File) -> bool {
    false
}

fn of_stdin(name: &str) -> Result<Zeroizing<String>, SecretError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // Everybody who looks over the user's shoulder would read along.
        return Err(unusable(
            name,
            STDIN,
            "would be shown as it is typed; pipe it",
        ));
    }
    text(name, STDIN, stdin.lock())
}

fn text(name: &str, from: &str, source: impl Read) -> Result<Zeroizing<String>, SecretError> {
    let mut bytes = Zeroizing::new(Vec::new());
    source
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| unreadable(name, from, source))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(unusable(name, from, "has more than 1 MiB"));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| unusable(name, from, "is no text in UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Zeroizing::new(text.to_owned()))
}

fn unreadable(name: &str, from: &str, source: io::Error) -> SecretError {
    SecretError::Unreadable {
        name: name.into(),
        from: from.into(),
        source,
    }
}

fn unusable(name: &str, from: &str, why: &'static str) -> SecretError {
    SecretError::Unusable {
        name: name.into(),
        from: from.into(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_their_secrets() {
        assert_eq!(variable("api-key"), "HOST_SECRET_API_KEY");
        assert_eq!(variable("É2"), "HOST_SECRET__2");
    }

    #[test]
    fn one_line_break_at_the_end_is_none_of_the_secret() {
        let read = |bytes: &[u8]| text("k", "there", bytes).map(|text| text.to_string()).ok();
        assert_eq!(read(b"key\n").as_deref(), Some("key"));
        assert_eq!(read(b"key\r\n").as_deref(), Some("key"));
        assert_eq!(read(b" key \n\n").as_deref(), Some(" key \n"));
        assert_eq!(read(b"\xff"), None);
        assert_eq!(read(&[b'x'; 1 << 20]).map(|text| text.len()), Some(1 << 20));
        assert_eq!(read(&[b'x'; (1 << 20) + 1]), None);
    }

    #[test]
    fn a_source_is_a_file_or_a_variable_and_nothing_else() {
        let sources: SecretSources =
            toml::from_str("A = { file = \"a\" }\nB = { env = \"B\" }").unwrap();
        assert_eq!(sources.named["A"], SecretSource::File("a".into()));
        assert_eq!(sources.named["B"], SecretSource::Env("B".into()));
        assert_eq!(sources.without_source(), None);
        for written in [
            "\"hunter2\"",
            "{ value = \"hunter2\" }",
            "{ file = \"a\", env = \"B\" }",
            "5",
        ] {
            let sources: SecretSources = toml::from_str(&format!("K = {written}")).unwrap();
            assert_eq!(sources.without_source(), Some("K"), "{written}");
            assert!(!format!("{sources:?}").contains("hunter2"));
        }
    }
}
