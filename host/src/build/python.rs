//! Python: componentize-py makes a component of CPython, the SDK and the project's `migration.py`.

use std::fs;
use std::process::Command;

use super::{BuildError, Project, Recipe, Tool, Workshop};

const COMPONENTIZE: Tool = Tool {
    name: "componentize-py",
    version: "0.25.1",
    hashes: include_str!("pins/componentize-py.txt"),
};

/// The module that the component is made of, and its source. CPython runs it while the component is built, and would
/// leave compiled files beside all that it imports.
const ENTRY: (&str, &str) = (
    "plugin_entry",
    "import sys\n\nsys.dont_write_bytecode = True\n\nfrom plugin_sdk.component import Revert, Transform\n",
);

pub(super) struct Python;

impl Recipe for Python {
    fn templates(&self) -> &'static [&'static str] {
        &["python"]
    }

    fn sdk(&self) -> &'static [&'static str] {
        &["python/plugin_sdk"]
    }

    fn tests(&self) -> &'static str {
        "python3 -m unittest"
    }

    fn tools(&self) -> &'static [Tool] {
        &[COMPONENTIZE]
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let tools = workshop.pip(&COMPONENTIZE, COMPONENTIZE.pinned(&project.tools))?;
        let (entry, source) = ENTRY;
        let path = project.scratch().join(format!("{entry}.py"));
        fs::write(&path, source).map_err(BuildError::io(&path))?;
        let output = project.scratch().join("component.wasm");
        workshop.say("building migration.py");
        workshop.compile(
            Command::new(tools.program(COMPONENTIZE.name))
                .current_dir(&project.folder)
                // Packages of an environment that happens to be active are none of the project's.
                .env_remove("VIRTUAL_ENV")
                // Where the code is at fault, nobody wants to know where in componentize-py that came out.
                .env("RUST_BACKTRACE", "0")
                .arg("--wit-path")
                .arg(project.wit())
                .args(["--world", project.world.name(), "componentize", entry])
                .arg("--python-path")
                .arg(project.scratch())
                .arg("--python-path")
                .arg(&project.folder)
                .arg("--python-path")
                .arg(project.sdk("python"))
                .arg("--stub-wasi")
                .arg("--output")
                .arg(&output),
        )?;
        fs::read(&output).map_err(BuildError::io(&output))
    }
}
