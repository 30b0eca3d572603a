//! What a process may take that runs a hostile plugin: at most twice the plugin's limits, besides what a harmless
//! one takes.
//!
//! The limits are small here, so that this means something. Processor time is what is compared, not the clock's:
//! it does not depend on what else the machine does.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::str::FromStr;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use host::plugin::Limits;
use host::plugin::limits::{Size, Time};

use super::guest::Guest;
use crate::common::{Lab, Ran, STORE};

/// The limits, unless a test's flags or its own `host.toml` set others.
const LIMITS: &str = r#"
[limits]
instance-memory = "32MiB"
returned-bytes = "16MiB"
lookup-bytes = "8MiB"
batch-time = "1s"
document-time = "500ms"
"#;

/// Beyond this nobody waits for a process: it hangs.
const HANGS: Duration = Duration::from_secs(300);

/// What a process has taken.
#[derive(Debug, Clone, Copy)]
struct Used {
    processor: Duration,
    /// At its highest, in bytes.
    memory: usize,
}

/// Runs `host`, which must not take more than twice what the limits allow.
#[track_caller]
pub fn host(lab: &Lab, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    if !lab.path("host.toml").exists() {
        lab.write("host.toml", LIMITS);
    }
    let mut command = lab.command(arguments);
    command.envs(variables.iter().copied());
    let (output, used) = measured(command);
    let ran = lab.ran(output);
    let most = most(arguments);
    assert!(
        used.processor <= most.processor && used.memory <= most.memory,
        "it took {used:?}, and at most it may take {most:?}:\n{ran}"
    );
    ran
}

/// What a run with these flags may take.
fn most(arguments: &[&str]) -> Used {
    let harmless = harmless();
    let sizes = [
        size(arguments, "--instance-memory", 32 << 20),
        size(arguments, "--returned-bytes", 16 << 20),
        size(arguments, "--lookup-bytes", 8 << 20),
    ];
    // The batch is called, and then the document to blame alone.
    let times = [
        time(arguments, "--batch-time", 1_000),
        time(arguments, "--document-time", 500),
    ];
    let compiling = compiling(arguments);
    let running = harmless.memory.max(inherited()) + 2 * sizes.iter().sum::<usize>();
    Used {
        // How long the same work takes a processor depends on what else it does.
        processor: 2 * (harmless.processor + compiling.processor + times.iter().sum::<Duration>()),
        // It is another process that compiles.
        memory: running.max(2 * compiling.memory),
    }
}

/// What compiling may take, where a test is about that; elsewhere it is as harmless as the plugin that is.
fn compiling(arguments: &[&str]) -> Used {
    let flags = ["--compile-time", "--compile-memory"];
    if !arguments.iter().any(|argument| flags.contains(argument)) {
        return Used {
            processor: Duration::ZERO,
            memory: 0,
        };
    }
    let limits = Limits::default();
    Used {
        processor: value::<Time>(arguments, flags[0]).map_or(limits.compile_time.0, |time| time.0),
        memory: size(arguments, flags[1], limits.compile_memory.0),
    }
}

fn size(arguments: &[&str], flag: &str, default: usize) -> usize {
    value::<Size>(arguments, flag).map_or(default, |size| size.0)
}

fn time(arguments: &[&str], flag: &str, default: u64) -> Duration {
    value::<Time>(arguments, flag).map_or(Duration::from_millis(default), |time| time.0)
}

fn value<T: FromStr>(arguments: &[&str], flag: &str) -> Option<T> {
    let place = arguments.iter().position(|argument| *argument == flag)?;
    arguments.get(place + 1)?.parse().ok()
}

/// What a plugin takes that does no harm, and that was never compiled before.
fn harmless() -> Used {
    static HARMLESS: OnceLock<Used> = OnceLock::new();
    *HARMLESS.get_or_init(|| {
        let lab = Lab::with_things([("a", "{}"), ("b", "{}"), ("z", "{}")]);
        let plugin = Guest::default().put_into(&lab);
        let mut command = lab.command(&["run", plugin, "--store", STORE]);
        command.env("XDG_CACHE_HOME", lab.path("cache"));
        let (output, used) = measured(command);
        lab.ran(output).success();
        used
    })
}

/// Runs a process to its end.
fn measured(mut command: Command) -> (Output, Used) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let streams = stdout
        .recv_timeout(HANGS)
        .and_then(|stdout| stderr.recv_timeout(HANGS).map(|stderr| (stdout, stderr)));
    let Ok((stdout, stderr)) = streams else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it hangs: {command:?}");
    };
    let (status, used) = usage::wait(child);
    let output = Output {
        status,
        stdout,
        stderr,
    };
    (output, used)
}

/// Reads a stream to its end beside whoever waits for that.
fn read(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // Nobody listens any more to a process that hung.
        let _ = sender.send(bytes);
    });
    receiver
}

/// The most memory that this process ever had. Linux counts a process's peak from the moment on at which it still
/// is a copy of the one that starts it.
fn inherited() -> usize {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.unwrap().parse::<usize>().unwrap() << 10
}

#[cfg(unix)]
mod usage {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, ExitStatus};
    use std::time::Duration;

    use super::Used;

    /// Waits for a process, and asks what it and those that it has waited for have taken.
    pub fn wait(child: Child) -> (ExitStatus, Used) {
        let id = libc::pid_t::try_from(child.id()).unwrap();
        let mut status = 0;
        // SAFETY: it is a structure of numbers, for which zeros are values.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        loop {
            // SAFETY: both pointers lead to what is ours, and the child was not waited for yet: its number is its own.
            let waited = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
            if waited == id {
                break;
            }
            let error = std::io::Error::last_os_error();
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
        }
        let time = |time: libc::timeval| {
            Duration::new(time.tv_sec.try_into().unwrap(), 0)
                + Duration::from_micros(time.tv_usec.try_into().unwrap())
        };
        // Apple counts bytes, everyone else KiB.
        let unit = if cfg!(target_vendor = "apple") {
            1
        } else {
            1024
        };
        let used = Used {
            processor: time(usage.ru_utime) + time(usage.ru_stime),
            memory: usize::try_from(usage.ru_maxrss).unwrap() * unit,
        };
        (ExitStatus::from_raw(status), used)
    }
}

#[cfg(not(unix))]
mod usage {
    use std::process::{Child, ExitStatus};
    use std::time::Duration;

    use super::Used;

    /// Waits for a process. What it took cannot be told here.
    pub fn wait(mut child: Child) -> (ExitStatus, Used) {
        let used = Used {
            processor: Duration::ZERO,
            memory: 0,
        };
        (child.wait().unwrap(), used)
    }
}

#[test]
#[cfg(unix)]
fn what_a_process_takes_is_measured() {
    let (output, idle) = measured(Command::new("true"));
    assert!(output.status.success());
    let mut busy = Command::new("sh");
    busy.args([
        "-c",
        "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 3",
    ]);
    let (output, busy) = measured(busy);
    assert_eq!(output.status.code(), Some(3));
    assert!(busy.processor > idle.processor, "{busy:?} {idle:?}");
    assert!(idle.memory > 100_000, "{idle:?}");
}
