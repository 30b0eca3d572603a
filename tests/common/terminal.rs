//! A terminal of a test's own, with a process in front of it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;

/// A process whose standard input and standard error are a terminal; its standard output is not.
pub struct Terminal {
    screen: File,
    child: Child,
    seen: String,
}

impl Terminal {
    /// Starts a command in front of a new terminal, which sends it signals as it sends them to people's.
    pub fn start(mut command: Command) -> Self {
        let pair = openpty(None, None).unwrap();
        command
            .stdin(pair.slave.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(pair.slave);
        let take_over = || {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(io::stdin())?;
            Ok(())
        };
        // SAFETY: between fork and exec it makes two system calls, and takes neither memory nor locks.
        unsafe { command.pre_exec(take_over) };
        let child = command.spawn().unwrap();
        // With the command its copies of the terminal's end go: the screen ends when the process does.
        drop(command);
        Self {
            screen: pair.master.into(),
            child,
            seen: String::new(),
        }
    }

    /// Waits until this stands on the screen.
    pub fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.look(), "it ended without `{text}`:\n{}", self.seen);
        }
    }

    /// Types this.
    pub fn types(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the process's end. Returns what stood on the screen, what it wrote to standard output, and its
    /// exit status; -1 where a signal ended it.
    pub fn end(mut self) -> (String, String, i32) {
        while self.look() {}
        let mut output = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut output).unwrap();
        let status = self.child.wait().unwrap();
        let seen = std::mem::take(&mut self.seen);
        (seen, output, status.code().unwrap_or(-1))
    }

    /// Sees what has come since; tells whether there may be more.
    fn look(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.screen.read(&mut bytes) {
            // Linux tells the end of the other side by an error.
            Ok(0) | Err(_) => false,
            Ok(length) => {
                let text = String::from_utf8_lossy(&bytes[..length]);
                self.seen.push_str(&text.replace('\r', ""));
                true
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
