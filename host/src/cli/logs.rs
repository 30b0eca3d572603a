//! How the log is shown: its flags, and its subscriber. The library tells what happens as events of `tracing`;
//! here they become lines on standard error, for people or for machines.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter, layer};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::CommandError;
use super::screen;
use super::show::{safe, safe_json};
use crate::config::{File, LogFormat};
use crate::engine::journal::PLUGIN;

/// The target of everything that the host itself says.
const HOST: &str = env!("CARGO_PKG_NAME");

/// The format that was decided on, once.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Flags for the log.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LogArguments {
    /// How to write the log to standard error; json also in the place of progress and errors [default: text]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "text|json",
        env = "HOST_LOG_FORMAT",
        hide_short_help = true
    )]
    log_format: Option<LogFormat>,

    /// What to log: off, error, warn, info, debug, trace, or by target, such as warn,plugin=debug
    /// [default: warn,plugin=info; with json info]
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "HOST_LOG",
        hide_short_help = true
    )]
    log_level: Option<String>,

    /// Logs more: -v is --log-level info, -vv debug, -vvv trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl LogArguments {
    /// Shows the log of this process from now on.
    ///
    /// # Errors
    /// If what to log makes no sense.
    pub fn install(&self, file: &File) -> Result<(), CommandError> {
        let format = self.log_format.or(file.log_format).unwrap_or_default();
        let level = match self.verbose {
            0 => self.log_level.as_ref().or(file.log_level.as_ref()),
            _ => None,
        };
        let wanted = match (self.verbose, level) {
            (0, None) => usual(format),
            (0, Some(level)) => targets(level)?,
            (1, _) => of_ours(LevelFilter::INFO),
            (2, _) => of_ours(LevelFilter::DEBUG),
            (_, _) => of_ours(LevelFilter::TRACE),
        };
        FORMAT.get_or_init(|| format);
        // Whoever calls the command line as a library may have a subscriber of their own.
        let _ = tracing_subscriber::registry()
            .with(shown(format, Screen { format }).with_filter(wanted))
            .try_init();
        Ok(())
    }
}

/// The format of everything that goes to standard error.
pub(super) fn format() -> LogFormat {
    FORMAT.get().copied().unwrap_or_default()
}

/// Tells what a command did, where its standard output is for something else.
pub(super) fn say(text: &str) {
    match format() {
        // Nobody is left to be told if standard error is closed.
        LogFormat::Text => drop(screen::write(format!("{text}\n").as_bytes())),
        LogFormat::Json => tracing::info!(target: HOST, "{text}"),
    }
}

/// What is logged where nothing else is said. At a terminal the report and the bar tell the rest.
fn usual(format: LogFormat) -> Targets {
    match format {
        LogFormat::Text => of_ours(LevelFilter::WARN).with_target(PLUGIN, LevelFilter::INFO),
        LogFormat::Json => of_ours(LevelFilter::INFO),
    }
}

/// Everything from this level on; what libraries say only where it is a warning.
fn of_ours(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(HOST, level)
        .with_target(PLUGIN, level)
}

/// Reads what to log.
fn targets(text: &str) -> Result<Targets, CommandError> {
    if let Ok(level) = text.trim().parse() {
        return Ok(of_ours(level));
    }
    text.parse().map_err(|_| {
        CommandError::usage(format!("`{text}` does not say what to log")).hint(
            "say off, error, warn, info, debug or trace, or one for each target: warn,plugin=debug",
        )
    })
}

fn shown<S>(
    format: LogFormat,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    match format {
        LogFormat::Text => layer().event_format(Text).with_writer(writer).boxed(),
        LogFormat::Json => layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
    }
}

/// A line for people: how bad it is, what it says, and what is known besides. Its texts are not trusted.
struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        writeln!(
            writer,
            "{} {}{}",
            label(event.metadata()),
            said.message,
            said.fields
        )?;
        match said.hint {
            Some(hint) => writeln!(
                writer,
                "{} {hint}",
                console::style("hint:").for_stderr().cyan().bold()
            ),
            None => Ok(()),
        }
    }
}

