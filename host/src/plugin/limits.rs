//! What a plugin may use.

use std::fmt;
use std::time::Duration;

/// Every limit on a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The plugin's file, in bytes. Default 64 MiB: a component with a Python interpreter has 18 MB.
    pub component_size: u64,
    /// Memories and tables of one instance together, in bytes. Default 256 MiB.
    pub instance_memory: usize,
    /// One call for a batch. Default 10 s: a thousand documents have 10 ms each.
    pub batch_time: Duration,
    /// One call for a document alone: `describe`, or a document that is suspected of having used up its
    /// batch's time. Default 1 s.
    pub document_time: Duration,
    /// What one call returns or hands to the host, in bytes. Default 128 MiB.
    pub returned_bytes: usize,
    /// Documents that the lookups of one call return. Default 100,000.
    pub lookup_documents: usize,
    /// Bytes of the documents that the lookups of one call return. Default 64 MiB.
    pub lookup_bytes: usize,
    /// Log lines of one call. A call for several documents that writes more is made again with fewer of them;
    /// a document's further lines are dropped. Default 10,000.
    pub log_lines: usize,
    /// Bytes of one log line. The rest is cut off. Default 4 KiB.
    pub log_line_bytes: usize,
    /// Log lines that are shown in a second. Further ones are not; warnings are counted all the same.
    /// Default 20.
    pub log_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_size: 64 << 20,
            instance_memory: 256 << 20,
            batch_time: Duration::from_secs(10),
            document_time: Duration::from_secs(1),
            returned_bytes: 128 << 20,
            lookup_documents: 100_000,
            lookup_bytes: 64 << 20,
            log_lines: 10_000,
            log_line_bytes: 4 << 10,
            log_rate: 20,
        }
    }
}

impl Limits {
    /// The limit on the time of one call.
    #[must_use]
    pub fn call_time(&self, documents: usize) -> (&'static str, Duration) {
        if documents > 1 {
            ("batch-time", self.batch_time)
        } else {
            ("document-time", self.document_time)
        }
    }
}

/// A limit that was hit: its name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The field of [`Limits`], with hyphens.
    pub name: &'static str,
    /// Its value, with its unit.
    pub value: String,
}

impl Limit {
    /// A limit in bytes.
    #[must_use]
    pub fn bytes(name: &'static str, value: u64) -> Self {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let value = UNITS
            .into_iter()
            .find(|(size, _)| value >= *size && value.is_multiple_of(*size))
            .map_or_else(
                || format!("{value} bytes"),
                |(size, unit)| format!("{} {unit}", value / size),
            );
        Self { name, value }
    }

    /// A limit in time.
    #[must_use]
    pub fn time(name: &'static str, value: Duration) -> Self {
        Self {
            name,
            value: format!("{value:?}"),
        }
    }

    /// A limit in pieces.
    #[must_use]
    pub fn count(name: &'static str, value: usize) -> Self {
        Self {
            name,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_round_units() {
        assert_eq!(
            Limit::bytes("instance-memory", 256 << 20).to_string(),
            "the limit `instance-memory` is 256 MiB; --instance-memory raises it"
        );
        assert_eq!(Limit::bytes("x", 1000).value, "1000 bytes");
        assert_eq!(
            Limit::time("batch-time", Duration::from_secs(30)).value,
            "30s"
        );
    }

    #[test]
    fn a_document_alone_has_less_time() {
        let limits = Limits::default();
        assert_eq!(limits.call_time(1), ("document-time", limits.document_time));
        assert_eq!(limits.call_time(2), ("batch-time", limits.batch_time));
    }
}
