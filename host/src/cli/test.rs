//! `host test`: a plugin tried on its author's cases, without a database.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use migration_document::case::{self, Case, CaseFile, Mismatch};
use serde_json::{Value, json};

use super::cache::CacheArguments;
use super::figures;
use super::progress::Description;
use super::show::{counted, safe, short, write_json};
use super::tables::Format;
use super::{CommandError, Ending, HELP};
use crate::config::File;
use crate::draft;
use crate::engine::trial::cases::{Problem, Tried, try_cases};
use crate::plugin::gauge::Unit;
use crate::plugin::{LimitSettings, Secrets};

/// Where cases are looked for where nothing else is said.
const CASES: [&str; 2] = ["cases.jsonl", "cases"];

/// Tries a plugin on cases, without a database
///
/// A case has a document, and what is expected of it. Besides, each is tried again, alone and in a batch with others, where
/// the outcome must be the same; and the migration is applied to its own result, which must rest.
/// docs/testing.md says how cases are written.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host test plugin.wasm                         cases.jsonl, or the folder cases
  host test plugin.wasm cases/names.jsonl
  host test plugin.wasm --update                write what came out into the cases",
    after_help = "Exit status:
  0  all cases hold
  1  the command could not do its work
  2  wrong usage
  3  some cases do not hold",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The plugin, a WebAssembly component
    plugin: PathBuf,

    /// A file of cases, one a line, or a folder of such files [default: cases.jsonl, or cases]
    cases: Option<PathBuf>,

    /// Writes what came out into the cases, as what is expected
    #[arg(long)]
    update: bool,

    /// How to show what came out
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    limits: LimitSettings,
}

/// A case, where it stands, and what came of it.
struct Tested<'c> {
    file: &'c Path,
    case: &'c Case,
    tried: &'c Tried,
    updated: bool,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let files = case::read(&self.path()?).map_err(|error| {
            CommandError::new(error).hint("docs/testing.md says how cases are written")
        })?;
        let plugin = self.cache.load(&self.plugin, &self.limits, file)?;
        let cases: Vec<_> = files.iter().flat_map(|file| &file.cases).collect();
        let all = try_cases(&plugin, &cases);
        let mut tried = all.iter();
        let mut results = Vec::new();
        for file in &files {
            let of_file: Vec<_> = file.cases.iter().zip(&mut tried).collect();
            let updates = |case: &Case, tried: &Tried| {
                self.update
                    && tried.came_out.is_some()
                    && (case.expect.is_none() || !tried.mismatches.is_empty())
            };
            results.extend(of_file.iter().map(|(case, tried)| Tested {
                file: &file.path,
                case,
                tried,
                updated: updates(case, tried),
            }));
            update(file, &of_file, updates)?;
        }
        let holding = results.iter().filter(|result| result.holds()).count();
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => {
                let shown: Vec<_> = results.iter().map(Tested::json).collect();
                write_json(
                    &mut stdout,
                    &json!({"cases": shown, "total": results.len(), "holding": holding}),
                )?;
            }
            Format::Text => {
                let width = results.iter().map(|result| result.name().chars().count());
                let width = width.max().unwrap_or(0).min(60);
                for result in &results {
                    stdout.write_all(result.text(width).as_bytes())?;
                }
                let total = counted(results.len() as u64, "case");
                match results.len() - holding {
                    0 => writeln!(stdout, "{total}: all hold")?,
                    failed => writeln!(stdout, "{total}: {holding} hold, {failed} do not")?,
                }
            }
        }
        Ok(if holding == results.len() {
            Ending::Done
        } else {
            Ending::SomeFailed
        })
    }

    fn path(&self) -> Result<PathBuf, CommandError> {
        let found = || CASES.iter().map(PathBuf::from).find(|path| path.exists());
        self.cases.clone().or_else(found).ok_or_else(|| {
            CommandError::usage("there are no cases here: neither `cases.jsonl` nor a folder `cases`")
                .hint("write one, such as {\"document\": {\"email\": \"a@b\"}}, and --update adds what comes out; or name the file")
        })
    }
}

/// Writes what came out of some of a file's cases into it.
fn update(
    file: &CaseFile,
    tried: &[(&Case, &Tried)],
    updates: impl Fn(&Case, &Tried) -> bool,
) -> Result<(), CommandError> {
    let came_out: Vec<_> = tried
        .iter()
        .map(|(case, tried)| {
            let came_out = tried.came_out.clone();
            came_out.filter(|_| updates(case, tried))
        })
        .collect();
    if came_out.iter().all(Option::is_none) {
        return Ok(());
    }
    let path = file.path.display();
    let text = file.updated(&came_out).map_err(|error| {
        CommandError::new(format!(
            "what came out cannot be written into {path}: {error}"
        ))
    })?;
    draft::replace(&file.path, text)
        .map_err(|error| CommandError::new(format!("{path} cannot be written: {error}")))
}

