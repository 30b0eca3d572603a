//! The benchmark's own program, as `cargo xtask bench` calls it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;

use bench_native::check::{Expected, check};
use bench_native::{measure, peers, sample, store, writer};

const USAGE: &str = "\
Usage: bench-native COMMAND

  make STORE DOCUMENTS            makes a store with so many documents of the sample
  sample FILE DOCUMENTS           writes them as JSON lines
  check STORE DOCUMENTS original|migrated [VISITS]
                                  tells whether a store holds exactly what it should
  migrate STORE                   the migration as a program
  update STORE                    the migration as one statement
  floor STORE DOCUMENTS           only the writing
  write STORE DOCUMENTS MILLISECONDS VISITS
                                  updates a random document in each interval until standard input ends
  measure RESULT PROGRAM [ARGUMENT…]
                                  runs a program, and writes what it took to a file
  version                         tells the version of SQLite
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        bail!("a command is missing\n\n{USAGE}");
    };
    match (command.to_string_lossy().as_ref(), rest) {
        ("make", [path, documents]) => {
            let bytes = store::make(path.as_ref(), number(documents)?)?;
            answer(&json!({ "bytes": bytes }))?;
        }
        ("sample", [path, documents]) => write_sample(path.as_ref(), number(documents)?)?,
        ("check", [path, documents, expected]) => {
            check(path.as_ref(), number(documents)?, word(expected)?, &[])?;
        }
        ("check", [path, documents, expected, visits]) => {
            let visits: Vec<(u64, u32)> = serde_json::from_slice(&fs::read(visits)?)?;
            check(path.as_ref(), number(documents)?, word(expected)?, &visits)?;
        }
        ("migrate", [path]) => peers::migrate(path.as_ref())?,
        ("update", [path]) => peers::update(path.as_ref())?,
        ("floor", [path, documents]) => peers::floor(path.as_ref(), number(documents)?)?,
        ("write", [path, documents, interval, visits]) => {
            let interval = Duration::from_millis(number(interval)?);
            let (latencies, counted) =
                writer::write_until_input_ends(path.as_ref(), number(documents)?, interval)?;
            let counted: Vec<_> = counted.into_iter().collect();
            fs::write(visits, serde_json::to_vec(&counted)?)?;
            answer(&serde_json::to_value(latencies)?)?;
        }
        ("measure", [result, program, arguments @ ..]) => {
            let (status, measured) = measure::measure(Command::new(program).args(arguments))?;
            fs::write(result, serde_json::to_vec(&measured)?)?;
            // Where there is no code, a signal ended it.
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        ("version", []) => answer(&json!({ "sqlite": rusqlite::version() }))?,
        _ => bail!("no such call: {arguments:?}\n\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells a result to the calling program.
fn answer(value: &serde_json::Value) -> io::Result<()> {
    writeln!(io::stdout(), "{value}")
}

fn number(argument: &OsString) -> Result<u64> {
    let text = argument.to_string_lossy();
    text.parse()
        .map_err(|_| anyhow!("`{text}` is no whole number"))
}

fn word(argument: &OsString) -> Result<Expected> {
    match argument.to_string_lossy().as_ref() {
        "original" => Ok(Expected::Original),
        "migrated" => Ok(Expected::Migrated),
        other => bail!("`{other}` is neither `original` nor `migrated`"),
    }
}

fn write_sample(path: &Path, documents: u64) -> Result<()> {
    let file =
        fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    for number in 0..documents {
        writeln!(out, "{}", sample::original(number, 0))?;
    }
    Ok(out.flush()?)
}
