//! Attacks on the compiler, and components that are none.

use std::fs;

use insta::assert_snapshot;

use super::guest::Guest;
use crate::common::{Lab, Ran, STORE, guest};

/// A component with more in its main module.
fn module(module: &str) -> Guest<'_> {
    Guest {
        module,
        ..Guest::default()
    }
}

/// A function that is small, and hard on a compiler: so many loops within each other, around so many variables,
/// each of which may have another value wherever one of the loops begins.
fn tangle(variables: usize, loops: usize) -> String {
    let begin: String = (0..loops)
        .map(|number| {
            let (from, to) = (number % variables, (number * 7 + 1) % variables);
            format!("loop local.get {from} local.set {to} local.get {from} br_if 0 ")
        })
        .collect();
    format!(
        "(func (local {}) {begin} {})",
        "i32 ".repeat(variables),
        "end ".repeat(loops)
    )
}

/// So many types, no two of them the same.
fn types(count: usize) -> String {
    (0..count)
        .map(|number| {
            let parameters: Vec<_> = (0..10)
                .map(|digit| ["i32", "i64", "f32", "f64"][number >> (2 * digit) & 3])
                .collect();
            format!("(type (func (param {})))", parameters.join(" "))
        })
        .collect()
}

/// Has bytes refused that are the file of a plugin.
#[track_caller]
fn refused(bytes: &[u8], more: &[&str]) -> Ran {
    let lab = Lab::with_things([("a", "{}")]);
    let before = lab.everything();
    lab.write("plugin.wasm", bytes);
    let ran = lab.host(&[&["run", "plugin.wasm", "--store", STORE], more].concat());
    assert_eq!(ran.status(), 1, "{ran}");
    assert_eq!(lab.everything(), before, "{ran}");
    ran
}

