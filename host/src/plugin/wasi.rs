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

/// The packages of WASI that are there.
pub(super) const PACKAGES: [&str; 6] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

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
