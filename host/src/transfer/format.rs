//! The formats that documents come and go in.

use std::path::Path;

/// How documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Jsonl,
    /// One JSON array of objects
    Json,
    /// Comma-separated values, with a line of names at the top
    Csv,
    /// A snapshot of Convex, as a ZIP archive
    Convex,
}

/// How bytes are made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstandard,
}

impl Compression {
    /// Told by the ending of a name.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstandard),
            _ => None,
        }
    }
}

impl Format {
    /// Told by the ending of a name; endings of compressed files are looked through.
    ///
    /// ```
    /// use host::transfer::Format;
    /// assert_eq!(Format::of_path("users.jsonl.gz".as_ref()), Some(Format::Jsonl));
    /// assert_eq!(Format::of_path("users".as_ref()), None);
    /// ```
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        match plain(path).extension()?.to_str()? {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "zip" => Some(Self::Convex),
            _ => None,
        }
    }

    /// The ending of a file of this format.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Convex => "zip",
        }
    }
}

/// A name without the ending of a compressed file.
fn plain(path: &Path) -> std::borrow::Cow<'_, Path> {
    if Compression::of_path(path).is_some() {
        path.with_extension("").into()
    } else {
        path.into()
    }
}

/// The table that a file is about, by its name: `users` for `users.jsonl.gz`.
#[must_use]
pub fn table_of(path: &Path) -> Option<String> {
    plain(path).file_stem()?.to_str().map(str::to_owned)
}
