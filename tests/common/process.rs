//! Processes in which one test runs alone, and what a process takes.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Beyond this nobody waits for a process: it hangs.
const HANGS: Duration = Duration::from_secs(300);

/// What a process has taken.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    pub processor: Duration,
    /// At its highest, in bytes.
    pub memory: usize,
}

/// Runs a test's body in a process in which no other test runs.
pub fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "HOST_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    print!("{said}");
}

/// Runs a process to its end.
pub fn measured(mut command: Command) -> (Output, Used) {
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
pub fn inherited() -> usize {
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
