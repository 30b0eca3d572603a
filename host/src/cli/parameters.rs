//! Flags for migrations' parameters.

use std::collections::BTreeMap;

use super::CommandError;
use crate::config::File;
use crate::stages::Stages;

/// Parameters of migrations.
#[derive(Debug, Default, clap::Args)]
pub(super) struct ParameterArguments {
    /// A parameter for the plugin; JSON, or else taken as a string. For one of several: MIGRATION:NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    param: Vec<(String, String)>,
}

impl ParameterArguments {
    /// The parameters of each of these migrations, as JSON texts: those of the command line, over those that the
    /// settings file has under the migration's name.
    pub fn read(
        self,
        migrations: &Stages<&str>,
        file: &File,
    ) -> Result<Stages<BTreeMap<String, String>>, CommandError> {
        let mut given = migrations.each().map(|_| BTreeMap::new());
        for (name, value) in self.param {
            let (migration, parameter) = whose(migrations, &name)?;
            let mut stages = migrations.iter().zip(given.iter_mut());
            let known = stages.find(|(stage, _)| **stage == migration);
            if known.is_some_and(|(_, given)| given.insert(parameter.to_owned(), value).is_some()) {
                return Err(CommandError::usage(format!(
                    "the parameter `{name}` is given twice"
                )));
            }
        }
        Ok(migrations.each().zip(given).map(|(migration, given)| {
            let mut parameters = file.parameters(migration);
            parameters.extend(given);
            parameters
        }))
    }
}

/// Whose parameter it is, and its own name.
fn whose<'t>(
    migrations: &Stages<&'t str>,
    name: &'t str,
) -> Result<(&'t str, &'t str), CommandError> {
    let qualified = name.split_once(':');
    if let Some((migration, parameter)) = qualified
        && migrations.iter().any(|known| *known == migration)
    {
        return Ok((migration, parameter));
    }
    if let Some(only) = migrations.only() {
        return Ok((only, name));
    }
    let error = match qualified {
        None => format!("whose is the parameter `{name}`? There are several plugins"),
        Some((migration, _)) => {
            format!("whose is the parameter `{name}`? There is no migration `{migration}` here")
        }
    };
    let parameter = qualified.map_or(name, |(_, parameter)| parameter);
    let choices: Vec<_> = migrations
        .iter()
        .map(|migration| format!("--param {migration}:{parameter}=…"))
        .collect();
    Err(CommandError::usage(error).hint(format!("write {}", choices.join(" or "))))
}

/// Reads `name=value`.
fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.ends_with(':') => {
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
        assert!(read("a:=x").is_err());
    }

    #[test]
    fn flags_stand_over_the_settings_of_their_migration() {
        let file: File =
            toml::from_str("[params.a]\nn = 1\nm = 2\n[params.b]\nn = 3\n[params.c]\nn = 4")
                .unwrap();
        let read = |given: &[&str], migrations: &[&'static str]| {
            let param = given.iter().map(|text| parameter(text).unwrap()).collect();
            let migrations = Stages::new(migrations.to_vec()).unwrap();
            let read = ParameterArguments { param }.read(&migrations, &file);
            read.map(|stages| {
                let stages = stages.into_iter().map(|parameters| {
                    let parameters = parameters.into_iter();
                    let texts = parameters.map(|(name, value)| format!("{name}={value}"));
                    texts.collect::<Vec<_>>().join(" ")
                });
                stages.collect::<Vec<_>>()
            })
        };
        assert_eq!(
            read(&["a:n=5", "b:k=6"], &["a", "b"]).unwrap(),
            ["m=2 n=5", "k=6 n=3"]
        );
        assert_eq!(read(&["n=5", "x:y=6"], &["a"]).unwrap(), ["m=2 n=5 x:y=6"]);
        for refused in [&["n=5"][..], &["c:n=5"], &["a:n=5", "a:n=6"]] {
            assert_eq!(
                read(refused, &["a", "b"]).unwrap_err().status(),
                2,
                "{refused:?}"
            );
        }
        assert_eq!(read(&["n=5", "a:n=6"], &["a"]).unwrap_err().status(), 2);
    }
}
