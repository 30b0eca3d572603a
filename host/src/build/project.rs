//! `plugin.toml`: what a project says of itself.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf, absolute};

use serde::Deserialize;
use toml::Spanned;

use super::BuildError;
use super::language::{Language, Tool};

/// The project file's name.
pub const PROJECT_FILE: &str = "plugin.toml";

/// Where a project has the SDK and the interface that it was made with.
const SDK: &str = "sdk";

/// What `plugin.toml` may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProjectFile {
    language: Language,
    name: Option<Spanned<String>>,
    #[serde(default)]
    world: World,
    engine: Option<Spanned<Engine>>,
    sdk: Option<PathBuf>,
    #[serde(default)]
    tools: BTreeMap<Spanned<String>, String>,
}

/// A plugin project.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// std::fs::write(folder.path().join("plugin.toml"), r#"
/// language = "rust"                 # with which tools it is built
/// name = "fill-names"               # of the component; by default the folder's
/// world = "reversible-migration"    # where it has a `revert`; by default `migration`
/// "#).unwrap();
/// let project = host::build::Project::read(folder.path()).unwrap();
/// assert_eq!(project.name, "fill-names");
/// ```
#[derive(Debug)]
pub struct Project {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// The name of its component's file, without the ending.
    pub name: String,
    /// The language that it is written in.
    pub language: Language,
    /// The world of the interface that it implements.
    pub world: World,
    /// What runs its code, where its language has engines.
    pub engine: Option<Engine>,
    /// The folder that has the SDK in `plugin-sdk`, and the interface in `wit`.
    pub sdk: PathBuf,
    /// The versions of tools that it asks for, by name.
    pub tools: BTreeMap<String, String>,
}

impl Project {
    /// Reads the project in a folder.
    ///
    /// # Errors
    /// If there is none, or its file says what it may not say: the message names the line.
    pub fn read(folder: &Path) -> Result<Self, BuildError> {
        let folder = absolute(folder).map_err(BuildError::io(folder))?;
        let path = folder.join(PROJECT_FILE);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BuildError::NoProject {
                folder: folder.clone(),
            },
            _ => BuildError::io(&path)(source),
        })?;
        let file: ProjectFile = toml::from_str(&text).map_err(|source| BuildError::File {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let senseless = |span: Range<usize>, message: String| BuildError::Setting {
            path: path.clone(),
            line: line(&text, span.start),
            message,
        };
        let recipe = file.language.recipe();
        let engine = match file.engine {
            None => recipe.engines().first().copied(),
            Some(engine) if recipe.engines().contains(engine.get_ref()) => {
                Some(engine.into_inner())
            }
            Some(engine) => {
                let message = format!("this language has no engine `{}`", engine.get_ref());
                return Err(senseless(engine.span(), message));
            }
        };
        let mut tools = BTreeMap::new();
        for (name, version) in file.tools {
            let known = recipe.tools();
            if !known.iter().any(|tool| tool.name == name.get_ref()) {
                let message = format!("no tool `{}`; {}", name.get_ref(), in_words(known));
                return Err(senseless(name.span(), message));
            }
            tools.insert(name.into_inner(), version);
        }
        let name = match file.name {
            Some(name) if is_file_name(name.get_ref()) => name.into_inner(),
            Some(name) => {
                let message = format!("`{}` is no name for a file", name.get_ref());
                return Err(senseless(name.span(), message));
            }
            None => named_like(&folder),
        };
        Ok(Self {
            sdk: folder.join(file.sdk.as_deref().unwrap_or(Path::new(SDK))),
            name,
            language: file.language,
            world: file.world,
            engine,
            tools,
            folder,
        })
    }

    /// The folder of the interface that it is built against.
    #[must_use]
    pub fn wit(&self) -> PathBuf {
        self.sdk.join("wit")
    }

    /// A part of the SDK that it is built with.
    #[must_use]
    pub fn sdk(&self, part: &str) -> PathBuf {
        self.sdk.join("plugin-sdk").join(part)
    }

    /// Where files go that a build makes on its way.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.folder.join(super::OUTPUT)
    }
}

/// A name for the component of a folder that was given none.
fn named_like(folder: &Path) -> String {
    folder
        .components()
        .next_back()
        .and_then(|last| last.as_os_str().to_str())
        .filter(|name| is_file_name(name))
        .unwrap_or("plugin")
        .to_owned()
}

/// Whether a name stays in its folder, wherever it is used.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|char| char.is_alphanumeric() || "-_.".contains(char))
}

fn line(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    1 + before.filter(|byte| *byte == b'\n').count()
}

fn in_words(tools: &[Tool]) -> String {
    if tools.is_empty() {
        return "this language's are pinned by its own files".into();
    }
    let names: Vec<_> = tools.iter().map(|tool| tool.name).collect();
    format!("there are {}", names.join(", "))
}

/// A world of the interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// A migration.
    #[default]
    Migration,
    /// One that can take its own work back.
    ReversibleMigration,
}

impl World {
    /// Its name in the interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::ReversibleMigration => "reversible-migration",
        }
    }
}

/// What runs JavaScript within a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// QuickJS: small, and starts fast.
    QuickJs,
    /// StarlingMonkey, which is SpiderMonkey: ten times as large, and has more of the platform.
    StarlingMonkey,
}

impl Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::QuickJs => "quickjs",
            Self::StarlingMonkey => "starlingmonkey",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The project that this file describes, in a folder called `folder`; else the message.
    fn read(text: &str) -> Result<Project, String> {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(PROJECT_FILE), text).unwrap();
        Project::read(&folder).map_err(|error| {
            let message = error.to_string();
            let path = folder.join(PROJECT_FILE).display().to_string();
            message.replace(&path, PROJECT_FILE)
        })
    }

    #[test]
    fn everything_but_the_language_has_a_default() {
        let project = read("language = 'rust'").unwrap();
        assert_eq!((project.name.as_str(), project.engine), ("folder", None));
        assert_eq!(project.world.name(), "migration");
        assert_eq!(project.wit(), project.folder.join("sdk/wit"));
        let project = read("language = 'rust'\nsdk = '../..'").unwrap();
        assert_eq!(project.wit(), project.folder.join("../../wit"));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        for (text, named) in [
            ("language = 'rust'\n\ncolour = 'red'", "line 3, column 1"),
            ("language = 'rust'\n\ncolour = 'red'", "`colour`"),
            ("language = 'cobol'", "line 1"),
            ("name = 'x'", "missing field `language`"),
            (
                "language = 'rust'\nengine = 'quickjs'",
                "plugin.toml cannot be used: line 2: this language has no engine `quickjs`",
            ),
            (
                "language = 'rust'\n[tools]\nrustc = '1'",
                "line 3: no tool `rustc`; this language's are pinned by its own files",
            ),
            (
                "language = 'rust'\nname = '../x'",
                "line 2: `../x` is no name for a file",
            ),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(named), "{text}: {message}");
        }
    }
}
