//! JavaScript and TypeScript: npm installs the tools that `package-lock.json` pins, the SDK's script in Node bundles
//! the project, and an engine runs the bundle in the component.

use std::fs;
use std::process::Command;

use toolbox::shell;

use super::ziglang::ZIGLANG;
use super::{BuildError, Engine, Project, Recipe, Tool, Workshop, quickjs};

/// Versions of Node before this one lack what the SDK and the tools need.
const OLDEST_NODE: u32 = 20;

/// How to get Node and npm.
const GET_NODE: &str = "install Node.js 20 or newer, with npm: https://nodejs.org; on Debian: apt-get install nodejs npm";

/// One of the two.
pub(super) enum Js {
    JavaScript,
    TypeScript,
}

impl Recipe for Js {
    fn templates(&self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &["js-common", "js"],
            Self::TypeScript => &["js-common", "ts"],
        }
    }

    fn sdk(&self) -> &'static [&'static str] {
        &[
            "adapter",
            "c/bindings",
            "c/src/memory.c",
            "js/build.mjs",
            "js/engine",
            "js/package.json",
            "js/src",
        ]
    }

    fn tests(&self) -> &'static str {
        "npm install && npm test"
    }

    fn tools(&self) -> &'static [Tool] {
        &[ZIGLANG]
    }

    fn engines(&self) -> &'static [Engine] {
        &[Engine::QuickJs, Engine::StarlingMonkey]
    }

    fn build(&self, project: &Project, workshop: &Workshop<'_>) -> Result<Vec<u8>, BuildError> {
        let node = workshop.program("node", GET_NODE)?;
        let version = shell::stdout_of(Command::new(&node).arg("--version"))?;
        if major(&version).is_none_or(|major| major < OLDEST_NODE) {
            return Err(BuildError::Missing {
                tool: format!(
                    "Node.js {OLDEST_NODE} or newer, and this is {},",
                    version.trim()
                ),
                get: GET_NODE.into(),
            });
        }
        install(project, workshop)?;
        let entry = match self {
            Self::JavaScript => "src/migration.js",
            Self::TypeScript => "src/migration.ts",
        };
        let engine = project.engine.unwrap_or(Engine::QuickJs);
        let output = project.scratch().join(match engine {
            Engine::QuickJs => "bundle.js",
            Engine::StarlingMonkey => "component.wasm",
        });
        workshop.say(&format!("building {entry} for {engine}"));
        workshop.compile(
            Command::new(node)
                .current_dir(&project.folder)
                .arg(project.sdk("js/build.mjs"))
                .arg(&project.folder)
                .args([entry, project.world.name(), &engine.to_string()])
                .arg(project.wit())
                .arg(&output),
        )?;
        match engine {
            Engine::QuickJs => quickjs::component(project, workshop, &output),
            Engine::StarlingMonkey => fs::read(&output).map_err(BuildError::io(&output)),
        }
    }
}

/// Installs what the project's lock file pins, unless that was done.
fn install(project: &Project, workshop: &Workshop<'_>) -> Result<(), BuildError> {
    let lock = project.folder.join("package-lock.json");
    let pinned = fs::read(&lock).map_err(BuildError::io(&lock))?;
    let done = project.folder.join("node_modules/.host-installed");
    if fs::read(&done).is_ok_and(|installed| installed == pinned) {
        return Ok(());
    }
    let npm = workshop.program("npm", GET_NODE)?;
    // Not `npm ci`: it wants optional packages for every platform in the lock file, and not all were published.
    // What the lock file names is installed as it is pinned, all the same. Scripts of packages are not run: none of
    // the tools needs its own.
    workshop.run(Command::new(npm).current_dir(&project.folder).args([
        "install",
        "--no-save",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]))?;
    fs::write(&done, pinned).map_err(BuildError::io(&done))
}

/// Of `v20.20.2` the 20.
fn major(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("deno 2"), None);
    }
}
