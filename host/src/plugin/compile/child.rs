//! The compiler's side: one component, in a process of its own that bounds itself before it looks at it.

use std::io::{self, Read as _};
use std::process::ExitCode;
use std::thread;

use wasmtime::Engine;

use super::frame::{self, Answer, Task};
use super::{Refusal, machine_code};
use crate::plugin::limits::Size;
use crate::plugin::{Bounds, config};

/// Compiles one component for the host that started this process, and that this process's standard streams
/// lead to. To be called at the very beginning of `main`, before a thread is started or a file opened: it
/// closes every file that the process was born with. What it returns is the exit status to end with.
///
/// See [`Compiler`](super::Compiler) for who needs it.
#[must_use]
pub fn serve() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> io::Result<()> {
    close_what_was_inherited();
    let mut input = io::stdin().lock();
    let task: Task = frame::read_message(&mut input).map_err(|error| {
        let what = "there is nothing to compile; the host itself starts this";
        io::Error::new(error.kind(), what)
    })?;
    bound(&task)?;
    let component = frame::read(&mut input, task.size)?;
    drop(input);
    end_with_the_host()?;
    let mut output = io::stdout().lock();
    let config = config(Size(task.stack), Bounds::Kept);
    let compiled = Engine::new(&config)
        .map_err(Refusal::from)
        .and_then(|engine| machine_code(&engine, &component));
    match compiled {
        Ok(artefact) => {
            frame::write_message(&mut output, &Answer::Compiled)?;
            frame::write(&mut output, &artefact)
        }
        Err(Refusal::NoMemory) => frame::write_message(&mut output, &Answer::NoMemory),
        Err(Refusal::Invalid(mut detail)) => {
            detail.truncate(detail.floor_char_boundary(frame::MESSAGE / 2));
            frame::write_message(&mut output, &Answer::Invalid(detail))
        }
    }
}

/// The host holds the other end of standard input until it has the answer, and sends nothing more. When that
/// ends, nobody waits for an answer any longer, however the host went.
fn end_with_the_host() -> io::Result<()> {
    thread::Builder::new().name("host".into()).spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(1);
    })?;
    Ok(())
}

/// Bounds this process. Where the system already allows it less, that stays.
#[cfg(unix)]
fn bound(task: &Task) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = [
        // Of the private memory that is mapped for writing. Address space alone costs nobody anything, and
        // allocators and threads reserve much of it.
        (Resource::Data, task.memory),
        // At this the process gets SIGXCPU, which tells it from one that was killed by somebody.
        (Resource::Cpu, task.seconds),
        // A compiler writes no files, and an image of its memory would be one.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ];
    for (resource, wanted) in limits {
        let least = |given: Option<u64>| Some(given.map_or(wanted, |given| given.min(wanted)));
        let given = getrlimit(resource);
        setrlimit(
            resource,
            Rlimit {
                current: least(given.current),
                // A second more, as far as it is about time: else it would be killed without SIGXCPU.
                maximum: least(given.maximum).map(|most| match resource {
                    Resource::Cpu if given.maximum.is_none_or(|maximum| maximum > most) => most + 1,
                    _ => most,
                }),
            },
        )?;
    }
    Ok(())
}

/// Elsewhere nothing bounds it but the host's patience.
#[cfg(not(unix))]
fn bound(_: &Task) -> io::Result<()> {
    Ok(())
}

/// Closes the files that this process was born with, but for the standard streams. The host itself opens none
/// that are passed on; what it was given by whoever started it could be.
#[cfg(unix)]
fn close_what_was_inherited() {
    use std::os::fd::{BorrowedFd, RawFd};
    const STREAMS: RawFd = 3;
    // Both Linux and macOS have it. Where it is not, files stay open, which is no great harm.
    let Ok(listed) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let open: Vec<RawFd> = listed
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number >= STREAMS)
        .collect();
    for number in open {
        // SAFETY: it is not used beyond this call, which says whether it is open: the one by which they were
        // listed is not any more.
        let is_open = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).is_ok();
        if is_open {
            // SAFETY: the process has only begun, so nothing in it owns a file yet; `serve` asks for that.
            unsafe { rustix::io::close(number) };
        }
    }
}

#[cfg(not(unix))]
fn close_what_was_inherited() {}
