//! Figures besides the competition.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::options::Options;
use super::stores::{Expected, Original, Stores};
use super::summary::{self, Figure, Latencies, Table};
use super::tools::{self, Tools};
use crate::shell;

/// How often the application updates a document.
const INTERVAL_MS: u64 = 5;

/// How long the application is measured with the store for itself.
const ALONE: Duration = Duration::from_secs(3);

/// How often the short runs are repeated.
const SHORT_RUNS: usize = 10;

/// Measures what is wanted: tables to be shown. The host's time for a run is what undoing one is compared with.
pub fn measure(
    stores: &Stores,
    tools: &Tools,
    options: &Options,
    original: &Original,
    host_seconds: Option<f64>,
) -> Result<Vec<Table>> {
    let bench = Bench {
        stores,
        tools,
        runs: options.runs,
        documents: original.documents,
        host_seconds,
    };
    let wants = |name| {
        let wanted = options.wants(name);
        if wanted {
            shell::say(format_args!("Measuring {name} …"));
        }
        wanted
    };
    let mut tables = Vec::new();
    let mut figures = Vec::new();
    if wants("undo") {
        figures.extend(bench.undo().context("measuring undo")?);
    }
    if wants("empty") {
        figures.extend(bench.empty().context("measuring an empty run")?);
    }
    if wants("import") {
        figures.push(bench.import().context("measuring an import")?);
    }
    if wants("transform") {
        figures.extend(bench.transform().context("measuring the transform")?);
    }
    if !figures.is_empty() {
        tables.push(Table::of_figures(&figures));
    }
    if wants("contention") {
        tables.push(bench.contention().context("measuring the contention")?);
    }
    Ok(tables)
}

struct Bench<'a> {
    stores: &'a Stores<'a>,
    tools: &'a Tools,
    runs: usize,
    documents: u64,
    host_seconds: Option<f64>,
}

