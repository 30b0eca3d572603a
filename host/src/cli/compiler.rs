//! The compiler of the command line: this very program, started once more.

use std::ffi::OsString;

use crate::plugin::{Compiler, PluginError};

/// What tells the program that it is to compile. It is no command: nobody but the host calls it.
const ARGUMENT: &str = "__compile";

/// The compiler for the commands.
pub(super) fn compiler() -> Result<Compiler, PluginError> {
    Compiler::this_program([ARGUMENT])
        .map_err(|error| PluginError::Compiler(format!("it cannot be found: {error}")))
}

/// Whether the command line is one that the host has written, for [`compiler`].
pub(super) fn is_called_to_compile(arguments: &[OsString]) -> bool {
    matches!(arguments, [_, only] if only == ARGUMENT)
}
