//! Flags that say where secrets are. Their values are never on the command line.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::CommandError;
use crate::config::{File, SecretSource, SecretSources};
use crate::plugin::Secrets;

/// Where secrets are.
#[derive(Debug, clap::Args)]
pub(super) struct SecretArguments {
    /// A file that holds a granted secret [default: the environment variable HOST_SECRET_NAME holds it]
    #[arg(long, value_name = "NAME=FILE")]
    secret_file: Vec<String>,

    /// The granted secret that standard input holds
    #[arg(long, value_name = "NAME")]
    secret_stdin: Option<String>,
}

/// Reads `name=file`. What is no such text is not shown again, as clap would: it may be the secret.
fn in_file(text: &str) -> Result<(&str, PathBuf), CommandError> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name, file.into())),
        _ => Err(CommandError::usage("--secret-file takes NAME=FILE")),
    }
}

impl SecretArguments {
    /// The secrets with these names, from where the command line says, or else the settings file.
    ///
    /// # Errors
    /// If one of them cannot be had.
    pub fn read<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
        file: &File,
    ) -> Result<Secrets, CommandError> {
        Ok(self.sources(file)?.read(names)?)
    }

    fn sources(&self, file: &File) -> Result<SecretSources, CommandError> {
        let mut sources = file.secrets.clone();
        let mut named = Vec::new();
        for text in &self.secret_file {
            let (name, path) = in_file(text)?;
            named.push((name, SecretSource::File(path)));
        }
        let stdin = self.secret_stdin.as_deref();
        named.extend(stdin.map(|name| (name, SecretSource::Stdin)));
        let mut given = BTreeSet::new();
        for (name, source) in named {
            if !given.insert(name) {
                return Err(CommandError::usage(format!(
                    "the secret `{name}` is given twice"
                )));
            }
            sources.set(name.into(), source);
        }
        Ok(sources)
    }
}
