//! Running other programs: shown as they go, or quietly, with their output only where it explains a failure.

use std::borrow::Cow;
use std::env;
use std::error;
use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Why a program did not do its work.
#[derive(Debug)]
pub enum Error {
    /// It could not be started.
    Start {
        /// As it would be typed.
        command: String,
        /// What the system says.
        source: io::Error,
    },
    /// It ended with another status than 0.
    Failed {
        /// As it would be typed.
        command: String,
        /// The status.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },
    /// It took too long, and was ended.
    Late {
        /// As it would be typed.
        command: String,
        /// How long it may take.
        limit: Duration,
    },
    /// What it wrote cannot be read, or is no text.
    Output {
        /// As it would be typed.
        command: String,
        /// What is wrong.
        source: io::Error,
    },
}

/// What running a program comes to.
pub type Result<T> = std::result::Result<T, Error>;

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { command, source } => {
                write!(formatter, "cannot start `{command}`: {source}")
            }
            Self::Failed {
                command,
                status,
                output,
            } => write!(
                formatter,
                "`{command}` failed ({status})\n{}",
                output.trim_end()
            ),
            Self::Late { command, limit } => {
                write!(formatter, "`{command}` was given up after {limit:?}")
            }
            Self::Output { command, source } => {
                write!(formatter, "what `{command}` wrote cannot be read: {source}")
            }
        }
    }
}

// The source is part of the message.
impl error::Error for Error {}

/// Tells the user one line about what is going on: on stderr, so that stdout is the tools' own.
pub fn say(line: impl Display) {
    eprintln!("{line}");
}

/// Runs a command with the user's terminal as its own.
///
/// # Errors
/// If it cannot be started; a status other than 0 is the caller's to judge.
pub fn show(command: &mut Command) -> Result<ExitStatus> {
    let status = command.status();
    status.map_err(|source| cannot_start(command, source))
}

/// Runs a command and returns what it wrote to stdout.
///
/// # Errors
/// If it cannot be started or its status is not 0; the message has what it wrote to stderr.
pub fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| cannot_start(command, source))?;
    if !output.status.success() {
        return Err(failed(command, output.status, &output.stderr));
    }
    String::from_utf8(output.stdout).map_err(|error| Error::Output {
        command: as_typed(command),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })
}

/// Runs a command without showing its output, for as long as it takes.
///
/// # Errors
/// If it cannot be started or its status is not 0; the message has all that it wrote.
pub fn quietly(command: &mut Command) -> Result<()> {
    quietly_within(command, None)
}

/// Like [`quietly`], but ends the command once `limit` has passed, for those that wait for a network.
///
/// # Errors
/// As [`quietly`], and if the limit was reached.
pub fn quietly_within(command: &mut Command, limit: Option<Duration>) -> Result<()> {
    let piped = |source| Error::Output {
        command: as_typed(command),
        source,
    };
    // One pipe for both streams keeps their lines in the order in which they were written.
    let (mut reader, writer) = io::pipe().map_err(piped)?;
    let second = writer.try_clone().map_err(piped)?;
    command.stdin(Stdio::null()).stdout(second).stderr(writer);
    let spawned = command.spawn();
    // The command holds the pipe's writing ends open until it is given others, and without that
    // the reader would wait for ever.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned.map_err(|source| cannot_start(command, source))?;

    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = Vec::new();
        let result = reader.read_to_end(&mut output).map(|_| output);
        // Nobody listens any more if the limit was reached: then the output does not matter.
        let _ = sender.send(result);
    });
    let received = match limit {
        Some(limit) => receiver.recv_timeout(limit),
        None => receiver.recv().map_err(mpsc::RecvTimeoutError::from),
    };
    let unreadable = |source| Error::Output {
        command: as_typed(command),
        source,
    };
    match received {
        Ok(output) => {
            let status = child.wait().map_err(unreadable)?;
            if status.success() {
                return Ok(());
            }
            Err(failed(command, status, &output.map_err(unreadable)?))
        }
        Err(error) => {
            // It may have ended by itself in this very moment, which is as good.
            let _ = child.kill();
            child.wait().map_err(unreadable)?;
            match (error, limit) {
                (mpsc::RecvTimeoutError::Timeout, Some(limit)) => Err(Error::Late {
                    command: as_typed(command),
                    limit,
                }),
                _ => Err(unreadable(io::Error::other("its reader ended"))),
            }
        }
    }
}

