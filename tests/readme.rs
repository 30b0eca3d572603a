//! The README shows what a newcomer will see.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{checkout, plugin};

/// A command of the transcript, and what it is shown to write.
struct Shown {
    command: String,
    output: String,
}

/// The commands of the README's transcript.
fn transcript() -> Vec<Shown> {
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```console\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let mut shown: Vec<Shown> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => shown.push(Shown {
                command: command.to_owned(),
                output: String::new(),
            }),
            None => {
                let last = shown.last_mut().unwrap();
                last.output.push_str(line);
                last.output.push('\n');
            }
        }
    }
    shown
}

/// Times differ from machine to machine.
fn without_time(text: &str) -> String {
    text.lines()
        .map(|line| match line.split_once(" finished in ") {
            Some((before, time)) if time.ends_with(" s") => format!("{before} finished\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn the_transcript_is_what_a_newcomer_sees() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(plugin("split-name"), folder.path().join("split-name.wasm")).unwrap();
    let transcript = transcript();
    // The transcript shows its own input.
    let input = &transcript[0];
    assert_eq!(input.command, "cat people.jsonl");
    fs::write(folder.path().join("people.jsonl"), &input.output).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_host"));
    for shown in &transcript[1..] {
        let words: Vec<_> = shown.command.split(' ').collect();
        assert_eq!(words[0], "host", "{}", shown.command);
        let output = Command::new(binary)
            .args(&words[1..])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let written = [output.stdout, output.stderr].concat();
        assert_eq!(
            without_time(&String::from_utf8(written).unwrap()),
            without_time(&shown.output),
            "{}",
            shown.command
        );
    }
    assert_eq!(transcript.len(), 7);
}
