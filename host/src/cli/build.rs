//! `host build`: from a plugin project to its component.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::cache::CacheArguments;
use super::show::{count, safe};
use super::{CommandError, Ending, HELP};
use crate::build::{BuildError, Workshop, build};
use crate::config::File;
use crate::plugin::{LimitSettings, Plugin};

/// Builds a plugin project to a component, with the tools of its language.
///
/// Building runs the project's own code, outside of any sandbox: build only what you trust. Tools that a package
/// registry has are installed in the project; what else is missing is named.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host build                                the project in this folder
  host build fill-display-names
  host build --tools ~/.cache/host-tools    projects share the tools that are installed",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The project's folder, which has a plugin.toml
    #[arg(default_value = ".")]
    folder: PathBuf,

    /// Where the component goes [default: build/NAME.wasm in the project]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Where tools are installed [default: .tools in the project]
    #[arg(long, value_name = "FOLDER", env = "HOST_TOOLS")]
    tools: Option<PathBuf>,

    #[command(flatten)]
    cache: CacheArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let say = |line: &str| eprintln!("{}", safe(line));
        let workshop = Workshop::new(&self.folder, self.tools.as_deref(), &say);
        let path = build(&self.folder, self.output.as_deref(), &workshop)?;
        // What was built is a plugin only if the host can load it; and so it is compiled before its first run.
        let plugin = self.cache.load(&path, &LimitSettings::default(), file)?;
        io::stdout().write_all(as_text(&plugin).as_bytes())?;
        Ok(Ending::Done)
    }
}

/// What was made.
fn as_text(plugin: &Plugin) -> String {
    let lines = [
        ("component", shown(&plugin.path)),
        ("migration", plugin.manifest.name.clone()),
        ("size", format!("{} bytes", count(plugin.size))),
        ("imports", plugin.imports.join(", ")),
        ("sha256", plugin.sha256.clone()),
    ];
    lines
        .map(|(name, value)| format!("{name:<10} {}\n", safe(&value)))
        .concat()
}

/// A path as seen from here, where it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}

impl From<BuildError> for CommandError {
    fn from(error: BuildError) -> Self {
        let made = Self::new(&error).in_lines();
        match error {
            BuildError::NoProject { .. } => made.hint("`host new NAME --lang LANGUAGE` makes one"),
            BuildError::Missing { get, .. } => made.hint(get),
            BuildError::File { .. }
            | BuildError::Setting { .. }
            | BuildError::Step(_)
            | BuildError::Code(_)
            | BuildError::Component(_)
            | BuildError::Io { .. } => made,
        }
    }
}
