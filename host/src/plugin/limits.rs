//! What a plugin may use.
//!
//! One list holds every limit. [`Limits`] is made from it, the command's flags and the keys of `host.toml`
//! ([`LimitSettings`]), what calls use of them ([`Usage`]), and the table in `docs/security.md`, which a test
//! compares with it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use super::gauge::{Peak, Unit, Used};

/// A limit in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "ByteSize")]
pub struct Size(pub usize);

/// A limit in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Count(pub usize);

/// A limit in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Time(#[serde(with = "humantime_serde")] pub Duration);

/// A limit in pieces a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub u32);

impl Size {
    const UNIT: &str = "SIZE";

    fn measure(self) -> (Unit, u64) {
        (Unit::Bytes, self.0 as u64)
    }
}

impl Count {
    const UNIT: &str = "N";

    fn measure(self) -> (Unit, u64) {
        (Unit::Pieces, self.0 as u64)
    }
}

impl Time {
    const UNIT: &str = "TIME";

    fn measure(self) -> (Unit, u64) {
        let nanoseconds = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        (Unit::Nanoseconds, nanoseconds)
    }
}

impl Rate {
    const UNIT: &str = "N/s";
}

impl From<ByteSize> for Size {
    fn from(size: ByteSize) -> Self {
        Self(usize::try_from(size.as_u64()).unwrap_or(usize::MAX))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(ByteSize::into)
    }
}

impl FromStr for Count {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl FromStr for Time {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl FromStr for Rate {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim_end_matches("/s").parse().map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS
            .into_iter()
            .find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(formatter, "{} {name}", self.0 / unit),
            None => write!(formatter, "{} bytes", self.0),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/s", self.0)
    }
}

/// Makes everything that there is of limits from one list of them: those on the plugin itself, those of which calls
/// use a part that can be measured, and those on what is shown.
macro_rules! limits {
    (
        plugin: $($plugin:ident: $plugin_unit:ident($plugin_default:expr), $plugin_what:literal;)+
        @calls: $($call:ident: $call_unit:ident($call_default:expr), $call_what:literal;)+
        @output: $($output:ident: $output_unit:ident($output_default:expr), $output_what:literal;)+
    ) => {
        settings! {
            $($plugin: $plugin_unit($plugin_default), $plugin_what;)+
            $($call: $call_unit($call_default), $call_what;)+
            $($output: $output_unit($output_default), $output_what;)+
        }

        /// The most that calls used of each limit on them.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Usage {
            $(#[doc = $call_what] pub $call: Peak,)+
        }

        impl Usage {
            /// Takes over what is higher elsewhere.
            pub fn join(&mut self, other: &Self) {
                $(self.$call = self.$call.max(other.$call);)+
            }

            /// A limit was reached, whichever it was.
            pub(super) fn exhaust(&mut self, limits: &Limits, reached: &Limit) {
                $(
                    if reached.name == stringify!($call).replace('_', "-") {
                        self.$call.reach(limits.$call.measure().1);
                    }
                )+
            }

            /// What was used of each limit, in the order of the limits.
            #[must_use]
            pub fn of(&self, limits: &Limits) -> Vec<Used> {
                vec![$({
                    let (unit, limit) = limits.$call.measure();
                    Used {
                        name: stringify!($call).replace('_', "-"),
                        used: self.$call.0,
                        limit,
                        unit,
                    }
                },)+]
            }
        }
    };
}

/// Makes the limits and their settings from a list of them.
macro_rules! settings {
    ($($name:ident: $unit:ident($default:expr), $what:literal;)+) => {
        /// Every limit on a plugin. `docs/security.md` has them in a table, with their defaults.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $what] pub $name: $unit,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $unit($default),)+ }
            }
        }

        /// Limits as flags and `host.toml` give them: the name of either is the limit's, with hyphens.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, clap::Args)]
        #[command(next_help_heading = "Limits on the plugin")]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct LimitSettings {
            $(
                #[doc = $what]
                #[arg(
                    long,
                    value_name = $unit::UNIT,
                    help = format!("{} [default: {}]", $what, $unit($default)),
                    hide_short_help = true
                )]
                pub $name: Option<$unit>,
            )+
        }

        impl LimitSettings {
            /// These settings, and where they say nothing the others.
            #[must_use]
            pub fn or(&self, others: &Self) -> Self {
                Self { $($name: self.$name.or(others.$name),)+ }
            }

            /// The limits: as these settings have them, else as `file` has them, else the defaults.
            #[must_use]
            pub fn over(&self, file: &Self) -> Limits {
                Limits { $($name: self.$name.or(file.$name).unwrap_or($unit($default)),)+ }
            }
        }

        /// The limits as the rows of a table: name, default, what it bounds.
        #[cfg(test)]
        fn rows() -> Vec<String> {
            vec![$(
                format!(
                    "| `{}` | {} | {} |",
                    stringify!($name).replace('_', "-"),
                    $unit($default),
                    $what,
                ),
            )+]
        }
    };
}

