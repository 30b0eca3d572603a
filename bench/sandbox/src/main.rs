//! What the sandbox costs: the time that a transform takes for each document in it, native, and in a sandbox
//! without limits. And what a plugin costs by the size of batches: [`sizes`].
//!
//! All sides do the same batches in turns and must give the same outcomes. The sandbox's time is that of the
//! whole call: making an instance, copying the documents into it, the transform, and copying the outcomes back.

mod sizes;

use std::env;
use std::ffi::OsString;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bench_native::transform::transform;
use bench_native::{BATCH, sample};
use host::plugin::{Compiler, Fixed, Limits, Plugin, World};
use host::store::{Document, Format, Gathering, Place};
use migration_document::Outcome;

/// The host's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many batches are timed.
const BATCHES: u64 = 200;

/// How many come before, for caches to fill and processors to speed up.
const WARM_UP: u64 = 20;

/// When the migration is supposed to run.
const NOW: u64 = 1_700_000_000_000;

fn main() -> Result<()> {
    let arguments = env::args_os().skip(1).collect::<Vec<_>>();
    match &arguments[..] {
        [command, plugin, sizes @ ..] if command == "sizes" && !sizes.is_empty() => {
            let sizes: Vec<u64> = sizes.iter().map(number).collect::<Result<_>>()?;
            let times = sizes::measure(&load(plugin)?, &sizes)?;
            println!("{}", serde_json::to_string(&times)?);
            Ok(())
        }
        [plugin] => compare(plugin, BATCHES),
        [plugin, batches] => compare(plugin, number(batches)?),
        _ => bail!("Usage: bench-sandbox PLUGIN [BATCHES] | bench-sandbox sizes PLUGIN SIZE…"),
    }
}

fn number(argument: &OsString) -> Result<u64> {
    Ok(argument.to_string_lossy().parse()?)
}

fn load(plugin: &OsString) -> Result<Plugin> {
    Ok(Plugin::load(
        Path::new(plugin),
        &Limits::default(),
        &Compiler::unbounded(),
    )?)
}

/// The surroundings of its calls.
fn world(plugin: &Plugin) -> World {
    World {
        fixed: Arc::new(Fixed {
            migration: plugin.manifest.name.clone(),
            now: NOW,
            ..Fixed::default()
        }),
        reader: None,
    }
}

/// Compares a plugin with the same transform native, and with itself in a sandbox without limits.
fn compare(plugin: &OsString, batches: u64) -> Result<()> {
    let unlimited = Plugin::load_without_limits(Path::new(plugin))?;
    let plugin = load(plugin)?;
    let world = world(&plugin);
    let (mut native, mut sandbox, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for batch in 0..WARM_UP + batches {
        let documents = documents(batch * u64::from(BATCH), u64::from(BATCH))?;

        let start = Instant::now();
        let expected = documents
            .iter()
            .map(|document| {
                transform(&document.body, NOW)?
                    .map(Outcome::Edit)
                    .context("a document of the sample needs no edit")
            })
            .collect::<Result<Vec<_>>>()?;
        let native_time = start.elapsed();

        // Whoever comes second finds the documents nearer: they take turns in that, too.
        let mut times = [Duration::ZERO; 2];
        let sides = [&plugin, &unlimited];
        for side in if batch % 2 == 0 { [0, 1] } else { [1, 0] } {
            times[side] = time(sides[side], &world, &documents, &expected)?;
        }
        if batch >= WARM_UP {
            native.push(native_time);
            sandbox.push(times[0]);
            without.push(times[1]);
        }
    }
    println!(
        r#"{{"native_us":{:.3},"sandbox_us":{:.3},"without_limits_us":{:.3},"limits_ratio":{:.3}}}"#,
        per_document(&native),
        per_document(&sandbox),
        per_document(&without),
        ratio(&sandbox, &without)
    );
    Ok(())
}

/// How long a plugin takes for documents, of which it must make what is expected.
fn time(
    plugin: &Plugin,
    world: &World,
    documents: &[Document],
    expected: &[Outcome<'_>],
) -> Result<Duration> {
    let start = Instant::now();
    let mut taken = None;
    plugin.forth().call(world, documents, |outcomes| {
        let outcomes = black_box(outcomes);
        let time = start.elapsed();
        taken = (outcomes == expected).then_some(time);
    })?;
    taken.context("the plugin does something else than the native transform")
}

/// So many documents of the sample, from this one on, as a store reads them.
fn documents(first: u64, count: u64) -> Result<Vec<Document>> {
    let mut page = Gathering::default();
    for number in first..first + count {
        let place = Place::Row(i64::try_from(number)?);
        let (id, body) = (sample::key(number), sample::original(number, 0));
        page.push(&id, &body, place, Format::Plain);
    }
    Ok(page.into_documents())
}

/// The median of the times of batches, for each of its documents, in microseconds.
fn per_document(batches: &[Duration]) -> f64 {
    median(batches.iter().map(Duration::as_secs_f64)) * 1e6 / f64::from(BATCH)
}

/// How the times of the same batches compare. They were done one after the other, so that whatever else slows the
/// machine down hits both: the median of their ratios is steadier than the ratio of the medians.
fn ratio(ours: &[Duration], theirs: &[Duration]) -> f64 {
    median(
        ours.iter()
            .zip(theirs)
            .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()),
    )
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
