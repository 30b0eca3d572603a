//! Where tools are called, and installed from package registries: in the project, or in a folder of the user's
//! choice that several projects share.

use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use toolbox::shell;

use super::{BuildError, Tool, lock};

/// Where a project's tools are, within its folder.
const TOOLS: &str = ".tools";

/// The file in a folder of tools that tells that all of it is there.
const COMPLETE: &str = ".complete";

/// What a recipe works with.
pub struct Workshop<'w> {
    tools: PathBuf,
    say: &'w dyn Fn(&str),
}

impl<'w> Workshop<'w> {
    /// One that tells what it does with `say`, and installs tools in a folder; by default the project's.
    pub fn new(project: &Path, tools: Option<&Path>, say: &'w dyn Fn(&str)) -> Self {
        let tools = tools.map_or_else(|| project.join(TOOLS), Path::to_owned);
        Self {
            // Tools are called from within the project, too. Where there is no working directory, nothing else will do.
            tools: absolute(&tools).unwrap_or(tools),
            say,
        }
    }

    /// The folder that tools, and what they keep, are installed in.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.tools
    }

    /// Tells what is going on.
    pub fn say(&self, line: &str) {
        (self.say)(line);
    }

    /// Runs a command. What it wrote is shown only where it fails.
    ///
    /// # Errors
    /// If it cannot be started, or its status is not 0.
    pub fn run(&self, command: &mut Command) -> Result<(), BuildError> {
        self.say(&format!("$ {}", shell::as_typed(command)));
        Ok(shell::quietly(command)?)
    }

    /// Runs a compiler whose command line nobody wants to see: where it fails, what it wrote is the message.
    ///
    /// # Errors
    /// If it cannot be started, or its status is not 0.
    pub fn compile(&self, command: &mut Command) -> Result<(), BuildError> {
        shell::quietly(command).map_err(|error| match error {
            shell::Error::Failed { output, .. } => BuildError::Code(output.trim_end().to_owned()),
            error => error.into(),
        })
    }

    /// Finds a program on PATH.
    ///
    /// # Errors
    /// If it is not there; `get` says how to get it.
    pub fn program(&self, name: &str, get: &str) -> Result<PathBuf, BuildError> {
        shell::find_program(name).ok_or_else(|| BuildError::Missing {
            tool: format!("`{name}`"),
            get: get.into(),
        })
    }

    /// A package of the Python registry, in an environment of its own; installs it unless it is there. Its default
    /// version is what was published when that was chosen, byte for byte. Another one is what the registry has.
    ///
    /// # Errors
    /// If there is no Python, or the package cannot be installed.
    pub fn pip(&self, tool: &Tool, version: &str) -> Result<Venv, BuildError> {
        let name = format!("{}-{version}", tool.name);
        let folder = self.tools.join(&name);
        let venv = Venv {
            folder: folder.clone(),
        };
        if folder.join(COMPLETE).is_file() {
            return Ok(venv);
        }
        let python = self.program(
            "python3",
            "install Python 3 with its module venv; on Debian: apt-get install python3-venv",
        )?;
        fs::create_dir_all(&self.tools).map_err(BuildError::io(&self.tools))?;
        let _alone = lock(&self.tools.join(format!("{name}.lock")))?;
        if folder.join(COMPLETE).is_file() {
            return Ok(venv);
        }
        self.say(&format!("installing {} {version}", tool.name));
        // `--clear`: what an attempt that was interrupted has left is no environment.
        self.run(
            Command::new(python)
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )?;
        let mut install = Command::new(venv.program("python"));
        install
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .arg("--disable-pip-version-check");
        if version == tool.version {
            let hashes = folder.join("requirements.txt");
            fs::write(&hashes, tool.hashes).map_err(BuildError::io(&hashes))?;
            install
                .args(["--require-hashes", "--requirement"])
                .arg(hashes);
        } else {
            install.arg(format!("{}=={version}", tool.name));
        }
        self.run(&mut install)?;
        let complete = folder.join(COMPLETE);
        fs::write(&complete, "").map_err(BuildError::io(&complete))?;
        Ok(venv)
    }
}

/// An environment of Python's, with a package and its programs in it.
pub struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// A program of it.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.folder.join(programs).join(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_from_every_folder() {
        let workshop = Workshop::new(Path::new("project"), None, &|_| ());
        assert!(workshop.tools().is_absolute());
        assert!(workshop.tools().ends_with("project/.tools"));
        let shared = Workshop::new(Path::new("project"), Some(Path::new("shared")), &|_| ());
        assert!(shared.tools().is_absolute());
        assert!(shared.tools().ends_with("shared"));
    }
}