#[test]
fn a_hundred_thousand_functions() {
    let functions = "(func)".repeat(100_000);
    let guest = module(&functions);
    assert_snapshot!(guest.attacks(&["--compile-time", "20s", "--compile-memory", "1GiB"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 skipped
                   1 
               0 failed
    [exit status: 0]
    ");
    assert_snapshot!(guest.is_refused(&["--cache-size", "0", "--compile-memory", "64MiB"]), @"
    ------- stderr -------
    error: the plugin takes more to compile than it may: the limit `compile-memory` is 64 MiB; --compile-memory raises it
    [exit status: 1]
    ");
}

#[test]
fn more_functions_than_there_may_be() {
    assert_snapshot!(module(&"(func)".repeat(1_000_001)).is_refused(&[]), @"
    ------- stderr -------
    error: hostile.wasm is no valid component: functions count exceeds limit of 1000000 (at offset 0x614)
    [exit status: 1]
    ");
}

#[test]
fn a_huge_type_section() {
    assert_snapshot!(module(&types(20_000)).attacks(&["--compile-time", "20s"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 skipped
                   1 
               0 failed
    [exit status: 0]
    ");
    assert_snapshot!(module(&types(100_000)).is_refused(&["--compile-memory", "128MiB"]), @"
    ------- stderr -------
    error: the plugin takes more to compile than it may: the limit `compile-memory` is 128 MiB; --compile-memory raises it
    [exit status: 1]
    ");
    assert_snapshot!(module(&types(1_000_001)).is_refused(&[]), @"
    ------- stderr -------
    error: hostile.wasm is no valid component: types count exceeds limit of 1000000 (at offset 0x581)
    [exit status: 1]
    ");
}

#[test]
fn a_function_that_takes_too_long_to_compile() {
    assert_snapshot!(module(&tangle(1_000, 30_000)).is_refused(&["--compile-time", "1s"]), @"
    ------- stderr -------
    error: the plugin takes more to compile than it may: the limit `compile-time` is 1s; --compile-time raises it
    [exit status: 1]
    ");
    // Less than a second is counted as one.
    assert_snapshot!(module(&tangle(1_000, 30_000)).is_refused(&["--compile-time", "10ms"]), @"
    ------- stderr -------
    error: the plugin takes more to compile than it may: the limit `compile-time` is 10ms; --compile-time raises it
    [exit status: 1]
    ");
}

#[test]
fn a_function_that_takes_too_much_memory_to_compile() {
    assert_snapshot!(module(&tangle(10_000, 10_000)).is_refused(&["--compile-memory", "200MiB"]), @"
    ------- stderr -------
    error: the plugin takes more to compile than it may: the limit `compile-memory` is 200 MiB; --compile-memory raises it
    [exit status: 1]
    ");
}

#[test]
fn limits_on_compiling_in_the_settings_file() {
    let lab = Lab::with_things([]);
    lab.write("host.toml", "[limits]\ncompile-memory = \"1MiB\"\n");
    lab.write("plugin.wasm", Guest::default().component());
    assert_snapshot!(lab.host(&["inspect", "plugin.wasm", "--cache-size", "0"]), @"
    ------- stderr -------
    error: the plugin takes more to compile than it may: the limit `compile-memory` is 1 MiB; --compile-memory raises it
    [exit status: 1]
    ");
}

#[test]
fn machine_code() {
    // As wasmtime keeps what it has compiled.
    let lab = Lab::with_things([]);
    let home = lab.path("home");
    let variables = [("XDG_CACHE_HOME", home.to_str().unwrap())];
    lab.host_with(&variables, &["inspect", guest("scripted")])
        .success();
    let entry = fs::read_dir(lab.path("home/host/compiled"))
        .unwrap()
        .next()
        .unwrap();
    let entry = fs::read(entry.unwrap().path()).unwrap();
    let code = entry
        .windows(4)
        .position(|bytes| bytes == b"\x7fELF")
        .unwrap();
    assert_snapshot!(refused(&entry[code..], &[]), @"
    ------- stderr -------
    error: plugin.wasm is machine code, not WebAssembly
    hint: give the component itself, from before it was compiled: what machine code does, nobody can check
    [exit status: 1]
    ");
    // The file of the cache is not even that.
    assert_snapshot!(refused(&entry, &[]), @"
    ------- stderr -------
    error: plugin.wasm is not WebAssembly
    hint: give the component's file, which ends in .wasm
    [exit status: 1]
    ");
}

#[test]
fn a_component_that_is_damaged() {
    let whole = fs::read(guest("scripted")).unwrap();
    let mut damaged = whole.clone();
    // The length of the first section.
    damaged[9] ^= 0x40;
    assert_snapshot!(refused(&damaged, &[]), @"
    ------- stderr -------
    error: plugin.wasm is no valid component: unexpected end-of-file (at offset 0x20c)
    [exit status: 1]
    ");
    let ran = refused(&whole[..whole.len() - 1], &[]);
    let cut_off = "error: plugin.wasm is no valid component: unexpected end-of-file";
    assert!(ran.stderr().starts_with(cut_off), "{ran}");
    let ran = refused(&[&whole[..], &[0xff; 100]].concat(), &[]);
    let too_long = "error: plugin.wasm is no valid component: malformed section id";
    assert!(ran.stderr().starts_with(too_long), "{ran}");
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end() {
    let lab = Lab::with_things([]);
    assert_snapshot!(lab.host(&["inspect", "/dev/zero", "--component-size", "1MiB"]), @"
    ------- stderr -------
    error: the plugin has 1048577 bytes, and the limit `component-size` is 1 MiB; --component-size raises it
    [exit status: 1]
    ");
}

#[test]
fn a_host_that_is_itself_called_to_compile_calls_nobody() {
    // A program that embeds the host and does not know what it is called for would go on and on.
    let lab = Lab::with_things([]);
    let inspect = ["inspect", guest("scripted"), "--cache-size", "0"];
    assert_snapshot!(lab.host_with(&[("HOST_COMPILER", "1")], &inspect), @"
    ------- stderr -------
    error: the plugin was not compiled, for the compiler failed: this process was started to compile, and does not call `serve`
    [exit status: 1]
    ");
    // Nobody but the host calls it so; it wants a task.
    assert_snapshot!(lab.host(&["__compile"]), @"
    ------- stderr -------
    there is nothing to compile; the host itself starts this
    [exit status: 1]
    ");
}

#[cfg(target_os = "linux")]
mod process {
    use std::process::Command;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::common::Running;

    /// The compiler of a host that is at work for longer than any test takes.
    struct Compiler {
        id: u32,
        host: Running,
    }

    /// Waits until there is what is looked for.
    #[track_caller]
    fn wait<T>(look: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < Duration::from_secs(120));
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the system tells of a process; None if it is gone.
    fn told(id: u32, what: &str) -> Option<String> {
        let told = fs::read(format!("/proc/{id}/{what}")).ok()?;
        Some(String::from_utf8_lossy(&told).into_owned())
    }

    /// The state of a process, as a letter, and its parent.
    fn state(id: u32) -> Option<(char, u32)> {
        let stat = told(id, "stat")?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    }

    impl Compiler {
        /// It has set its limits, and gone on.
        fn at_work(lab: &Lab) -> Self {
            let functions = tangle(1_000, 30_000);
            let plugin = module(&functions).put_into(lab);
            // The host is born with a file that is none of the compiler's business.
            let mut command = Command::new("sh");
            command
                .args(["-c", "exec 7</dev/null; exec \"$0\" \"$@\""])
                .arg(env!("CARGO_BIN_EXE_host"))
                .args(["inspect", plugin, "--cache-size", "0"])
                .args(["--compile-time", "10min", "--compile-memory", "8GiB"])
                .current_dir(lab.path(""))
                .env("HOST_SECRET_KEY", "hidden");
            let host = Running::start(&mut command);
            let id = wait(|| {
                let ids = fs::read_dir("/proc").unwrap();
                ids.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
                    .find(|id| {
                        // Until it is started, it is a copy of the host.
                        let line = told(*id, "cmdline").unwrap_or_default();
                        let parent = state(*id).map(|(_, parent)| parent);
                        line.contains("__compile") && parent == Some(host.id())
                    })
            });
            wait(|| {
                let limits = told(id, "limits")?;
                let none = |name: &str| {
                    let limit = limits.lines().find_map(|line| line.strip_prefix(name))?;
                    let is_none = limit.split_whitespace().take(2).eq(["0", "0"]);
                    is_none.then_some(())
                };
                none("Max file size").and(none("Max core file size"))
            });
            Self { id, host }
        }

        /// Waits until it has ended. Whoever inherits it may not ask how.
        fn is_over(&self) {
            wait(|| match state(self.id) {
                None | Some(('Z' | 'X', _)) => Some(()),
                Some(_) => None,
            });
        }
    }

    #[test]
    fn a_compiler_ends_with_its_host() {
        let lab = Lab::new();
        let mut compiler = Compiler::at_work(&lab);
        compiler.host.kill();
        compiler.is_over();
    }

    #[test]
    fn a_compiler_that_is_killed_is_told_of() {
        let lab = Lab::new();
        let compiler = Compiler::at_work(&lab);
        let killed = Command::new("kill")
            .args(["-KILL", &compiler.id.to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        assert_snapshot!(compiler.host.end(&lab), @"
        ------- stderr -------
        error: the plugin was not compiled, for the compiler failed: it ended with signal: 9 (SIGKILL)
        [exit status: 1]
        ");
    }

    #[test]
    fn a_compiler_has_what_it_needs_and_no_more() {
        let lab = Lab::new();
        let compiler = Compiler::at_work(&lab);
        let variables = told(compiler.id, "environ").unwrap();
        let names: Vec<_> = variables
            .split_terminator('\0')
            .map(|variable| variable.split('=').next().unwrap())
            .collect();
        assert_snapshot!(names.join(" "), @"HOST_COMPILER MIMALLOC_ARENA_EAGER_COMMIT RAYON_NUM_THREADS");
        let limits = told(compiler.id, "limits").unwrap();
        let limits: Vec<_> = limits
            .lines()
            .filter(|line| {
                ["cpu time", "file size", "data size"]
                    .iter()
                    .any(|name| line.contains(name))
            })
            .map(str::trim_end)
            .collect();
        assert_snapshot!(limits.join("\n"), @"
        Max cpu time              600                  601                  seconds
        Max file size             0                    0                    bytes
        Max data size             8589934592           8589934592           bytes
        Max core file size        0                    0                    bytes
        ");
        let files = fs::read_dir(format!("/proc/{}/fd", compiler.id)).unwrap();
        let has_the_hosts = files
            .map(|file| file.unwrap().file_name())
            .any(|number| number == "7");
        assert!(!has_the_hosts);
    }
}
