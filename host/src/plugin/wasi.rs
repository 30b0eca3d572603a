//! The WASI that guests get which import it: there is nothing in it.
//!
//! No files, no network, no environment, no arguments; input is at its end and output goes nowhere. The
//! clocks stand at the run's `now`, random numbers come from the migration's name, and nobody can sleep.
//! Guests made by Rust's `wasm32-wasip2` import WASI whether they use it or not.

use std::time::Duration;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use super::guest::Guest;

/// The interfaces of WASI that are there, in any version 0.2.
const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether there is an interface of this name, which its version is a part of.
pub(super) fn has(name: &str) -> bool {
    name.split_once('@').is_some_and(|(interface, version)| {
        version.starts_with("0.2.") && INTERFACES.contains(&interface)
    })
}

/// A clock that stands still.
struct Stopped {
    now: Duration,
}

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.now
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

/// The context of one instance.
pub(super) fn context(now: u64, seed: &str) -> WasiCtx {
    let bytes = || Deterministic::new(seed.bytes().chain([0x5e]).collect());
    WasiCtx::builder()
        .wall_clock(Stopped {
            now: Duration::from_millis(now),
        })
        .monotonic_clock(Stopped {
            now: Duration::ZERO,
        })
        .secure_random(bytes())
        .insecure_random(bytes())
        .insecure_random_seed(0)
        .max_random_size(1 << 20)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Links WASI, and takes sleeping out of it: time spent in the host is hidden from the guest's deadline.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    let refusal = || wasmtime::Error::msg("the plugin tried to wait, and plugins cannot");
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.func_wrap(
        "poll",
        move |_, (_pollables,): (Vec<Resource<DynPollable>>,)| -> wasmtime::Result<(Vec<u32>,)> {
            Err(refusal())
        },
    )?;
    poll.func_wrap(
        "[method]pollable.block",
        move |_, (_pollable,): (Resource<DynPollable>,)| -> wasmtime::Result<()> { Err(refusal()) },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