impl Tested<'_> {
    fn holds(&self) -> bool {
        self.tried.problems.is_empty()
            && (self.updated || self.case.expect.is_some() && self.tried.mismatches.is_empty())
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.case.line)
    }

    fn name(&self) -> String {
        let name = self.case.name.clone();
        name.unwrap_or_else(|| self.place())
    }

    /// What came of it, in lines.
    fn text(&self, width: usize) -> String {
        let name = self.name();
        let name = safe(&name);
        let word = match (self.holds(), self.updated) {
            (true, false) => console::style("ok    ").green(),
            (true, true) => console::style("wrote ").cyan(),
            (false, _) => console::style("FAIL  ").red(),
        };
        let mut text = format!("{word}{name:width$}{}", self.cost());
        text.truncate(text.trim_end().len());
        text.push('\n');
        if self.holds() {
            return text;
        }
        if self.case.name.is_some() {
            text.push_str(&format!("      at {}\n", safe(&self.place())));
        }
        for line in self.complaints() {
            text.push_str(&format!("      {line}\n"));
        }
        text
    }

    /// What the plugin's call took; nothing where it was not called.
    fn cost(&self) -> String {
        let measured = &self.tried.measured;
        if measured.time.is_zero() {
            return String::new();
        }
        let memory = measured.usage.instance_memory.0;
        format!(
            "  {:>9}  {:>10}  {}",
            figures::amount(Unit::Nanoseconds, nanoseconds(self.tried)),
            figures::amount(Unit::Bytes, memory),
            figures::nearest(&self.tried.limits),
        )
    }

    fn complaints(&self) -> Vec<String> {
        // Secrets of cases stand in the cases, for all to see.
        let secrets = Secrets::default();
        let shown = Description(&secrets);
        let mut lines = Vec::new();
        if let (None, Some(came_out), false) =
            (&self.case.expect, &self.tried.came_out, self.updated)
        {
            let found = self.case.expectation(came_out);
            lines.push("it expects nothing yet; --update writes what came out:".into());
            lines.push(shown.added("", &found).trim_start().to_owned());
        }
        if !self.updated {
            for mismatch in &self.tried.mismatches {
                lines.push(format!(
                    "{}: {} is not what was expected:",
                    safe(&mismatch.id),
                    safe(&mismatch.what)
                ));
                lines.extend(expected_and_found(mismatch, &shown));
            }
        }
        for Problem { id, what, changes } in &self.tried.problems {
            let about = id
                .as_ref()
                .map_or(String::new(), |id| format!("{}: ", safe(id)));
            lines.push(format!("{about}{}", safe(&short(what, 1_000))));
            for change in changes {
                lines.extend(
                    shown
                        .of(&change.lend())
                        .lines()
                        .map(|line| format!("  {line}")),
                );
            }
        }
        lines
    }

    fn json(&self) -> Value {
        let Self { case, tried, .. } = self;
        let mismatch = |mismatch: &Mismatch| {
            json!({
                "id": mismatch.id,
                "what": mismatch.what,
                "expected": mismatch.expected,
                "found": mismatch.found,
            })
        };
        let problem = |problem: &Problem| json!({"id": problem.id, "what": problem.what, "changes": problem.changes});
        json!({
            "name": self.name(),
            "file": self.file.display().to_string(),
            "line": case.line,
            "holds": self.holds(),
            "updated": self.updated,
            "found": tried.came_out.as_ref().map(|came_out| case.expectation(came_out)),
            "mismatches": tried.mismatches.iter().map(mismatch).collect::<Vec<_>>(),
            "problems": tried.problems.iter().map(problem).collect::<Vec<_>>(),
            "nanoseconds": nanoseconds(tried),
            "limits": figures::json(&tried.limits),
        })
    }
}

fn nanoseconds(tried: &Tried) -> u64 {
    u64::try_from(tried.measured.time.as_nanos()).unwrap_or(u64::MAX)
}

/// What was expected and what came out, where they differ; both as a whole where they differ by nothing but the
/// order of members or the spelling of numbers.
fn expected_and_found(mismatch: &Mismatch, shown: &Description<'_>) -> Vec<String> {
    let is_object = |text: &str| text.trim_start().starts_with('{');
    let mut lines = String::new();
    if is_object(&mismatch.expected) && is_object(&mismatch.found) && mismatch.what != "the outcome"
    {
        lines = shown.difference(&mismatch.expected, &mismatch.found);
    }
    if lines.is_empty() {
        lines = format!(
            "{}\n{}",
            shown.removed("", &mismatch.expected),
            shown.added("", &mismatch.found)
        );
    }
    lines
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}
