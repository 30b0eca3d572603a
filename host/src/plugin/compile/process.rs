//! The host's side of compiling: a process that is started for one component, and does not outlive it.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::frame::{self, Answer, Task};
use super::{Failure, Refusal};
use crate::plugin::limits::{Limits, limit};

/// What tells a process that it is a compiler's.
const MARK: (&str, &str) = ("HOST_COMPILER", "1");

/// Has the allocator of the command `host` map memory for writing only when it is needed. It would begin with
/// a gigabyte, which would all count as used.
const SPARING: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// How many threads wasmtime makes, each of which takes memory.
const THREADS: &str = "RAYON_NUM_THREADS";

/// How many threads compile at most.
const MOST_THREADS: usize = 8;

/// How many times its processor time a compiler may take by the clock: it may have to share the processor, but
/// it has nothing to wait for.
pub(super) const PATIENCE: u32 = 10;

/// How much is kept of what a compiler says on standard error, in bytes.
const SAID: u64 = 4 << 10;

/// How often a process that ends is asked whether it has ended.
const MOMENT: Duration = Duration::from_millis(2);

/// How a compiler is started.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// How many times its processor time it may take by the clock.
    pub patience: u32,
}

impl Process {
    /// Has a component compiled within the limits. Returns the artefact's bytes.
    pub fn compile(&self, component: &[u8], limits: &Limits) -> Result<Vec<u8>, Failure> {
        let mut child = self.start()?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) = streams else {
            return Err(Failure::Compiler("it has no standard streams".into()));
        };
        let task = Task {
            stack: limits.stack.0,
            seconds: whole_seconds(limits.compile_time.0),
            memory: limits.compile_memory.0 as u64,
            size: component.len(),
        };
        let patience = Duration::from_secs(task.seconds).saturating_mul(self.patience);
        let child = &Mutex::new(child);
        let (over, watched) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let feeder = scope.spawn(move || {
                // A compiler that refuses early closes its end; its answer tells why.
                let _ = frame::write_message(&mut stdin, &task)
                    .and_then(|()| frame::write(&mut stdin, component));
                // It ends when this is closed.
                stdin
            });
            let listener = scope.spawn(move || said(&mut stderr));
            let watcher = scope.spawn(move || {
                let late = watched.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
                if late {
                    kill(child);
                }
                late
            });
            let answer = read(&mut stdout, limits);
            drop(stdout);
            // An answer that ends too soon comes of a process that does, too: how, is why.
            let cut_off = matches!(&answer, Err(error) if error.kind() == ErrorKind::UnexpectedEof);
            if !cut_off {
                kill(child);
            }
            let status = wait(child);
            drop(over);
            drop(feeder.join());
            let said = listener.join().unwrap_or_default();
            let late = watcher.join().unwrap_or_default();
            match answer {
                Ok(Ok(artefact)) => Ok(artefact),
                Ok(Err(Refusal::Invalid(detail))) => Err(Failure::Invalid(detail)),
                Ok(Err(Refusal::NoMemory)) => Err(Failure::Limit(limit!(limits.compile_memory))),
                Err(_) if late => Err(Failure::Limit(limit!(limits.compile_time))),
                Err(error) if !cut_off => Err(Failure::Compiler(format!(
                    "its answer makes no sense: {error}"
                ))),
                Err(_) => Err(death(status, &said, limits)),
            }
        })
    }

    fn start(&self) -> Result<Child, Failure> {
        // A program that does not know that it was started to compile would go on to load the plugin itself.
        if std::env::var_os(MARK.0).is_some() {
            return Err(Failure::Compiler(
                "this process was started to compile, and does not call `serve`".into(),
            ));
        }
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs([MARK, SPARING])
            .env(THREADS, threads.min(MOST_THREADS).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Compiler(format!("it cannot be started: {error}")))
    }
}

/// What the system counts processor time in.
fn whole_seconds(time: Duration) -> u64 {
    let part = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(part).max(1)
}

/// Reads the answer. An artefact is no larger than the memory that it was made in.
fn read(from: &mut ChildStdout, limits: &Limits) -> io::Result<Result<Vec<u8>, Refusal>> {
    Ok(match frame::read_message(from)? {
        Answer::Compiled => Ok(frame::read(from, limits.compile_memory.0)?),
        Answer::Invalid(detail) => Err(Refusal::Invalid(detail)),
        Answer::NoMemory => Err(Refusal::NoMemory),
    })
}

