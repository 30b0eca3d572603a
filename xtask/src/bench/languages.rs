//! The same migration in each language, as `host new` makes it: what a document costs, and what loading it does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::competitors::{Competitor, Goal};
use super::options::Options;
use super::stores::{Original, Stores};
use super::summary::{self, Table};
use super::tools::{self, Measurement, Tools};
use super::{WARM_UP, compete};
use crate::checkout::Checkout;
use crate::shell;

/// What it is named after `--only`. It is measured only where it is named, because it installs the tools of all
/// languages.
pub const NAME: &str = "languages";

/// The script that a plugin takes the place of, and how many times its throughput the plugin's must be.
type Script = (&'static str, f64);

/// The languages. TypeScript becomes the same JavaScript.
const ALL: [(&str, Option<Script>); 7] = [
    ("rust", None),
    ("c", None),
    ("cpp", None),
    ("zig", None),
    ("go", None),
    ("js", Some(("node", 1.2))),
    ("python", Some(("python", 1.0))),
];

/// The sizes of batches by which a document's time is shown; the last is that of a run.
const SIZES: [&str; 4] = ["1", "100", "1000", "3000"];

/// A language's plugin.
struct Plugin {
    language: &'static str,
    script: Option<Script>,
    path: PathBuf,
}

/// What was measured of a language besides its runs.
struct Figures {
    bytes: u64,
    /// Microseconds for a document, by [`SIZES`].
    each: Vec<f64>,
    /// Loading it for the first time.
    compiled: Measurement,
    /// Loading it again.
    cached: Measurement,
}

/// Measures all languages that can be had: tables to be shown.
pub fn measure(
    checkout: &Checkout,
    stores: &Stores<'_>,
    tools: &Tools,
    options: &Options,
    original: &Original,
) -> Result<Vec<Table>> {
    let plugins = build(checkout, tools)?;
    let mut figures = Vec::new();
    for plugin in &plugins {
        shell::say(format_args!("Measuring {} …", plugin.language));
        let of_it = plugin.figures(stores, tools);
        figures.push(of_it.with_context(|| format!("measuring {}", plugin.language))?);
    }
    let runs = run(checkout, &plugins, stores, tools, options, original)?;
    Ok(vec![
        throughput(&plugins, &figures, &runs, original.documents),
        loading(&plugins, &figures),
    ])
}

/// Makes and builds a project in each language. Why one cannot be had, is told.
fn build(checkout: &Checkout, tools: &Tools) -> Result<Vec<Plugin>> {
    let folder = tools::folder(checkout).join(NAME);
    // The projects of another day were made of another SDK.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut plugins = Vec::new();
    for (language, script) in ALL {
        shell::say(format_args!("Building the plugin in {language} …"));
        // A Go module cannot be called `go`.
        let name = format!("in-{language}");
        let mut new = Command::new(&tools.host);
        new.current_dir(&folder)
            .args(["new", &name, "--lang", language]);
        let path = folder.join(language).with_extension("wasm");
        let mut build = Command::new(&tools.host);
        build
            .current_dir(&folder)
            .args(["build", &name, "--output"])
            .arg(&path)
            .env("HOST_TOOLS", checkout.tools());
        match shell::quietly(&mut new).and_then(|()| shell::quietly(&mut build)) {
            Ok(()) => plugins.push(Plugin {
                language,
                script,
                path,
            }),
            Err(error) => shell::say(format_args!("Going on without {language}: {error}")),
        }
    }
    Ok(plugins)
}

impl Plugin {
    fn figures(&self, stores: &Stores<'_>, tools: &Tools) -> Result<Figures> {
        let program = tools.sandbox.as_ref();
        let mut sizes = Command::new(program.context("its program was not built")?);
        let answer = tools.ask(sizes.arg("sizes").arg(&self.path).args(SIZES))?;
        let each = SIZES.iter().map(|size| tools::number(&answer, size));
        let bytes = fs::metadata(&self.path)?.len();
        let each = each.collect::<Result<_>>()?;
        let cache = stores.file("cache");
        let load = || self.load(&cache, tools);
        let compiled = load()?;
        let cached = load()?;
        // Another language would find nothing there, but a cache that is full takes its time.
        fs::remove_dir_all(&cache)?;
        Ok(Figures {
            bytes,
            each,
            compiled,
            cached,
        })
    }

    /// Has the host load it, with a cache of its own.
    fn load(&self, cache: &Path, tools: &Tools) -> Result<Measurement> {
        let mut inspect = Command::new(&tools.host);
        inspect.arg("inspect").arg(&self.path);
        tools.measure(inspect.env("XDG_CACHE_HOME", cache))
    }
}

/// How long runs took, the median of each.
struct Runs {
    /// By the script's name.
    scripts: BTreeMap<&'static str, f64>,
    /// In the order of the plugins.
    plugins: Vec<f64>,
}

/// Has the plugins, and the scripts that they are compared with, migrate the same store in turns.
fn run(
    checkout: &Checkout,
    plugins: &[Plugin],
    stores: &Stores<'_>,
    tools: &Tools,
    options: &Options,
    original: &Original,
) -> Result<Runs> {
    let scripts: Vec<Competitor> = ALL
        .iter()
        .filter_map(|(_, script)| Competitor::script(checkout, script.as_ref()?.0))
        .collect();
    let hosts: Vec<Competitor> = plugins
        .iter()
        .map(|plugin| Competitor::plugin(plugin.language, plugin.path.clone()))
        .collect();
    let all: Vec<&Competitor> = scripts.iter().chain(&hosts).collect();
    stores.make(WARM_UP)?;
    for competitor in &all {
        compete(stores, tools, competitor, WARM_UP)?;
    }
    stores.make(original.documents)?;
    let mut seconds = vec![Vec::new(); all.len()];
    for round in 1..=options.runs {
        for (competitor, seconds) in all.iter().zip(&mut seconds) {
            let taken = compete(stores, tools, competitor, original.documents)?;
            shell::say(format_args!(
                "  round {round} of {}: {} {:.2} s",
                options.runs, competitor.description, taken.seconds
            ));
            seconds.push(taken.seconds);
        }
    }
    let medians: Vec<f64> = seconds
        .iter()
        .map(|seconds| summary::median(seconds))
        .collect();
    let (of_scripts, of_plugins) = medians.split_at(scripts.len());
    Ok(Runs {
        scripts: scripts
            .iter()
            .map(|script| script.name)
            .zip(of_scripts.iter().copied())
            .collect(),
        plugins: of_plugins.to_vec(),
    })
}

/// What documents cost.
fn throughput(plugins: &[Plugin], figures: &[Figures], runs: &Runs, documents: u64) -> Table {
    let mut titles = vec![String::new()];
    titles.extend(SIZES.map(|size| format!("µs, batches of {size}")));
    titles.extend(["documents/s", "compared with the script", "goal"].map(str::to_owned));
    let mut cells = vec![titles];
    for ((plugin, figures), &seconds) in plugins.iter().zip(figures).zip(&runs.plugins) {
        let mut row = vec![plugin.language.to_owned()];
        row.extend(figures.each.iter().map(|&each| summary::three_digits(each)));
        row.push(summary::count(summary::rate(documents, seconds)));
        let (ratio, goal) = plugin
            .script
            .and_then(|(script, least)| {
                let of_script = *runs.scripts.get(script)?;
                Some(summary::compared(seconds, of_script, Goal::Faster(least)))
            })
            .unwrap_or_default();
        row.extend([ratio, goal]);
        cells.push(row);
    }
    for (script, &seconds) in &runs.scripts {
        let mut row = vec![format!("the script in {script}")];
        row.extend(SIZES.map(|_| String::new()));
        row.push(summary::count(summary::rate(documents, seconds)));
        row.extend([String::new(), String::new()]);
        cells.push(row);
    }
    Table::new(cells)
}

/// What loading costs.
fn loading(plugins: &[Plugin], figures: &[Figures]) -> Table {
    let titles = [
        "",
        "component",
        "first load",
        "memory",
        "from the cache",
        "memory",
    ];
    let mut cells = vec![titles.map(str::to_owned).to_vec()];
    for (plugin, figures) in plugins.iter().zip(figures) {
        let milliseconds =
            |taken: Measurement| format!("{} ms", summary::three_digits(taken.seconds * 1e3));
        let memory = |taken: Measurement| format!("{:.0} MB", taken.peak_bytes / 1e6);
        cells.push(vec![
            plugin.language.to_owned(),
            format!("{} KB", summary::count(figures.bytes.div_ceil(1000))),
            milliseconds(figures.compiled),
            memory(figures.compiled),
            milliseconds(figures.cached),
            memory(figures.cached),
        ]);
    }
    Table::new(cells)
}
