//! `host new`: a plugin project that builds.

use std::path::{Path, PathBuf};

use super::{CommandError, Ending, HELP};
use crate::build::Language;
use crate::scaffold;

/// Makes a plugin project: a migration, its test, and how to build it.
///
/// The project holds the SDK, so that it builds wherever it is.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host new fill-display-names --lang rust
  cd fill-display-names && host build",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The project's name, and its folder's: lower-case words joined by hyphens
    name: String,

    /// The language to write it in
    #[arg(long, value_enum, default_value_t)]
    lang: Language,

    /// Where to make the folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    within: PathBuf,
}

impl Arguments {
    pub fn run(self) -> Result<Ending, CommandError> {
        let folder = self.within.join(&self.name);
        scaffold::create(&folder, &self.name, self.lang)
            .map_err(|error| CommandError::new(format!("{error:#}")))?;
        eprintln!("made {}; next:", shown(&folder));
        for line in scaffold::next_steps(&self.name, self.lang) {
            eprintln!("  {line}");
        }
        Ok(Ending::Done)
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}