limits! {
    plugin:
    component_size: Size(64 << 20), "The plugin's file"; // A component with a Python interpreter has 18 MB.
    compile_time: Time(Duration::from_secs(60)), "Processor time of compiling a plugin, in whole seconds"; // One with a Python interpreter takes 11 s.
    compile_memory: Size(2 << 30), "Memory of the process that compiles a plugin";
    instance_parts: Count(100), "Memories, tables and core instances of an instance, of each";
    stack: Size(512 << 10), "Stack of a call"; // How deep a call went, the runtime does not tell.
    manifest_items: Count(1_000), "Tables, secrets, conditions and migrations that a manifest names";
    @calls:
    instance_memory: Size(256 << 20), "Memories and tables of an instance together";
    batch_time: Time(Duration::from_secs(10)), "Time of one call for a batch"; // A thousand documents have 10 ms each.
    document_time: Time(Duration::from_secs(1)), "Time of one call for a single document";
    returned_bytes: Size(128 << 20), "What one call hands to the host";
    document_edits: Count(1_000), "Edits in a document's outcome";
    document_changes: Count(10_000), "Changes in a document's outcome";
    document_insertions: Count(10_000), "Insertions in a document's outcome";
    json_size: Size(16 << 20), "One JSON value or new body";
    json_depth: Count(128), "Nesting of one JSON value, together with where it goes"; // What serde_json reads.
    id_bytes: Size(16 << 10), "One id or pointer";
    name_bytes: Size(1 << 10), "One code, reason, or name";
    message_bytes: Size(4 << 10), "A failure's message; the rest is cut off";
    lookups: Count(100_000), "Ids and queries that the lookups of one call ask for";
    lookup_documents: Count(100_000), "Documents that the lookups of one call return";
    lookup_bytes: Size(64 << 20), "Bytes of what the lookups of one call ask for and return";
    log_lines: Count(10_000), "Log lines of one call; a document's further ones are dropped";
    log_line_bytes: Size(4 << 10), "One log line; the rest is cut off";
    @output:
    edit_work: Size(1 << 30), "Text that the edits of a document's outcome go over"; // A second or three.
    log_rate: Rate(20), "Log lines that are shown in a second; further ones are not";
}

impl Limits {
    /// The limit on the time of one call.
    #[must_use]
    pub fn call_time(&self, documents: usize) -> (Duration, Limit) {
        if documents > 1 {
            (self.batch_time.0, limit!(self.batch_time))
        } else {
            (self.document_time.0, limit!(self.document_time))
        }
    }
}

/// A limit that was hit: its name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The field of [`Limits`], with hyphens.
    pub name: String,
    /// Its value, with its unit.
    pub value: String,
}

impl Limit {
    /// A field of [`Limits`] and its value. `limit!` spells the name.
    pub(crate) fn new(field: &str, value: impl fmt::Display) -> Self {
        Self {
            name: field.replace('_', "-"),
            value: value.to_string(),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the limit `{0}` is {1}; --{0} raises it",
            self.name, self.value
        )
    }
}

/// The [`Limit`] of a field of [`Limits`]: `limit!(limits.log_lines)`.
macro_rules! limit {
    ($($path:ident).+) => {
        $crate::plugin::limits::limit!(@ [$($path).+] $($path).+)
    };
    (@ [$value:expr] $field:ident) => {
        $crate::plugin::Limit::new(stringify!($field), $value)
    };
    (@ [$value:expr] $first:ident . $($rest:ident).+) => {
        $crate::plugin::limits::limit!(@ [$value] $($rest).+)
    };
}
pub(crate) use limit;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_stands_before_what_is_said_besides() {
        let set = |name: &str| toml::from_str::<LimitSettings>(name).unwrap();
        let flags = set("lookups = 1");
        let own = set("lookups = 2\ndocument-edits = 2");
        let all = set("lookups = 3\ndocument-edits = 3\nlog-lines = 3");
        let limits = flags.or(&own).over(&all);
        assert_eq!(
            (
                limits.lookups.0,
                limits.document_edits.0,
                limits.log_lines.0
            ),
            (1, 2, 3)
        );
    }

    #[test]
    fn the_documentation_has_every_limit() {
        let documentation = include_str!("../../../docs/security.md");
        let documented: Vec<&str> = documentation
            .lines()
            .skip_while(|line| *line != "| limit | default | what it bounds |")
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(documented, rows(), "the table in docs/security.md");
    }

    #[test]
    fn flags_stand_over_the_file_and_that_over_the_default() {
        let file: LimitSettings =
            toml::from_str("stack = \"1MiB\"\nlog-lines = 5\ndocument-time = \"50ms\"").unwrap();
        let flags = LimitSettings {
            log_lines: Some(Count(7)),
            ..LimitSettings::default()
        };
        let expected = Limits {
            stack: Size(1 << 20),
            log_lines: Count(7),
            document_time: Time(Duration::from_millis(50)),
            ..Limits::default()
        };
        assert_eq!(flags.over(&file), expected);
        assert!(toml::from_str::<LimitSettings>("log_lines = 5").is_err());
    }

    #[test]
    fn limits_are_told_in_round_units() {
        let limits = Limits {
            id_bytes: Size(1000),
            batch_time: Time(Duration::from_secs(30)),
            ..Limits::default()
        };
        assert_eq!(
            limit!(limits.instance_memory).to_string(),
            "the limit `instance-memory` is 256 MiB; --instance-memory raises it"
        );
        assert_eq!(limit!(limits.id_bytes).value, "1000 bytes");
        assert_eq!(limit!(limits.batch_time).value, "30s");
        assert_eq!(limit!(limits.log_rate).value, "20/s");
    }

    #[test]
    fn a_document_alone_has_less_time() {
        let limits = Limits::default();
        assert_eq!(limits.call_time(1).1.name, "document-time");
        assert_eq!(limits.call_time(2).1.name, "batch-time");
    }
}
