//! Flags for what a plugin may use.

use std::time::Duration;

use bytesize::ByteSize;

use crate::plugin::Limits;

/// One flag for each limit; its name is the limit's.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Limits on the plugin")]
pub(super) struct LimitArguments {
    /// Size of the plugin's file [default: 64MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    component_size: Option<ByteSize>,

    /// Memories and tables of an instance together [default: 256MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    instance_memory: Option<ByteSize>,

    /// Time of one call for a batch [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, hide_short_help = true)]
    batch_time: Option<Duration>,

    /// Time of one call for a single document [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, hide_short_help = true)]
    document_time: Option<Duration>,

    /// What one call hands to the host [default: 128MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    returned_bytes: Option<ByteSize>,

    /// Documents that the lookups of one call return [default: 100000]
    #[arg(long, value_name = "N", hide_short_help = true)]
    lookup_documents: Option<usize>,

    /// Bytes of the documents that the lookups of one call return [default: 64MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    lookup_bytes: Option<ByteSize>,

    /// Log lines of one call; a document's further ones are dropped [default: 10000]
    #[arg(long, value_name = "N", hide_short_help = true)]
    log_lines: Option<usize>,

    /// Bytes of one log line; the rest is cut off [default: 4KiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    log_line_bytes: Option<ByteSize>,

    /// Log lines that are shown in a second; further ones are not [default: 20]
    #[arg(long, value_name = "N", hide_short_help = true)]
    log_rate: Option<u32>,
}

impl LimitArguments {
    /// The limits with what the flags say.
    pub fn limits(&self) -> Limits {
        let default = Limits::default();
        let bytes = |size: Option<ByteSize>, default: usize| {
            size.map_or(default, |size| {
                usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
            })
        };
        Limits {
            component_size: self
                .component_size
                .map_or(default.component_size, |size| size.as_u64()),
            instance_memory: bytes(self.instance_memory, default.instance_memory),
            batch_time: self.batch_time.unwrap_or(default.batch_time),
            document_time: self.document_time.unwrap_or(default.document_time),
            returned_bytes: bytes(self.returned_bytes, default.returned_bytes),
            lookup_documents: self.lookup_documents.unwrap_or(default.lookup_documents),
            lookup_bytes: bytes(self.lookup_bytes, default.lookup_bytes),
            log_lines: self.log_lines.unwrap_or(default.log_lines),
            log_line_bytes: bytes(self.log_line_bytes, default.log_line_bytes),
            log_rate: self.log_rate.unwrap_or(default.log_rate),
        }
    }
}
