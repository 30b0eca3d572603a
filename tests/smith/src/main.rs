//! Makes sound core modules and components at random, in turns, the same ones each time.
//!
//! `smith FILE COUNT` writes them one after the other, each behind its length: four bytes, the least
//! significant first. `cargo xtask plugins` calls it for the tests of loading.

use std::env;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::{Result, bail};
use arbitrary::Unstructured;
use wasm_smith::{Component, Config, Module};

/// How many random bytes one is made of: large enough for a few functions, or types.
const SEED: usize = 1 << 10;

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args().collect();
    let [_, file, count] = &arguments[..] else {
        bail!("Usage: smith FILE COUNT");
    };
    let mut file = BufWriter::new(File::create(file)?);
    let mut random = Random(0);
    for number in 0..count.parse()? {
        let wasm = wasm(number, &mut random)?;
        file.write_all(&u32::try_from(wasm.len())?.to_le_bytes())?;
        file.write_all(&wasm)?;
    }
    file.flush()?;
    Ok(())
}

fn wasm(number: usize, random: &mut Random) -> Result<Vec<u8>> {
    let seed: Vec<u8> = random.by_ref().take(SEED).collect();
    let bytes = &mut Unstructured::new(&seed);
    // What the host's compiler has not switched on would only be refused.
    let config = Config {
        exceptions_enabled: false,
        gc_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        shared_everything_threads_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    Ok(if number.is_multiple_of(2) {
        Module::new(config, bytes)?.to_bytes()
    } else {
        Component::new(config, bytes)?.to_bytes()
    })
}

/// SplitMix64, a byte at a time.
struct Random(u64);

impl Iterator for Random {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some((mixed >> 56) as u8)
    }
}