fn label(metadata: &Metadata<'_>) -> String {
    let (word, colour) = match *metadata.level() {
        Level::ERROR => ("error:", console::Color::Red),
        Level::WARN => ("warning:", console::Color::Yellow),
        Level::INFO => ("info:", console::Color::Green),
        Level::DEBUG => ("debug:", console::Color::Blue),
        Level::TRACE => ("trace:", console::Color::Magenta),
    };
    let whose = if metadata.target() == PLUGIN {
        "plugin "
    } else {
        ""
    };
    let word = console::style(word).for_stderr().fg(colour).bold();
    format!("{whose}{word}")
}

/// The fields of an event, in words.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
    hint: Option<String>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = safe(value);
        match field.name() {
            "message" => self.message = value.into_owned(),
            "hint" => self.hint = Some(value.into_owned()),
            name => {
                let quote = if value.contains(char::is_whitespace) {
                    "\""
                } else {
                    ""
                };
                // Writing to a string never fails.
                let _ = write!(self.fields, "  {name}={quote}{value}{quote}");
            }
        }
    }
}

/// Standard error, beside the progress bar.
#[derive(Clone, Copy)]
struct Screen {
    format: LogFormat,
}

impl<'w> MakeWriter<'w> for Screen {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}

/// Every event comes as one piece.
impl io::Write for Screen {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match self.format {
            LogFormat::Text => screen::write(event)?,
            LogFormat::Json => {
                screen::write(safe_json(&String::from_utf8_lossy(event)).as_bytes())?
            }
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::{debug, info, info_span, warn};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, wanted: Targets, what: impl FnOnce()) -> String {
        console::set_colors_enabled_stderr(false);
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::registry()
            .with(shown(format, move || writer.clone()).with_filter(wanted));
        tracing::subscriber::with_default(subscriber, what);
        let text = page.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn people_read_words() {
        let text = logged(LogFormat::Text, of_ours(LevelFilter::INFO), || {
            let _span = info_span!("run", migration = "m").entered();
            info!(
                documents = 5,
                why = "two words",
                none = None::<u64>,
                "begins"
            );
            warn!(hint = "do\u{1b}this", "a\u{202e}b\nc");
            debug!("not shown");
            warn!(target: PLUGIN, document = "a\u{9b}", "odd");
            info!(target: "library", "not shown");
        });
        insta::assert_snapshot!(text, @r#"
        info: begins  documents=5  why="two words"
        warning: a\u{202e}b\u{a}c
        hint: do\u{1b}this
        plugin warning: odd  document=a\u{9b}
        "#);
    }

    #[test]
    fn machines_read_one_object_a_line() {
        let text = logged(LogFormat::Json, of_ours(LevelFilter::INFO), || {
            let _span = info_span!("run", migration = "m", run = 7).entered();
            warn!(target: PLUGIN, document = "a", "odd\u{9b}\n");
        });
        let text = safe_json(&text);
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains(r"odd\u009b\n"), "{text}");
        let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
        let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(humantime::parse_rfc3339(time.as_str().unwrap()).is_ok());
        assert_eq!(
            line,
            serde_json::json!({
                "level": "WARN", "target": "plugin", "message": "odd\u{9b}\n", "document": "a",
                "span": {"name": "run", "migration": "m", "run": 7},
            })
        );
    }

    #[test]
    fn what_is_logged_is_said_by_level_or_by_target() {
        let loud = |text: &str| targets(text).unwrap();
        let enabled = |targets: &Targets, target: &str| {
            [
                Level::ERROR,
                Level::WARN,
                Level::INFO,
                Level::DEBUG,
                Level::TRACE,
            ]
            .iter()
            .filter(|level| targets.would_enable(target, level))
            .count()
        };
        let counts = |targets: &Targets| {
            ["host::engine", "plugin", "wasmtime"].map(|target| enabled(targets, target))
        };
        assert_eq!(counts(&loud("off")), [0, 0, 0]);
        assert_eq!(counts(&loud("error")), [1, 1, 1]);
        assert_eq!(counts(&loud("debug")), [4, 4, 2]);
        assert_eq!(counts(&loud("error,plugin=debug")), [1, 4, 1]);
        assert_eq!(counts(&usual(LogFormat::Text)), [2, 3, 2]);
        assert_eq!(counts(&usual(LogFormat::Json)), [3, 3, 2]);
        assert_eq!(targets("plugin=loud").unwrap_err().status(), 2);
    }
}
