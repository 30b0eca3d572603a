//! What is to be measured.

use anyhow::{Context, Result, bail, ensure};

use super::languages;

/// Everything that can be named after `--only`: competitors, then further figures.
pub const NAMES: [&str; 12] = [
    "host",
    "node",
    "python",
    "native",
    "update",
    "floor",
    "undo",
    "empty",
    "import",
    "transform",
    "contention",
    languages::NAME,
];

/// The options of `cargo xtask bench`.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// How many documents are migrated.
    pub documents: u64,
    /// How often each competitor runs.
    pub runs: usize,
    /// What is measured, of [`NAMES`]; empty for everything but the languages.
    only: Vec<String>,
}

impl Options {
    /// Reads the arguments that follow `cargo xtask bench`.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            documents: 1_000_000,
            runs: 3,
            only: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument.as_str(), None),
            };
            ensure!(
                matches!(name, "--documents" | "--runs" | "--only"),
                "`cargo xtask bench` knows --documents, --runs and --only, but was given `{argument}`"
            );
            let value = value
                .or_else(|| arguments.next().map(String::as_str))
                .with_context(|| format!("{name} needs a value"))?;
            match name {
                "--documents" => options.documents = number(name, value)?,
                "--runs" => options.runs = usize::try_from(number(name, value)?)?,
                _ => options.only.extend(names(value)?),
            }
        }
        Ok(options)
    }

    /// Whether something is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        let is_named = self.only.iter().any(|wanted| wanted == name);
        is_named || (self.only.is_empty() && name != languages::NAME)
    }
}

fn number(name: &str, value: &str) -> Result<u64> {
    match value.replace('_', "").parse() {
        Ok(0) | Err(_) => bail!("{name} is `{value}`; it must be a whole number from 1 on"),
        Ok(number) => Ok(number),
    }
}

fn names(value: &str) -> Result<Vec<String>> {
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        None => Ok(names),
        Some(unknown) => bail!(
            "nothing to measure is called `{unknown}`; there are: {}",
            NAMES.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Options> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    fn message(arguments: &str) -> String {
        parse(arguments).unwrap_err().to_string()
    }

    #[test]
    fn everything_but_the_languages_is_measured_unless_something_is_named() {
        let options = parse("").unwrap();
        assert_eq!((options.documents, options.runs), (1_000_000, 3));
        let unwanted: Vec<_> = NAMES.iter().filter(|name| !options.wants(name)).collect();
        assert_eq!(unwanted, [&"languages"]);

        let options = parse("--documents 10_000 --only=host,floor --runs=1 --only undo").unwrap();
        assert_eq!((options.documents, options.runs), (10_000, 1));
        let wanted: Vec<_> = NAMES.iter().filter(|name| options.wants(name)).collect();
        assert_eq!(wanted, [&"host", &"floor", &"undo"]);
    }

    #[test]
    fn mistakes_are_told() {
        assert!(message("--fast").ends_with("but was given `--fast`"));
        assert_eq!(message("--runs"), "--runs needs a value");
        assert_eq!(
            message("--documents 0"),
            "--documents is `0`; it must be a whole number from 1 on"
        );
        assert!(message("--only host,deno").starts_with("nothing to measure is called `deno`"));
    }
}
