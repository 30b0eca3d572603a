//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, on the stable compiler.
//!
//! LLVM puts the marks in by which libFuzzer sees what an input reaches. Only the workspace's own crates get them:
//! cargo has this program stand before the compiler for those, and what they depend on is taken as it was built for
//! everything else. So the first run compiles the host once more, and nothing of what it stands on. libFuzzer itself
//! is built apart, in `fuzz/engine`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::shell;

/// Set where this program stands before the compiler: where libFuzzer is.
const ENGINE: &str = "XTASK_FUZZ_ENGINE";

/// How long each target runs if nothing is said.
const TIME: Duration = Duration::from_secs(60);

/// What has LLVM put the marks in.
const MARKS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Runs `cargo xtask fuzz [TARGET…] [--time TIME]`.
pub fn run(checkout: &Checkout, arguments: &[String]) -> Result<ExitCode> {
    let kept = checkout.root().join("fuzz/corpus");
    let known = targets(&kept)?;
    let (named, time) = parse(arguments)?;
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no target `{unknown}`; there are {}",
            known.join(", ")
        );
    }
    let engine = engine(checkout)?;
    for target in if named.is_empty() { &known } else { &named } {
        let found = checkout.root().join("target/fuzz").join(target);
        fs::create_dir_all(found.join("corpus"))
            .with_context(|| format!("cannot make {}", found.display()))?;
        let mut fuzzer = checkout.cargo();
        fuzzer
            .args(["run", "--quiet", "-p", "fuzz", "--features", "libfuzzer"])
            .args(["--bin", "fuzz", "--"])
            .arg(format!("-max_total_time={}", time.as_secs()))
            .arg(prefixed("-artifact_prefix=", found.join("found-")))
            .args(["-print_final_stats=1", "-timeout=30", "-max_len=2048"])
            // What is found anew goes to the first; the second is the kept one.
            .arg(found.join("corpus"))
            .arg(kept.join(target))
            .env("FUZZ_TARGET", target)
            .env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?)
            .env(ENGINE, &engine);
        shell::say(format_args!("Fuzzing {target} for {time:?} …"));
        let status = shell::show(&mut fuzzer)?;
        if !status.success() {
            shell::say(format_args!(
                "`{target}` failed. What made it fail is in {}; beside the others in fuzz/corpus/{target} it is \
                 a test from now on.",
                checkout.relative(&found)
            ));
            return Ok(shell::exit_code(status));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds libFuzzer, and returns where it is.
fn engine(checkout: &Checkout) -> Result<PathBuf> {
    let target = checkout.root().join("target/fuzz/engine");
    let mut build = checkout.cargo();
    build
        .args([
            "build",
            "--release",
            "--message-format=json",
            "--manifest-path",
        ])
        .arg(checkout.root().join("fuzz/engine/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    let said = shell::stdout_of(&mut build).context("libFuzzer needs a C++ compiler")?;
    // Of several builds that lie there, cargo names the one that holds.
    said.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "build-script-executed")
        .filter_map(|message| Some(Path::new(message["out_dir"].as_str()?).join("libfuzzer.a")))
        .find(|library| library.is_file())
        .with_context(|| format!("no libFuzzer in {}", target.display()))
}

/// The targets: each has a kept corpus.
fn targets(corpus: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in
        fs::read_dir(corpus).with_context(|| format!("cannot read {}", corpus.display()))?
    {
        names.push(folder?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The named targets, and how long each is to run.
fn parse(arguments: &[String]) -> Result<(Vec<String>, Duration)> {
    let (mut targets, mut time) = (Vec::new(), TIME);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--time" => {
                let value = arguments.next().context("--time needs a time, as 10m")?;
                time = seconds(value)
                    .with_context(|| format!("`{value}` is no time; write 90s, 10m or 2h"))?;
            }
            flag if flag.starts_with('-') => {
                bail!("there is no flag `{flag}`; there is --time")
            }
            target => targets.push(target.to_owned()),
        }
    }
    Ok((targets, time))
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match text.get(number.len()..)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .map(Duration::from_secs)
}

fn prefixed(prefix: &str, path: impl AsRef<OsStr>) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}

/// Whether this program was started in the compiler's place.
pub fn stands_before_rustc() -> bool {
    env::var_os(ENGINE).is_some()
}

/// Compiles what cargo wants compiled, with the marks.
///
/// # Errors
/// If the compiler cannot be started.
pub fn rustc() -> Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let compiler = arguments.next().context("no compiler was named")?;
    let arguments: Vec<_> = arguments.collect();
    let mut rustc = Command::new(compiler);
    rustc.args(&arguments);
    if is_marked(&arguments) {
        rustc.args(MARKS);
    }
    if is_fuzzer(&arguments)
        && let Some(engine) = env::var_os(ENGINE)
    {
        rustc.arg(prefixed("-Clink-arg=", engine));
        rustc.arg("-Clink-arg=-lstdc++");
    }
    Ok(shell::exit_code(shell::show(&mut rustc)?))
}

/// What follows a flag.
fn after<'a>(arguments: &'a [OsString], flag: &str) -> Option<&'a OsStr> {
    let place = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(place + 1).map(OsString::as_os_str)
}

/// Whether it is the program that libFuzzer becomes part of.
fn is_fuzzer(arguments: &[OsString]) -> bool {
    after(arguments, "--crate-name") == Some(OsStr::new("fuzz"))
        && after(arguments, "--crate-type") == Some(OsStr::new("bin"))
}

/// Whether a crate gets the marks: what runs while others are built has nobody who knows them.
fn is_marked(arguments: &[OsString]) -> bool {
    let name = after(arguments, "--crate-name");
    let runs_early = name.is_some_and(|name| name.to_string_lossy().starts_with("build_script_"))
        || after(arguments, "--crate-type") == Some(OsStr::new("proc-macro"));
    // Cargo asks the compiler about itself by compiling nothing, under a name that is none.
    name.is_some_and(|name| name != "___") && !runs_early
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn targets_and_times_are_told_apart() {
        let (targets, time) = parse(&words("edits --time 10m json")).unwrap();
        assert_eq!(targets, ["edits", "json"]);
        assert_eq!(time, Duration::from_secs(600));
        assert_eq!(parse(&[]).unwrap(), (vec![], TIME));
        for wrong in ["--time", "--time 10x", "--time m", "--runs 3"] {
            assert!(parse(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_runs_while_others_are_built_has_no_marks() {
        let marked = |line: &str| {
            is_marked(
                &words(line)
                    .into_iter()
                    .map(OsString::from)
                    .collect::<Vec<_>>(),
            )
        };
        assert!(marked("--crate-name fuzz --crate-type bin"));
        assert!(marked("--crate-name host --crate-type lib"));
        assert!(!marked("--crate-name build_script_build --crate-type bin"));
        assert!(!marked("--crate-name derive --crate-type proc-macro"));
        assert!(!marked("--crate-name ___ --print=file-names"));
        assert!(!marked("-vV"));
    }
}
