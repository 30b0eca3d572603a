//! `cargo xtask bench`: the host against what one would write in its place, and the figures that the project
//! promises. `docs/performance.md` explains what is measured, and why so.
//!
//! Every competitor gets a copy of the same store, they take turns, and each store is checked byte for byte
//! when one is done with it. The programs that do this are `bench/native` and `bench/sandbox`; they are not
//! part of xtask because they need SQLite and the host.

mod competitors;
mod extras;
mod languages;
mod options;
mod stores;
mod summary;
mod tools;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::plugins;
use crate::shell;
use competitors::Competitor;
use options::Options;
use stores::{Expected, Stores};
use summary::{Row, Table};
use tools::{Measurement, Tools};

/// The migration that everyone does.
const PLUGIN: &str = "backfill-display-names";

/// How many documents each competitor migrates before anything is measured: enough for several batches.
const WARM_UP: u64 = 2500;

/// Runs `cargo xtask bench [OPTIONS]`.
pub fn run(checkout: &Checkout, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    plugins::build(checkout, &[PLUGIN.to_owned()])?;
    let tools = Tools::build(checkout, &options)?;
    let competitors = Competitor::prepare(checkout, &tools, &options)?;
    tools::warn_if_busy();

    let stores = Stores::new(checkout, &tools)?;
    warm_up(&stores, &tools, &competitors)?;
    let original = stores.make(options.documents)?;
    println!(
        "{} documents of {} bytes. {}. {}.\n",
        summary::count(options.documents),
        original.bytes / options.documents,
        match options.runs {
            1 => "One run".to_owned(),
            runs => format!("Medians of {runs} runs"),
        },
        tools::machine()
    );

    let mut measured: Vec<Vec<Measurement>> = competitors.iter().map(|_| Vec::new()).collect();
    for round in 1..=options.runs {
        // In turns, so that whatever else slows the machine down for a while does not hit one alone.
        for (competitor, measured) in competitors.iter().zip(&mut measured) {
            let taken = compete(&stores, &tools, competitor, original.documents)?;
            shell::say(format_args!(
                "  round {round} of {}: {} {:.2} s",
                options.runs, competitor.name, taken.seconds
            ));
            measured.push(taken);
        }
    }
    let rows: Vec<Row> = competitors
        .iter()
        .zip(&measured)
        .map(|(competitor, measured)| Row::new(competitor, measured))
        .collect();
    if !rows.is_empty() {
        println!("{}", Table::of_competitors(&rows, options.documents));
        for competitor in &competitors {
            println!("- {}: {}", competitor.name, competitor.description);
        }
        println!();
    }
    let host_seconds = rows.iter().find(|row| row.is_host()).map(Row::seconds);
    for table in extras::measure(&stores, &tools, &options, &original, host_seconds)? {
        println!("{table}");
    }
    if options.wants(languages::NAME) {
        for table in languages::measure(checkout, &stores, &tools, &options, &original)? {
            println!("{table}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Has every competitor migrate a few documents: a mistake shows now, and not after minutes, and what is read
/// for the first time is read now.
fn warm_up(stores: &Stores, tools: &Tools, competitors: &[Competitor]) -> Result<()> {
    if competitors.is_empty() {
        return Ok(());
    }
    stores.make(WARM_UP)?;
    for competitor in competitors {
        compete(stores, tools, competitor, WARM_UP)?;
    }
    Ok(())
}

/// Has a competitor migrate a copy of the store, and checks what it did.
fn compete(
    stores: &Stores,
    tools: &Tools,
    competitor: &Competitor,
    documents: u64,
) -> Result<Measurement> {
    let copy = stores.copy()?;
    let taken = tools
        .measure(&mut competitor.command(tools, &copy, documents))
        .with_context(|| format!("the competitor `{}`", competitor.name))?;
    stores
        .check(&copy, documents, Expected::Migrated)
        .with_context(|| format!("what the competitor `{}` leaves", competitor.name))?;
    Ok(taken)
}
