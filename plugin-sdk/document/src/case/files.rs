//! Files of cases: reading them, and writing into them what came out.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::read::case;
use super::{Actual, Case, Named};
use crate::edit::{EditError, apply};
use crate::model::Edit;

/// Why cases cannot be read.
#[derive(Debug, Error)]
pub enum CaseError {
    /// The file or folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no case.
    #[error("{} holds no cases", path.display())]
    None {
        /// The file or folder.
        path: PathBuf,
    },
    /// A case says what it cannot say.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}:{line}: {message}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// A file of cases.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub cases: Vec<Case>,
    text: String,
    /// Where each case stands in the text.
    spans: Vec<Range<usize>>,
}

/// Reads the cases of a file, or of all `.json` and `.jsonl` files of a folder, in the order of their names.
///
/// # Errors
/// If one cannot be read, or there is no case.
pub fn read(path: &Path) -> Result<Vec<CaseFile>, CaseError> {
    let unreadable = |source| CaseError::Unreadable {
        path: path.into(),
        source,
    };
    let mut files = Vec::new();
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        let mut paths = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if ["json", "jsonl"]
                .iter()
                .any(|ending| path.extension() == Some(ending.as_ref()))
            {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            files.push(CaseFile::read(&path)?);
        }
    } else {
        files.push(CaseFile::read(path)?);
    }
    if files.iter().all(|file| file.cases.is_empty()) {
        return Err(CaseError::None { path: path.into() });
    }
    Ok(files)
}

impl CaseFile {
    fn read(path: &Path) -> Result<Self, CaseError> {
        let text = fs::read_to_string(path).map_err(|source| CaseError::Unreadable {
            path: path.into(),
            source,
        })?;
        Ok(Self::of(path, text)?)
    }

    /// The cases of a text: one where the name ends in `.json`, else one a line.
    ///
    /// # Errors
    /// If one of them is none.
    pub fn of(path: &Path, text: String) -> Result<Self, FileError> {
        let spans = if path.extension() == Some("json".as_ref()) {
            std::iter::once(0..text.len()).collect()
        } else {
            lines(&text)
        };
        let mut cases = Vec::new();
        for span in &spans {
            let found = case(text.get(span.clone()).unwrap_or_default());
            let read = found.map_err(|problem| FileError {
                path: path.into(),
                line: line(&text, span.start + problem.at),
                message: problem.message,
            })?;
            cases.push(Case {
                line: line(&text, span.start),
                ..read
            });
        }
        Ok(Self {
            path: path.into(),
            cases,
            text,
            spans,
        })
    }

    /// The file's text with what came out of some of its cases in the place of what was expected. Nothing else of it
    /// changes.
    ///
    /// # Errors
    /// If a case that was read cannot be edited: it is nested too deep.
    pub fn updated(&self, came_out: &[Option<Vec<Named<Actual>>>]) -> Result<String, EditError> {
        let mut text = self.text.clone();
        for ((case, span), actual) in self.cases.iter().zip(&self.spans).zip(came_out).rev() {
            let (Some(actual), Some(old)) = (actual, self.text.get(span.clone())) else {
                continue;
            };
            let edit = Edit::Set {
                at: "/expect".into(),
                value: case.expectation(actual).into(),
            };
            text.replace_range(span.clone(), &apply(old, &[edit])?);
        }
        Ok(text)
    }
}

/// Where the lines stand that are not blank.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut spans = Vec::new();
    for line in text.split_inclusive('\n') {
        let kept = line.trim_end();
        if !kept.is_empty() {
            spans.push(start..start + kept.len());
        }
        start += line.len();
    }
    spans
}

/// The line that a byte stands in, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
