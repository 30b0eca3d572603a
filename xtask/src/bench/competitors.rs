//! Who competes, and how each is started.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::options::Options;
use super::tools::{self, Tools};
use crate::checkout::Checkout;
use crate::shell;

/// One who migrates the store.
pub struct Competitor {
    /// Its name after `--only` and in the table.
    pub name: &'static str,
    /// What it is, versions included.
    pub description: String,
    /// What is reached for: how many times the host's throughput must be its own, or the most that the host
    /// may take of its time.
    pub goal: Goal,
    kind: Kind,
}

/// What the project promises of the host, compared with a competitor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Nothing.
    None,
    /// The host's throughput is at least so many times the competitor's.
    Faster(f64),
    /// The host takes at most so many times the competitor's time.
    Within(f64),
}

/// All of them, in the order of the table.
const ALL: [(&str, Goal); 6] = [
    ("host", Goal::None),
    ("node", Goal::Faster(3.0)),
    ("python", Goal::Faster(4.5)),
    ("native", Goal::None),
    ("update", Goal::Faster(1.2)),
    ("floor", Goal::Within(1.25)),
];

enum Kind {
    Host,
    /// The host, with this plugin.
    Plugin(PathBuf),
    Script {
        interpreter: PathBuf,
        script: PathBuf,
    },
    Native(&'static str),
    Floor,
}

impl Competitor {
    /// Those that are wanted and can be had. Why one cannot, is told.
    pub fn prepare(checkout: &Checkout, tools: &Tools, options: &Options) -> Result<Vec<Self>> {
        let answer = tools.ask(Command::new(&tools.native).arg("version"))?;
        let sqlite = answer["sqlite"].as_str().unwrap_or("of unknown version");
        let mut ready = Vec::new();
        for (name, goal) in ALL.into_iter().filter(|(name, _)| options.wants(name)) {
            let prepared = match name {
                "host" => host(tools, sqlite),
                "node" => node(checkout),
                "python" => python(checkout),
                name => native(name, sqlite),
            };
            ready.extend(Self::prepared(name, goal, prepared));
        }
        Ok(ready)
    }

    /// One that can be had. Why it cannot, is told.
    fn prepared(name: &'static str, goal: Goal, prepared: Result<(Kind, String)>) -> Option<Self> {
        match prepared {
            Ok((kind, description)) => Some(Self {
                name,
                description,
                goal,
                kind,
            }),
            Err(error) => {
                shell::say(format_args!("Going on without {name}: {error:#}"));
                None
            }
        }
    }

    /// One of the scripts, by its name in the table; None where it cannot be had, and why is told.
    pub fn script(checkout: &Checkout, name: &'static str) -> Option<Self> {
        let prepared = match name {
            "node" => node(checkout),
            _ => python(checkout),
        };
        Self::prepared(name, Goal::None, prepared)
    }

    /// The host, with a plugin in this language.
    pub fn plugin(language: &'static str, plugin: PathBuf) -> Self {
        Self {
            name: language,
            description: format!("`host run` with a plugin in {language}"),
            goal: Goal::None,
            kind: Kind::Plugin(plugin),
        }
    }

    /// Whether it is the one that the others are compared with.
    pub fn is_host(&self) -> bool {
        matches!(self.kind, Kind::Host)
    }

