//! What plugins log, on its way from the sandbox to whoever reads it.
//!
//! A line comes and goes with the outcome of the document that it is about. So each keeps that document's
//! place in its batch, and follows it when the batch's documents move.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::limits::{Limit, Limits, Usage, limit};
use super::secrets::Clean;

/// How bad it is, for the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For its author.
    Debug,
    /// For whoever runs it.
    Info,
    /// Something to look at.
    Warn,
    /// Something is wrong.
    Error,
}

/// A line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How bad it is.
    pub level: Level,
    /// What it says. Not trusted: it may hold control characters.
    pub message: Clean,
    /// The place in its batch of the document that it is about; None where it is about no document.
    pub document: Option<usize>,
}

/// The lines of a call, or of a batch.
#[derive(Debug, Default)]
pub struct Log {
    lines: Vec<LogLine>,
    dropped: u64,
}

impl Log {
    /// Adds a line, cut to its limit.
    ///
    /// # Errors
    /// If there are as many as may be. The line is not added.
    pub fn push(&mut self, mut line: LogLine, limits: &Limits) -> Result<(), Limit> {
        if self.lines.len() >= limits.log_lines.0 {
            return Err(limit!(limits.log_lines));
        }
        line.message.cut(limits.log_line_bytes.0);
        self.lines.push(line);
        Ok(())
    }

    /// Counts a line for which there is no room.
    pub fn drop_one(&mut self) {
        self.dropped += 1;
    }

    /// Notes how much of its limits is used. A line that was cut used all that it had.
    pub(super) fn note(&self, usage: &mut Usage) {
        usage.log_lines.count(self.lines.len());
        for line in &self.lines {
            usage.log_line_bytes.count(line.message.len());
        }
    }

    /// For how many lines there was no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The line that was written last.
    #[must_use]
    pub fn last(&self) -> Option<&LogLine> {
        self.lines.last()
    }

    /// Adds the lines of a part of the batch, whose documents stand in the batch at `places`.
    pub fn append(&mut self, mut part: Self, places: impl Fn(usize) -> Option<usize>) {
        part.follow(places);
        self.lines.append(&mut part.lines);
        self.dropped += part.dropped;
    }

    /// Follows documents to the places where they stand now. Where one is not there any more, or is to be
    /// transformed again, what was said about it goes.
    pub fn follow(&mut self, places: impl Fn(usize) -> Option<usize>) {
        self.lines.retain_mut(|line| match line.document {
            None => true,
            Some(before) => {
                line.document = places(before);
                line.document.is_some()
            }
        });
    }

    /// The lines, to be taken document by document.
    #[must_use]
    pub fn by_document(mut self) -> ByDocument {
        // Stable: what is said about one document stays in order.
        self.lines.sort_by_key(|line| line.document);
        ByDocument {
            lines: self.lines.into_iter().peekable(),
        }
    }
}

/// Lines in the order of the documents that they are about; those about none come first.
pub struct ByDocument {
    lines: Peekable<IntoIter<LogLine>>,
}

impl ByDocument {
    /// The next line that is about no document.
    pub fn next_about_none(&mut self) -> Option<LogLine> {
        self.lines.next_if(|line| line.document.is_none())
    }

    /// The next line about the document at this place. Lines about earlier ones are passed over.
    pub fn next_about(&mut self, place: usize) -> Option<LogLine> {
        while self
            .lines
            .next_if(|line| line.document < Some(place))
            .is_some()
        {}
        self.lines.next_if(|line| line.document == Some(place))
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::{Count, Size};
    use super::*;

    fn log(lines: &[(&'static str, Option<usize>)]) -> Log {
        let mut log = Log::default();
        for (message, document) in lines {
            let line = LogLine {
                level: Level::Info,
                message: (*message).into(),
                document: *document,
            };
            log.push(line, &Limits::default()).unwrap();
        }
        log
    }

    fn said(log: Log) -> Vec<(Clean, Option<usize>)> {
        log.lines
            .into_iter()
            .map(|line| (line.message, line.document))
            .collect()
    }

    #[test]
    fn lines_follow_their_documents_and_go_with_them() {
        let mut whole = log(&[("a", Some(0)), ("none", None)]);
        whole.append(log(&[("b", Some(0)), ("c", Some(1))]), |place| {
            Some(place + 1)
        });
        // The second document is gone, and the third moved up.
        whole.follow(|place| [Some(0), None, Some(1)][place]);
        assert_eq!(
            said(whole),
            [
                ("a".into(), Some(0)),
                ("none".into(), None),
                ("c".into(), Some(1))
            ]
        );
    }

    #[test]
    fn lines_are_taken_document_by_document() {
        let mut lines = log(&[
            ("c2", Some(2)),
            ("a", Some(0)),
            ("none", None),
            ("c1", Some(2)),
            ("b", Some(1)),
        ])
        .by_document();
        let mut about = |place| {
            std::iter::from_fn(|| lines.next_about(place))
                .map(|line| line.message)
                .collect::<Vec<_>>()
        };
        // Those about none, and about a document that nobody asked for, are passed over.
        assert_eq!(about(1), [Clean::from("b")]);
        assert_eq!(about(2), [Clean::from("c2"), "c1".into()]);
        assert!(about(3).is_empty());
        let mut lines = log(&[("a", Some(0)), ("none", None)]).by_document();
        assert_eq!(&*lines.next_about_none().unwrap().message, "none");
        assert!(lines.next_about_none().is_none());
    }

    #[test]
    fn lines_are_cut_and_counted() {
        let limits = Limits {
            log_lines: Count(1),
            log_line_bytes: Size(3),
            ..Limits::default()
        };
        let line = LogLine {
            level: Level::Warn,
            message: "aé€".into(),
            document: None,
        };
        let mut log = Log::default();
        log.push(line.clone(), &limits).unwrap();
        assert_eq!(&*log.last().unwrap().message, "aé");
        let full = log.push(line, &limits).unwrap_err();
        assert_eq!(full.name, "log-lines");
        log.drop_one();
        assert_eq!((log.lines.len(), log.dropped()), (1, 1));
    }
}
