//! Hostile plugins, made of `tests/guests/hostile/guest.wat` and what a test puts into it.

use std::borrow::Cow;

use super::bounds;
use crate::common::{Lab, Ran, STORE};

/// A plugin in parts, which are texts of WebAssembly. What is empty is as in a good one.
#[derive(Clone, Default)]
pub struct Guest<'t> {
    pub manifest: Manifest<'t>,
    /// More items of the component.
    pub component: &'t str,
    /// More imports of its main module, and what they are given.
    pub imports: &'t str,
    pub with: &'t str,
    /// More fields of its main module.
    pub module: &'t str,
    /// How many pages of memory it begins with; 2 if it says nothing.
    pub memory: &'t str,
    /// Done at the beginning of `cabi_realloc` and `describe`.
    pub realloc: &'t str,
    pub describe: &'t str,
    /// What is done at a document whose id begins with `x`. Its outcome is `skip("")` until it is set.
    pub attack: Cow<'t, str>,
    /// Done before `transform` returns what stands at 16.
    pub answer: &'t str,
    /// More options of `transform`.
    pub lift: &'t str,
}

/// A plugin that does this at a document whose id begins with `x`.
pub fn attack(attack: &str) -> Guest<'_> {
    Guest {
        attack: attack.into(),
        ..Guest::default()
    }
}

/// What it says of itself.
#[derive(Clone)]
pub struct Manifest<'t> {
    pub name: &'t str,
    pub description: &'t str,
    pub version: u8,
    pub run_after: &'t [&'t str],
    pub table: &'t str,
    pub reads: &'t [&'t str],
    pub writes: &'t [&'t str],
    pub secrets: &'t [&'t str],
}

impl Default for Manifest<'_> {
    fn default() -> Self {
        Self {
            name: "hostile",
            description: "Looks harmless",
            version: 1,
            run_after: &[],
            table: "things",
            reads: &[],
            writes: &[],
            secrets: &[],
        }
    }
}

impl Manifest<'_> {
    /// The bytes from 32 on, as the canonical ABI lays a manifest out and the text format writes them.
    fn data(&self) -> String {
        let mut texts = Texts::default();
        let name = texts.text(self.name);
        let description = texts.text(self.description);
        let table = texts.text(self.table);
        let run_after = texts.list(self.run_after);
        let lists = [&[], self.reads, self.writes, self.secrets].map(|list| texts.list(list));
        let fields = [name, description].concat();
        let parts = [
            &fields,
            &[self.version, 0, 0, 0][..],
            &run_after,
            &table,
            &lists.concat(),
            &texts.bytes,
        ];
        bytes(&parts.concat())
    }
}

/// What stands behind a manifest's fields.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
}

impl Texts {
    /// Where they stand: at 32, behind seventeen fields.
    const START: usize = 32 + 17 * 4;

    /// Puts bytes there, and returns where they are and how many pieces they hold.
    fn put(&mut self, bytes: &[u8], pieces: usize) -> Vec<u8> {
        let at = Self::START + self.bytes.len();
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        [at, pieces]
            .iter()
            .flat_map(|number| u32::try_from(*number).unwrap().to_le_bytes())
            .collect()
    }

    fn text(&mut self, text: &str) -> Vec<u8> {
        self.put(text.as_bytes(), text.len())
    }

    fn list(&mut self, texts: &[&str]) -> Vec<u8> {
        let places: Vec<_> = texts.iter().map(|text| self.text(text)).collect();
        self.put(&places.concat(), texts.len())
    }
}

impl Guest<'_> {
    /// The component.
    pub fn component(&self) -> Vec<u8> {
        let mut text = include_str!("../guests/hostile/guest.wat").to_owned();
        let memory = if self.memory.is_empty() {
            "2"
        } else {
            self.memory
        };
        for (place, part) in [
            ("component", self.component),
            ("memory", memory),
            ("realloc", self.realloc),
            ("imports", self.imports),
            ("with", self.with),
            ("manifest", &self.manifest.data()),
            ("module", self.module),
            ("attack", &self.attack),
            ("describe", self.describe),
            ("return", self.answer),
            ("lift", self.lift),
        ] {
            let place = format!("{{{{{place}}}}}");
            assert!(text.contains(&place), "{place}");
            text = text.replace(&place, part);
        }
        wat::parse_str(&text).unwrap()
    }

    /// Puts the component into a lab.
    pub fn put_into(&self, lab: &Lab) -> &'static str {
        lab.write("hostile.wasm", self.component());
        "hostile.wasm"
    }

    /// Runs it over documents of which `a` and `z` are healthy. They must be migrated, and nothing else may
    /// have changed.
    #[track_caller]
    pub fn attacks(&self, more: &[&str]) -> Ran {
        let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
        self.attacks_in(&lab, more)
    }

    /// Runs it, whatever the lab holds, within its limits.
    #[track_caller]
    pub fn runs_in(&self, lab: &Lab, more: &[&str]) -> Ran {
        let run = ["run", self.put_into(lab), "--store", STORE];
        bounds::host(lab, &[], &[&run, more].concat())
    }

    #[track_caller]
    pub fn attacks_in(&self, lab: &Lab, more: &[&str]) -> Ran {
        let before = lab.documents();
        let ran = self.heals_in(lab, more);
        lab.put("things", [("a", "{}"), ("z", "{}")]);
        assert_eq!(lab.documents(), before, "{ran}");
        ran
    }

    /// As [`Guest::attacks_in`] where the lab holds too much to look at all of it.
    #[track_caller]
    pub fn heals_in(&self, lab: &Lab, more: &[&str]) -> Ran {
        let ran = self.runs_in(lab, more);
        for healthy in ["a", "z"] {
            assert_eq!(lab.body("things", healthy), "{\"done\":true}", "{ran}");
        }
        ran
    }

    /// Runs it where it must be refused, or end, before anything is done.
    #[track_caller]
    pub fn is_refused(&self, more: &[&str]) -> Ran {
        let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
        let before = lab.everything();
        let ran = self.runs_in(&lab, more);
        assert_eq!(ran.status(), 1, "{ran}");
        assert_eq!(lab.everything(), before, "{ran}");
        ran
    }
}

/// Bytes as the text format writes them.
pub fn bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// As little time as an attack that never ends should be let have.
pub const SHORT: &[&str] = &["--document-time", "50ms", "--batch-time", "100ms"];
