//! Components at random against loading: good ones with something changed, and such as `tests/smith` makes.
//! Each is either a plugin or refused; nothing ends the process that loads it, and no message is a flood.

use std::fs;

use host::plugin::{Compiler, Limits, Plugin};
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use super::guest::{Guest, SHORT};
use crate::common::{Lab, made_at_random};

/// What is changed in a component's bytes.
#[derive(Debug, Clone)]
enum Mutation {
    /// A byte becomes another one.
    Set(Index, u8),
    /// A bit is turned over.
    Flip(Index, u8),
    /// Bytes are gone.
    Remove(Index, usize),
    /// Bytes stand elsewhere, too.
    Copy(Index, Index, usize),
    /// A number becomes as large as five bytes can say.
    Swell(Index),
    /// It ends there.
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        6 => (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        2 => (at(), 1..20_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        2 => (at(), at(), 1..200_usize).prop_map(|(from, to, length)| Mutation::Copy(from, to, length)),
        2 => at().prop_map(Mutation::Swell),
        1 => at().prop_map(Mutation::Cut),
    ]
}

impl Mutation {
    fn change(&self, bytes: &mut Vec<u8>) {
        let size = bytes.len();
        if size == 0 {
            return;
        }
        match self {
            Self::Set(at, byte) => bytes[at.index(size)] = *byte,
            Self::Flip(at, bit) => bytes[at.index(size)] ^= 1 << bit,
            Self::Remove(at, length) => {
                let at = at.index(size);
                bytes.drain(at..size.min(at + length));
            }
            Self::Copy(from, to, length) => {
                let from = from.index(size);
                let copied = bytes[from..size.min(from + length)].to_vec();
                let to = to.index(size);
                bytes.splice(to..to, copied);
            }
            Self::Swell(at) => {
                let at = at.index(size);
                bytes.splice(at..=at, [0xff, 0xff, 0xff, 0xff, 0x0f]);
            }
            Self::Cut(at) => bytes.truncate(at.index(size)),
        }
    }
}

fn mutant(mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = Guest::default().component();
    for mutation in mutations {
        mutation.change(&mut bytes);
    }
    bytes
}

/// Loads bytes in this process. Returns whether they are a plugin.
fn load(folder: &TempDir, bytes: &[u8]) -> bool {
    let path = folder.path().join("plugin.wasm");
    fs::write(&path, bytes).unwrap();
    let limits = Limits {
        document_time: "50ms".parse().unwrap(),
        ..Limits::default()
    };
    match Plugin::load(&path, &limits, &Compiler::unbounded()) {
        Ok(_) => true,
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 10_000, "{message}");
            false
        }
    }
}

/// A good plugin with a core module that it does not use.
fn with_module(module: &[u8]) -> Vec<u8> {
    const CORE_MODULE: u8 = 1;
    let mut bytes = Guest::default().component();
    bytes.push(CORE_MODULE);
    // Its length, seven bits a byte.
    let mut rest = module.len();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend(module);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_component_with_something_changed(mutations in prop::collection::vec(mutation(), 1..4)) {
        thread_local! {
            static FOLDER: TempDir = tempfile::tempdir().unwrap();
        }
        FOLDER.with(|folder| load(folder, &mutant(&mutations)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_component_with_something_changed_on_the_whole_way(mutations in prop::collection::vec(mutation(), 1..3)) {
        let lab = Lab::new();
        lab.write("plugin.wasm", mutant(&mutations));
        let inspect = [&["inspect", "plugin.wasm", "--cache-size", "0"], SHORT].concat();
        let ran = lab.host(&inspect);
        prop_assert!([0, 1].contains(&ran.status()), "{}", ran);
        prop_assert_eq!(ran.status() == 1, ran.stderr().starts_with("error: "), "{}", ran);
        prop_assert!(!ran.stderr().contains("the compiler failed"), "{}", ran);
    }
}

#[test]
fn what_is_made_at_random() {
    let folder = tempfile::tempdir().unwrap();
    let (mut modules, mut loaded) = (0, 0);
    let made = made_at_random();
    for wasm in &made {
        // The layer: of a module, or a component, which never is one of ours.
        if wasm[6] == 0 {
            modules += 1;
            loaded += usize::from(load(&folder, &with_module(wasm)));
        } else {
            assert!(!load(&folder, wasm));
        }
    }
    assert!(made.len() >= 2_000 && modules >= 1_000);
    // The compiler has had something to do.
    assert!(loaded > modules / 2, "{loaded} of {modules}");
}