fn cannot_start(command: &Command, source: io::Error) -> Error {
    Error::Start {
        command: as_typed(command),
        source,
    }
}

/// What to tell of a command that failed: itself, how it ended, and what it wrote.
fn failed(command: &Command, status: ExitStatus, output: &[u8]) -> Error {
    Error::Failed {
        command: as_typed(command),
        status,
        output: String::from_utf8_lossy(output).into_owned(),
    }
}

/// The exit code that passes on how another program ended.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    // Where there is no code, a signal ended it; and a code above 255 exists on Windows only.
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Finds a program in the folders of PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(&name))
        .find(|program| program.is_file())
}

/// A command as a person would type it: the program's name without its folder, and quotes where the shell needs them.
pub fn as_typed(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()).into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as it has to be typed into a POSIX shell.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// Puts folders before those that PATH has, for a command that is about to be started.
///
/// # Errors
/// If a folder's name has the character that separates the folders of PATH.
pub fn prepend_path<I>(
    command: &mut Command,
    folders: I,
) -> std::result::Result<(), env::JoinPathsError>
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = folders
        .into_iter()
        .map(|folder| PathBuf::from(folder.as_ref()));
    command.env(
        "PATH",
        env::join_paths(folders.chain(env::split_paths(&path)))?,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("/usr/bin/host");
        command.args([
            "run",
            "target/p.wasm",
            "--param",
            "greeting=it's me",
            "",
            "sqlite:app.db",
        ]);
        assert_eq!(
            as_typed(&command),
            r"host run target/p.wasm --param 'greeting=it'\''s me' '' sqlite:app.db"
        );
    }

    #[cfg(unix)]
    mod unix {
        use super::super::*;
        use std::time::Instant;

        fn sh(script: &str) -> Command {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        }

        /// The message of a run that must have failed.
        fn message<T>(result: Result<T>) -> String {
            result
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        }

        #[test]
        fn a_failure_shows_both_streams_in_order() {
            let message = message(quietly(&mut sh(
                "echo one; echo two >&2; echo three; exit 7",
            )));
            assert!(
                message.ends_with("failed (exit status: 7)\none\ntwo\nthree"),
                "{message}"
            );
        }

        #[test]
        fn success_is_quiet() -> Result<()> {
            quietly(&mut sh("echo one; echo two >&2"))
        }

        #[test]
        fn more_output_than_a_pipe_holds_does_not_block() -> Result<()> {
            quietly(&mut sh("head -c 1000000 /dev/zero"))
        }

        #[test]
        fn the_limit_ends_a_command_that_hangs() {
            let start = Instant::now();
            let limit = Some(Duration::from_millis(100));
            // `exec`, so that no child of the shell is left behind.
            let message = message(quietly_within(
                &mut sh("echo waiting; exec sleep 60"),
                limit,
            ));
            assert!(message.ends_with("was given up after 100ms"), "{message}");
            assert!(start.elapsed() < Duration::from_secs(30));
        }

        #[test]
        fn a_missing_program_is_named() {
            let message = message(quietly(&mut Command::new("no-such-program")));
            assert!(
                message.starts_with("cannot start `no-such-program`: "),
                "{message}"
            );
        }

        #[test]
        fn only_stdout_is_returned() -> Result<()> {
            assert_eq!(stdout_of(&mut sh("echo value; echo noise >&2"))?, "value\n");
            Ok(())
        }

        #[test]
        fn programs_are_found_by_name() {
            assert!(find_program("sh").is_some());
            assert_eq!(find_program("no-such-program"), None);
        }
    }
}
