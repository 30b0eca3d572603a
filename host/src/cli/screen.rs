//! Standard error, which the progress bar and everybody else who writes there share: what is written takes the
//! bar away, and puts it back below.

use std::io::{self, Write as _};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar};

/// Draws on standard error, if that is a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows a bar from now on.
pub(super) fn show(bar: ProgressBar) -> ProgressBar {
    BARS.add(bar)
}

/// Writes above the bar, all of it at once.
pub(super) fn write(text: &[u8]) -> io::Result<()> {
    BARS.suspend(|| io::stderr().lock().write_all(text))
}