/// The beginning of what a process says. It may say as much as it likes.
fn said(from: &mut impl Read) -> String {
    let mut said = Vec::new();
    // What cannot be read was not said.
    let _ = from.take(SAID).read_to_end(&mut said);
    let _ = io::copy(from, &mut io::sink());
    String::from_utf8_lossy(&said).trim().to_owned()
}

fn kill(child: &Mutex<Child>) {
    // It may be over.
    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
}

/// Waits until a process has ended, and meanwhile lets others kill it.
fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    loop {
        let ended = child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()?;
        if let Some(status) = ended {
            return Ok(status);
        }
        thread::sleep(MOMENT);
    }
}

/// Why a compiler ended without an answer.
fn death(status: io::Result<ExitStatus>, said: &str, limits: &Limits) -> Failure {
    let status = match status {
        Ok(status) => status,
        Err(error) => return Failure::Compiler(format!("nobody knows how it ended: {error}")),
    };
    if is_out_of_time(status) {
        return Failure::Limit(limit!(limits.compile_time));
    }
    if is_about_memory(said) {
        return Failure::Limit(limit!(limits.compile_memory));
    }
    // If it panicked, these are where, and why.
    let lines = said.lines().filter(|line| !line.is_empty()).take(2);
    let ended = format!("it ended with {status}");
    Failure::Compiler(lines.fold(ended, |text, line| format!("{text}: {line}")))
}

#[cfg(unix)]
fn is_out_of_time(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(rustix::process::Signal::XCPU.as_raw())
}

#[cfg(not(unix))]
fn is_out_of_time(_: ExitStatus) -> bool {
    false
}

/// Whether a process died of a lack of memory. It ends where it stands then, and leaves no more than words: Rust's
/// standard library the first, wasmtime the second, and the system the others, where a thread finds no stack.
fn is_about_memory(said: &str) -> bool {
    [
        "memory allocation of",
        "out of memory",
        "Cannot allocate memory",
        "Resource temporarily unavailable",
    ]
    .iter()
    .any(|words| said.contains(words))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::limits::Time;

    /// What comes of a compiler that is this script.
    fn failure(script: &str) -> String {
        let process = Process {
            program: "/bin/sh".into(),
            arguments: ["-c", script].map(OsString::from).to_vec(),
            patience: 1,
        };
        let limits = Limits {
            compile_time: Time(Duration::from_millis(1)),
            ..Limits::default()
        };
        format!("{:?}", process.compile(&[0; 100_000], &limits).unwrap_err())
    }

    #[test]
    fn what_is_no_compiler_makes_nothing() {
        assert_eq!(
            failure("exit 3"),
            r#"Compiler("it ended with exit status: 3")"#
        );
        assert_eq!(
            failure("echo one >&2; echo >&2; echo two >&2; echo three >&2; kill -9 $$"),
            r#"Compiler("it ended with signal: 9 (SIGKILL): one: two")"#
        );
        assert_eq!(
            failure("exec cat"),
            r#"Compiler("its answer makes no sense: Serde Deserialization Error")"#
        );
        assert_eq!(
            failure("echo Usage: something else, with all its options"),
            r#"Compiler("its answer makes no sense: that is no frame")"#
        );
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let mut answer = Vec::new();
        frame::write_message(&mut answer, &Answer::Compiled).unwrap();
        frame::write(&mut answer, b"half of it").unwrap();
        let half: String = answer[..answer.len() - 1]
            .iter()
            .map(|byte| format!("\\{byte:03o}"))
            .collect();
        assert_eq!(
            failure(&format!("printf '{half}'; exit 1")),
            r#"Compiler("it ended with exit status: 1")"#
        );
    }

    #[test]
    fn a_compiler_that_only_waits_is_ended() {
        let limit = "Limit(Limit { name: \"compile-time\", value: \"1ms\" })";
        assert_eq!(failure("exec sleep 1000"), limit);
        // It has closed its output.
        assert_eq!(failure("exec sleep 1000 >&-"), limit);
    }

    #[test]
    fn time_is_counted_in_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(7)), 7);
    }
}
