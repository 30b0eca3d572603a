//! Flags for a migration's parameters.

use std::collections::BTreeMap;

use super::CommandError;

/// Parameters of a migration.
#[derive(Debug, clap::Args)]
pub(super) struct ParameterArguments {
    /// A parameter for the plugin; JSON, or else taken as a string
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    param: Vec<(String, String)>,
}

impl ParameterArguments {
    /// Names and JSON texts.
    pub fn read(self) -> Result<BTreeMap<String, String>, CommandError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in self.param {
            if parameters.insert(name.clone(), value).is_some() {
                return Err(CommandError::usage(format!(
                    "the parameter `{name}` is given twice"
                )));
            }
        }
        Ok(parameters)
    }
}

/// Reads `name=value`.
fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let json = if migration_document::json::check(value).is_ok() {
                value.to_owned()
            } else {
                serde_json::Value::from(value).to_string()
            };
            Ok((name.to_owned(), json))
        }
        _ => Err("expected NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_json_or_else_strings() {
        let read = |text| parameter(text).map(|(_, value)| value);
        assert_eq!(read("n=1.0"), Ok("1.0".into()));
        assert_eq!(read("s=copy"), Ok("\"copy\"".into()));
        assert_eq!(read("s=\"5\""), Ok("\"5\"".into()));
        assert_eq!(read("e="), Ok("\"\"".into()));
        assert_eq!(read("a=b=c"), Ok("\"b=c\"".into()));
        assert!(read("flag").is_err());
        assert!(read("=x").is_err());
    }
}
