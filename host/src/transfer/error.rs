//! What can go wrong with bringing documents in and out.

use std::io;

use thiserror::Error;
use zip::result::ZipError;

use crate::store::StoreError;

/// Why documents could not be brought in or out. Nothing was brought in.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The input cannot be read, or the output not written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document of the input cannot be taken.
    #[error("{at}: {why}")]
    Input {
        /// Which one: `line 3`, or `element 3`.
        at: String,
        /// Why not.
        why: String,
    },
    /// The table has documents, and nobody said what becomes of them.
    #[error("table `{table}` has documents already")]
    NotEmpty {
        /// The table.
        table: String,
    },
    /// The archive cannot be read.
    #[error("the archive cannot be used: {0}")]
    Archive(#[from] ZipError),
    /// The archive is no snapshot, or one that cannot be taken.
    #[error("the snapshot cannot be taken: {0}")]
    Snapshot(String),
    /// The archive would take more room than it may.
    #[error("the snapshot would take more than {} when unpacked", bytesize::ByteSize(*.0))]
    TooLarge(u64),
    /// A snapshot holds a whole store.
    #[error("a snapshot of Convex is not of one table")]
    SnapshotOfOneTable,
    /// A folder holds no file that a table could come from, or the one to write to is in use.
    #[error("{0}")]
    Folder(String),
    /// A document of the table cannot be read, or not written in this format.
    #[error("document `{id}` of table `{table}`: {why}")]
    Document {
        /// The table.
        table: String,
        /// The document.
        id: String,
        /// Why not.
        why: String,
    },
    /// A table cannot be written in this format.
    #[error("table `{table}`: {why}")]
    Table {
        /// The table.
        table: String,
        /// Why not.
        why: String,
    },
}

impl TransferError {
    /// That part of the input cannot be taken.
    pub(super) fn input(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Input {
            at: at.into(),
            why: why.into(),
        }
    }

    /// Names the file that this is about.
    pub(super) fn within(self, file: &str) -> Self {
        match self {
            Self::Input { at, why } => Self::Input {
                at: format!("{file}, {at}"),
                why,
            },
            other => other,
        }
    }
}
