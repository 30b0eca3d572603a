//! The programs of the benchmark, and what can be said of the machine that they run on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::languages;
use super::options::Options;
use crate::checkout::Checkout;
use crate::shell;

/// A machine with more waiting programs than this, on average of the last minute, gives figures that say little.
const BUSY: f64 = 0.5;

/// Programs that are built for the benchmark.
pub struct Tools {
    /// The host.
    pub host: PathBuf,
    /// The benchmark's own program.
    pub native: PathBuf,
    /// The program that times a transform, if that is wanted: it takes minutes to link.
    pub sandbox: Option<PathBuf>,
    /// The host's plugin.
    pub plugin: PathBuf,
    /// Where a measurement is handed over.
    result: PathBuf,
}

/// What a program took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// From its start to its end.
    pub seconds: f64,
    /// Processor time over all threads.
    pub cpu_seconds: f64,
    /// Peak memory.
    pub peak_bytes: f64,
    /// The share of the machine's processor time that other machines on the same hardware had meanwhile; None where that
    /// is not told.
    pub stolen: Option<f64>,
}

impl Tools {
    /// Builds the programs as they are released.
    pub fn build(checkout: &Checkout, options: &Options) -> Result<Self> {
        shell::say("Building the host as it is released (the first time takes some minutes) …");
        let mut packages = vec!["host", "bench-native"];
        if options.wants("transform") || options.wants(languages::NAME) {
            packages.push("bench-sandbox");
        }
        let mut cargo = checkout.cargo();
        cargo.args([
            "build",
            "--release",
            // With the features that everything else is built with: nothing is built twice.
            "--workspace",
            "--message-format=json-render-diagnostics",
        ]);
        for package in &packages {
            cargo.args(["--bin", package]);
        }
        // What cargo is at goes to the terminal; what it has built is told on standard output.
        let output = cargo
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        ensure!(
            output.status.success(),
            "`{}` failed ({})",
            shell::as_typed(&cargo),
            output.status
        );
        let messages = String::from_utf8(output.stdout)?;
        let built = |package| {
            executable(&messages, package)?
                .with_context(|| format!("cargo built no program for the package {package}"))
        };
        let folder = folder(checkout);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self {
            host: built("host")?,
            native: built("bench-native")?,
            sandbox: executable(&messages, "bench-sandbox")?,
            plugin: checkout.plugins().join(format!("{}.wasm", super::PLUGIN)),
            result: folder.join("measurement.json"),
        })
    }

    /// Runs a program and tells what it took.
    pub fn measure(&self, command: &mut Command) -> Result<Measurement> {
        let mut measured = Command::new(&self.native);
        measured
            .arg("measure")
            .arg(&self.result)
            .arg(command.get_program())
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let before = ProcessorTime::now();
        shell::quietly(&mut measured)?;
        let stolen = before
            .zip(ProcessorTime::now())
            .and_then(|(before, after)| after.stolen_since(before));
        let measurement = Measurement::parse(&read(&self.result)?)?;
        Ok(Measurement {
            stolen,
            ..measurement
        })
    }

    /// Has the host migrate a store.
    pub fn host_run(&self, store: &Path) -> Command {
        let mut command = self.host("run", store);
        command.arg(&self.plugin);
        command
    }

    /// A command of the host for a store.
    pub fn host(&self, name: &str, store: &Path) -> Command {
        let mut command = Command::new(&self.host);
        command.arg(name).arg("--store").arg(address(store));
        command
    }

    /// Asks a program for a JSON value.
    pub fn ask(&self, command: &mut Command) -> Result<Value> {
        let answer = shell::stdout_of(command)?;
        serde_json::from_str(&answer)
            .with_context(|| format!("`{}` answered: {answer}", shell::as_typed(command)))
    }
}

impl Measurement {
    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        Ok(Self {
            seconds: number(&value, "seconds")?,
            cpu_seconds: number(&value, "cpu_seconds")?,
            peak_bytes: number(&value, "peak_bytes")?,
            stolen: None,
        })
    }
}

/// How the time of the machine's processors was spent so far, in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ProcessorTime {
    all: f64,
    stolen: f64,
}

impl ProcessorTime {
    /// None where the system does not tell.
    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line is of all processors: the time in user mode, with low priority, in the kernel, idle, waiting for a
    /// disk, in interrupts of two kinds, and stolen; guests' time behind it is counted already (`proc_stat(5)`).
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line
            .split_whitespace()
            .take(8)
            .filter_map(|ticks| ticks.parse().ok())
            .collect();
        Some(Self {
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }

    fn stolen_since(self, before: Self) -> Option<f64> {
        let all = self.all - before.all;
        (all > 0.0).then(|| (self.stolen - before.stolen) / all)
    }
}

/// A number that a program answered with.
pub fn number(answer: &Value, name: &str) -> Result<f64> {
    answer
        .get(name)
        .and_then(Value::as_f64)
        .with_context(|| format!("the answer has no number `{name}`: {answer}"))
}

/// Where the benchmark keeps its files.
pub fn folder(checkout: &Checkout) -> PathBuf {
    checkout.root().join("target/bench")
}

/// A store as the host's command line names it.
fn address(store: &Path) -> std::ffi::OsString {
    let mut address = std::ffi::OsString::from("sqlite:");
    address.push(store);
    address
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The program that cargo has built for a package, if it has, as its messages tell.
fn executable(messages: &str, package: &str) -> Result<Option<PathBuf>> {
    for message in messages.lines() {
        let message: Value = serde_json::from_str(message)
            .with_context(|| format!("cargo told something that is no message: {message}"))?;
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let path = message.get("executable").and_then(Value::as_str);
        if let Some(path) = path
            && name == Some(package)
        {
            return Ok(Some(path.into()));
        }
    }
    Ok(None)
}

/// The machine, in a few words.
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| processor(&text))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{cores} cores of {model}, {}", std::env::consts::OS)
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
}

/// Warns where other programs want the processors too.
pub fn warn_if_busy() {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|first| first.parse().ok());
    if let Some(load) = load.filter(|&load: &f64| load > BUSY) {
        shell::say(format_args!(
            "The machine is busy, or was a minute ago (load {load}): the figures will be rough"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_where_its_programs_are() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"host","kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"host","kind":["bin"]},"executable":"/t/host"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let built = executable(messages, "host").unwrap();
        assert_eq!(built.as_deref(), Some(Path::new("/t/host")));
        assert_eq!(executable(messages, "other").unwrap(), None);
        assert!(executable("warning: text", "host").is_err());
    }

    #[test]
    fn measurements_are_read() {
        let text = r#"{"seconds":1.5,"cpu_seconds":2,"peak_bytes":4096}"#;
        let read = Measurement::parse(text).unwrap();
        assert_eq!(
            (read.seconds, read.cpu_seconds, read.peak_bytes),
            (1.5, 2.0, 4096.0)
        );
        assert!(Measurement::parse(r#"{"seconds":1.5}"#).is_err());
    }

    #[test]
    fn stolen_time_is_a_share_of_all() {
        let at = |text: &str| ProcessorTime::parse(text).unwrap();
        let before = at("cpu  100 0 50 40 0 0 0 10 7 7\ncpu0 1 2 3\n");
        let after = at("cpu  130 0 60 60 10 0 5 35 9 9\n");
        assert_eq!(after.stolen_since(before), Some(0.25));
        assert_eq!(after.stolen_since(after), None);
        assert_eq!(ProcessorTime::parse("cpu  1 2 3\n"), None);
        assert_eq!(ProcessorTime::parse(""), None);
    }

    #[test]
    fn the_processor_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(processor(text).as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(processor(""), None);
    }
}
