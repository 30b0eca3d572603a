//! What a process may take that runs a hostile plugin: at most twice the plugin's limits, besides what a harmless
//! one takes.
//!
//! The limits are small here, so that this means something. Processor time is what is compared, not the clock's:
//! it does not depend on what else the machine does.

use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use host::plugin::Limits;
use host::plugin::limits::{Size, Time};

use super::guest::Guest;
use crate::common::process::{Used, inherited, measured};
use crate::common::{Lab, Ran, STORE};

/// The limits, unless a test's flags or its own `host.toml` set others.
const LIMITS: &str = r#"
[limits]
instance-memory = "32MiB"
returned-bytes = "16MiB"
lookup-bytes = "8MiB"
batch-time = "1s"
document-time = "500ms"
"#;

/// Runs `host`, which must not take more than twice what the limits allow.
#[track_caller]
pub fn host(lab: &Lab, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    if !lab.path("host.toml").exists() {
        lab.write("host.toml", LIMITS);
    }
    let mut command = lab.command(arguments);
    command.envs(variables.iter().copied());
    let (output, used) = measured(command);
    let ran = lab.ran(output);
    let most = most(arguments);
    assert!(
        used.processor <= most.processor && used.memory <= most.memory,
        "it took {used:?}, and at most it may take {most:?}:\n{ran}"
    );
    ran
}

/// What a run with these flags may take.
fn most(arguments: &[&str]) -> Used {
    let harmless = harmless();
    let sizes = [
        size(arguments, "--instance-memory", 32 << 20),
        size(arguments, "--returned-bytes", 16 << 20),
        size(arguments, "--lookup-bytes", 8 << 20),
    ];
    // The batch is called, and then the document to blame alone.
    let times = [
        time(arguments, "--batch-time", 1_000),
        time(arguments, "--document-time", 500),
    ];
    let compiling = compiling(arguments);
    let running = harmless.memory.max(inherited()) + 2 * sizes.iter().sum::<usize>();
    Used {
        // How long the same work takes a processor depends on what else it does.
        processor: 2 * (harmless.processor + compiling.processor + times.iter().sum::<Duration>()),
        // It is another process that compiles.
        memory: running.max(2 * compiling.memory),
    }
}

/// What compiling may take, where a test is about that; elsewhere it is as harmless as the plugin that is.
fn compiling(arguments: &[&str]) -> Used {
    let flags = ["--compile-time", "--compile-memory"];
    if !arguments.iter().any(|argument| flags.contains(argument)) {
        return Used {
            processor: Duration::ZERO,
            memory: 0,
        };
    }
    let limits = Limits::default();
    Used {
        processor: value::<Time>(arguments, flags[0]).map_or(limits.compile_time.0, |time| time.0),
        memory: size(arguments, flags[1], limits.compile_memory.0),
    }
}

fn size(arguments: &[&str], flag: &str, default: usize) -> usize {
    value::<Size>(arguments, flag).map_or(default, |size| size.0)
}

fn time(arguments: &[&str], flag: &str, default: u64) -> Duration {
    value::<Time>(arguments, flag).map_or(Duration::from_millis(default), |time| time.0)
}

fn value<T: FromStr>(arguments: &[&str], flag: &str) -> Option<T> {
    let place = arguments.iter().position(|argument| *argument == flag)?;
    arguments.get(place + 1)?.parse().ok()
}

/// What a plugin takes that does no harm, and that was never compiled before.
fn harmless() -> Used {
    static HARMLESS: OnceLock<Used> = OnceLock::new();
    *HARMLESS.get_or_init(|| {
        let lab = Lab::with_things([("a", "{}"), ("b", "{}"), ("z", "{}")]);
        let plugin = Guest::default().put_into(&lab);
        let mut command = lab.command(&["run", plugin, "--store", STORE]);
        command.env("XDG_CACHE_HOME", lab.path("cache"));
        let (output, used) = measured(command);
        lab.ran(output).success();
        used
    })
}