impl Bench<'_> {
    /// Taking a run back.
    fn undo(&self) -> Result<Vec<Figure>> {
        let has_undo = shell::stdout_of(Command::new(&self.tools.host).args(["undo", "--help"]));
        if has_undo.is_err() {
            shell::say("  this host has no `undo`");
            return Ok(Vec::new());
        }
        let mut seconds = Vec::new();
        for _ in 0..self.runs {
            let copy = self.stores.copy()?;
            let report = self
                .tools
                .ask(self.tools.host_run(&copy).args(["--format", "json"]))?;
            let run = match report.get("run") {
                Some(Value::String(run)) => run.clone(),
                Some(Value::Number(run)) => run.to_string(),
                _ => anyhow::bail!("the report names no run: {report}"),
            };
            let undo = &mut self.tools.host("undo", &copy);
            seconds.push(self.tools.measure(undo.arg(run))?.seconds);
            self.stores
                .check(&copy, self.documents, Expected::Original)?;
        }
        let undo = summary::median(&seconds);
        let mut figures = vec![Figure::new("undoing the run", summary::seconds(undo))];
        if let Some(host) = self.host_seconds {
            let ratio = undo / host;
            figures.push(
                Figure::new("… compared with the run", summary::times(ratio))
                    .at_most(ratio, 1.0, "1"),
            );
        }
        Ok(figures)
    }

    /// A run that finds nothing to do.
    fn empty(&self) -> Result<Vec<Figure>> {
        let copy = self.stores.copy()?;
        shell::quietly(&mut self.tools.host_run(&copy))?;
        let mut seconds = Vec::new();
        for _ in 0..SHORT_RUNS {
            seconds.push(self.tools.measure(&mut self.tools.host_run(&copy))?.seconds);
        }
        let milliseconds = summary::median(&seconds) * 1e3;
        // With few documents it shows what a run costs that has none to look at.
        let few = self.empty_over_few()?;
        Ok(vec![
            Figure::new(
                "a run that finds all documents done",
                format!("{milliseconds:.0} ms"),
            ),
            Figure::new("a run over an empty table", format!("{few:.0} ms"))
                .at_most(few, 60.0, "60 ms"),
        ])
    }

    fn empty_over_few(&self) -> Result<f64> {
        let path = self.stores.empty()?;
        self.tools.ask(
            Command::new(&self.tools.native)
                .arg("make")
                .arg(&path)
                .arg("0"),
        )?;
        let mut seconds = Vec::new();
        for _ in 0..SHORT_RUNS {
            seconds.push(self.tools.measure(&mut self.tools.host_run(&path))?.seconds);
        }
        Ok(summary::median(&seconds) * 1e3)
    }

    /// `host import` of the same documents.
    fn import(&self) -> Result<Figure> {
        let sample = self.stores.file("sample.jsonl");
        shell::quietly(
            Command::new(&self.tools.native)
                .arg("sample")
                .arg(&sample)
                .arg(self.documents.to_string()),
        )?;
        let mut seconds = Vec::new();
        for _ in 0..self.runs {
            let store = self.stores.empty()?;
            let import = &mut self.tools.host("import", &store);
            import
                .args(["--table", "users", "--key", "_id"])
                .arg(&sample);
            seconds.push(self.tools.measure(import)?.seconds);
            self.stores
                .check(&store, self.documents, Expected::Original)?;
        }
        let rate = summary::rate(self.documents, summary::median(&seconds));
        Ok(Figure::new(
            "importing them from a file",
            format!("{} documents/s", summary::count(rate)),
        ))
    }

    /// One document in the sandbox, and native.
    fn transform(&self) -> Result<Vec<Figure>> {
        let program = self.tools.sandbox.as_ref();
        let program = program.context("its program was not built")?;
        let answer = self
            .tools
            .ask(Command::new(program).arg(&self.tools.plugin))?;
        let native = tools::number(&answer, "native_us")?;
        let sandbox = tools::number(&answer, "sandbox_us")?;
        let without_limits = tools::number(&answer, "without_limits_us")?;
        let ratio = sandbox / native;
        let cost = tools::number(&answer, "limits_ratio")?;
        Ok(vec![
            Figure::new(
                "transforming a document natively",
                format!("{native:.2} µs"),
            ),
            Figure::new("… in the sandbox", format!("{sandbox:.2} µs")),
            Figure::new("… compared with native", summary::times(ratio)).at_most(ratio, 1.3, "1.3"),
            Figure::new(
                "… in a sandbox without limits",
                format!("{without_limits:.2} µs"),
            ),
            Figure::new("… the limits compared with none", summary::times(cost))
                .at_most(cost, 1.1, "1.1"),
        ])
    }

    /// An application that updates a document every few milliseconds meanwhile.
    fn contention(&self) -> Result<Table> {
        let alone = self.updating(&self.stores.copy()?, |_| {
            thread::sleep(ALONE);
            Ok(())
        })?;

        let copy = self.stores.copy()?;
        let beside_host = self.updating(&copy, |store| {
            Ok(shell::quietly(&mut self.tools.host_run(store))?)
        })?;
        self.check_updates(&copy)
            .context("an update was lost beside the host")?;

        let copy = self.stores.copy()?;
        let beside_update = self.updating(&copy, |store| {
            let mut update = Command::new(&self.tools.native);
            Ok(shell::quietly(update.arg("update").arg(store))?)
        })?;
        self.check_updates(&copy)
            .context("an update was lost beside the statement")?;

        Ok(Table::of_latencies(&[
            ("alone", alone, String::new()),
            ("beside the host", beside_host, beside_host.goals()),
            ("beside the single UPDATE", beside_update, String::new()),
        ]))
    }

    /// Does something to a store while the application is at work on it. Returns how long its updates took.
    fn updating(&self, store: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<Latencies> {
        let application = Application(
            Command::new(&self.tools.native)
                .arg("write")
                .arg(store)
                .arg(self.documents.to_string())
                .arg(INTERVAL_MS.to_string())
                .arg(self.stores.file("visits.json"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start the application")?,
        );
        let answer = application.answer_after(|| work(store))?;
        Ok(Latencies {
            updates: tools::number(&answer, "updates")?,
            median_ms: tools::number(&answer, "p50_ms")?,
            p99_ms: tools::number(&answer, "p99_ms")?,
            slowest_ms: tools::number(&answer, "max_ms")?,
        })
    }

    /// Checks that every document is migrated and has every update: one that was lost would be missing.
    fn check_updates(&self, store: &Path) -> Result<()> {
        let visits = self.stores.file("visits.json");
        self.stores
            .check_with_visits(store, self.documents, &visits)
    }
}

/// The application's process, which ends when its standard input does, and so at the latest with this one.
struct Application(Child);

impl Application {
    /// Does something while it is at work, then ends it and returns what it says.
    fn answer_after(mut self, work: impl FnOnce() -> Result<()>) -> Result<Value> {
        let input = self.0.stdin.take();
        let output = self.0.stdout.take().context("it has no output")?;
        let mut lines = BufReader::new(output).lines();
        let ready = lines.next().transpose()?;
        ensure!(
            ready.as_deref() == Some("ready"),
            "the application did not start: {ready:?}"
        );
        let worked = work();
        drop(input);
        let answer = lines.next().transpose()?;
        let status = self.0.wait()?;
        worked?;
        let answer = answer.filter(|_| status.success());
        let answer = answer.with_context(|| format!("the application failed ({status})"))?;
        Ok(serde_json::from_str(&answer)?)
    }
}