    /// What migrates a store.
    pub fn command(&self, tools: &Tools, store: &Path, documents: u64) -> Command {
        let mut command;
        match &self.kind {
            Kind::Host => command = tools.host_run(store),
            Kind::Plugin(plugin) => {
                command = tools.host("run", store);
                command.arg(plugin);
            }
            Kind::Script {
                interpreter,
                script,
            } => {
                command = Command::new(interpreter);
                command.arg(script).arg(store);
            }
            Kind::Native(name) => {
                command = Command::new(&tools.native);
                command.arg(name).arg(store);
            }
            Kind::Floor => {
                command = Command::new(&tools.native);
                command.arg("floor").arg(store).arg(documents.to_string());
            }
        }
        command
    }
}

fn host(tools: &Tools, sqlite: &str) -> Result<(Kind, String)> {
    let version = shell::stdout_of(Command::new(&tools.host).arg("--version"))?;
    let description = format!(
        "`host run plugin.wasm` with default settings; {}, SQLite {sqlite}",
        version.trim_end()
    );
    Ok((Kind::Host, description))
}

fn native(name: &str, sqlite: &str) -> Result<(Kind, String)> {
    let (kind, what) = match name {
        "native" => (
            Kind::Native("migrate"),
            "a Rust program without sandbox, undo log and ledger, on one thread",
        ),
        "update" => (Kind::Native("update"), "one `UPDATE … json_set` statement"),
        "floor" => (
            Kind::Floor,
            "only the writing: values known beforehand, by rowid, in the same batches",
        ),
        other => bail!("nobody is called {other}"),
    };
    Ok((kind, format!("{what}; SQLite {sqlite}")))
}

fn script(checkout: &Checkout, path: &str) -> PathBuf {
    checkout.root().join("bench/peers").join(path)
}

/// A program on PATH, as it calls itself: what is on PATH may be a script that chooses between versions, and
/// takes its time for that.
fn interpreter(name: &str, itself: &[&str]) -> Result<PathBuf> {
    let program =
        shell::find_program(name).with_context(|| format!("there is no {name} on PATH"))?;
    let path = shell::stdout_of(Command::new(program).args(itself))?;
    Ok(PathBuf::from(path.trim_end()))
}

fn python(checkout: &Checkout) -> Result<(Kind, String)> {
    let interpreter = interpreter("python3", &["-c", "import sys; print(sys.executable)"])?;
    let versions = shell::stdout_of(Command::new(&interpreter).args([
        "-c",
        "import platform, sqlite3; print(platform.python_version(), sqlite3.sqlite_version)",
    ]))?;
    let (python, sqlite) = two_words(&versions)?;
    Ok((
        Kind::Script {
            interpreter,
            script: script(checkout, "python/migrate.py"),
        },
        format!("Python {python} with its own `sqlite3`; SQLite {sqlite}"),
    ))
}

fn node(checkout: &Checkout) -> Result<(Kind, String)> {
    let interpreter = interpreter("node", &["-p", "process.execPath"])?;
    let home = install_node_packages(checkout, &interpreter)?;
    let versions = versions_of_node(&interpreter, &home)?;
    let (sqlite, package) = two_words(&versions)?;
    let node = shell::stdout_of(Command::new(&interpreter).arg("--version"))?;
    Ok((
        Kind::Script {
            interpreter,
            script: home.join("migrate.mjs"),
        },
        format!(
            "Node {} with better-sqlite3 {package}; SQLite {sqlite}",
            node.trim().trim_start_matches('v')
        ),
    ))
}

/// Asks the installed package for the versions of SQLite and of itself; fails where it does not work.
fn versions_of_node(interpreter: &Path, home: &Path) -> shell::Result<String> {
    shell::stdout_of(Command::new(interpreter).current_dir(home).args([
        "-p",
        r#"const name = "better-sqlite3";
           const db = new (require(name))(":memory:");
           const sqlite = db.prepare("SELECT sqlite_version()").pluck().get();
           `${sqlite} ${require(name + "/package.json").version}`"#,
    ]))
}

/// Installs what the script needs, unless it is there. Returns the folder of the script and its packages, which
/// must be together: a module's packages are looked for from where it is.
fn install_node_packages(checkout: &Checkout, interpreter: &Path) -> Result<PathBuf> {
    const LOCK: &str = "package-lock.json";
    let source = script(checkout, "node");
    let home = tools::folder(checkout).join("node");
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let is_current = fs::read(source.join(LOCK)).ok() == fs::read(home.join(LOCK)).ok();
    for file in ["package.json", LOCK, "migrate.mjs"] {
        fs::copy(source.join(file), home.join(file))
            .with_context(|| format!("cannot copy {file} to {}", home.display()))?;
    }
    if is_current && versions_of_node(interpreter, &home).is_ok() {
        return Ok(home);
    }
    let Some(npm) = shell::find_program("npm") else {
        bail!("there is no npm on PATH");
    };
    shell::say(format_args!(
        "Installing better-sqlite3 in {} with npm (it may have to be compiled) …",
        checkout.relative(&home)
    ));
    let mut install = Command::new(npm);
    install
        .current_dir(&home)
        .args(["ci", "--no-audit", "--no-fund"]);
    // The package brings no binary. It is compiled here where Node's headers are at hand, and else downloaded.
    if let Some(prefix) = headers(interpreter) {
        install
            .env("npm_config_nodedir", prefix)
            .env("npm_config_build_from_source", "true");
    }
    let installed =
        shell::quietly(&mut install).and_then(|()| versions_of_node(interpreter, &home).map(drop));
    if installed.is_err() {
        // Or the next call would take it for current.
        let _ = fs::remove_file(home.join(LOCK));
    }
    installed?;
    Ok(home)
}

/// Where Node's headers are installed beside it, the folder that holds them and Node itself.
fn headers(interpreter: &Path) -> Option<PathBuf> {
    if env::var_os("npm_config_nodedir").is_some() {
        return None;
    }
    let prefix = interpreter.parent()?.parent()?;
    let is_there = prefix.join("include/node/node.h").is_file();
    is_there.then(|| prefix.to_path_buf())
}

fn two_words(text: &str) -> Result<(&str, &str)> {
    text.trim_end()
        .split_once(' ')
        .with_context(|| format!("expected two words: {text}"))
}
