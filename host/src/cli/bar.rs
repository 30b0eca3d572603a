//! What a person sees while documents or whole stores are copied.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::logs;
use super::progress::rate;
use crate::config::LogFormat;
use crate::store::Copied;

/// How many documents go by between two looks at the bar.
const STEP: u64 = 256;

/// A bar on standard error, where that is a terminal. It goes when it is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Over an input, by its bytes where their number is known.
    pub fn of_input(size: Option<u64>) -> Self {
        Self::new(
            size,
            match size {
                Some(_) => {
                    "{bar:30} {percent}%  {msg} documents  {bytes}/{total_bytes}  {eta} left"
                }
                None => "{spinner} {human_pos} documents  {rate}",
            },
        )
    }

    /// Over the pages of a database.
    pub fn of_pages() -> Self {
        Self::new(Some(0), "{bar:30} {percent}%  {eta} left")
    }

    fn new(size: Option<u64>, template: &str) -> Self {
        let target = if io::stderr().is_terminal() && logs::format() == LogFormat::Text {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("rate", rate);
        Self(ProgressBar::with_draw_target(size, target).with_style(style))
    }

    /// Shows how far it is: by what was read of the input, where its size is known.
    pub fn documents(&self, documents: u64, read: Option<&dyn Fn() -> u64>) {
        if !documents.is_multiple_of(STEP) {
            return;
        }
        match (self.0.length(), read) {
            (Some(_), Some(read)) => {
                self.0.set_message(documents.to_string());
                self.0.set_position(read());
            }
            _ => self.0.set_position(documents),
        }
    }

    /// Shows how many pages were copied.
    pub fn pages(&self, copied: Copied) {
        self.0.set_length(copied.of);
        self.0.set_position(copied.pages);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
