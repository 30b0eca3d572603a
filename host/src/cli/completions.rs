//! `host completions`: what a shell needs to complete the command line.

use std::io;

use clap_complete::Shell;

use super::{CommandError, Ending, HELP};

/// Writes a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host completions bash > ~/.local/share/bash-completion/completions/host
  host completions fish > ~/.config/fish/completions/host.fish",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

impl Arguments {
    pub fn run(self, command: &mut clap::Command) -> Result<Ending, CommandError> {
        clap_complete::generate(self.shell, command, "host", &mut io::stdout());
        Ok(Ending::Done)
    }
}
