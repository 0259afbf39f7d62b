//! The book and the README: what they show is what the binary prints.
//!
//! Each page is typed from top to bottom in an empty folder of its own. A fence says what is done with it:
//!
//! * `console`: each line after `$ ` is run by a shell, and what follows it is what it prints; a line `...` stands for any
//!   lines. A command that fails must end in `; echo "exit code $?"`. Output without `...` is renewed by `UPDATE_DOCS=1`.
//! * `console live`: not run, for it would take minutes, a Redis or a Prometheus of one's own; each `firedrill` in it must be
//!   one that the binary understands.
//! * a language and a path, such as `yaml alerts/mine.yml`: the file is written.
//!
//! The time in the names of directories is not compared, nor how long something took.

use crate::support::{firedrill, project};
use clap::Parser;
use firedrill::args::Cli;
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block: its info string, the lines in it, and the number of the first of them.
struct Fence<'a> {
    info: &'a str,
    lines: Vec<&'a str>,
    at: usize,
}

/// A command of a block, and what the page says it prints.
struct Shown<'a> {
    command: String,
    output: Vec<&'a str>,
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![project("README.md")];
    let docs = fs::read_dir(project("docs")).unwrap();
    pages.extend(
        docs.map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "md")),
    );
    pages.sort();
    pages
}

fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut found: Vec<Fence<'_>> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => {
                let lines = Vec::new();
                let at = index + 1;
                found.push(Fence { info, lines, at });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => found.last_mut().unwrap().lines.push(line),
            (None, false) => {}
        }
    }
    assert!(!open, "a fence is not closed");
    found
}

fn shown<'a>(fence: &Fence<'a>) -> Vec<Shown<'a>> {
    let mut all: Vec<Shown<'a>> = Vec::new();
    for line in &fence.lines {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Shown {
                command: command.to_owned(),
                output: Vec::new(),
            });
        } else {
            let last = all.last_mut().expect("a console block begins with `$ `");
            last.output.push(line);
        }
    }
    all
}

/// What differs from run to run is the same.
fn settled(text: &str) -> String {
    let time = Regex::new(r"\d{8}T\d{6}Z").unwrap();
    let took = Regex::new(r"took \d+ s").unwrap();
    let text = time.replace_all(text, "20261129T120000Z");
    let text = took.replace_all(&text, "took 1 s");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Whether `printed` is what the page says, where `...` stands for any lines.
fn agrees(said: &[&str], printed: &[&str]) -> bool {
    match said {
        [] => printed.is_empty(),
        ["...", rest @ ..] => (0..=printed.len()).any(|skip| agrees(rest, &printed[skip..])),
        [first, rest @ ..] => printed
            .split_first()
            .is_some_and(|(line, others)| line == first && agrees(rest, others)),
    }
}

/// Runs what a person would type: what it prints, or what it says where it prints nothing.
fn typed(dir: &Path, command: &str) -> String {
    let program = firedrill();
    let mut shell = Command::new("bash");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let own = Path::new(program.get_program()).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{path}", own.display()));
    shell.env("COLUMNS", "120").env_remove("NO_COLOR");
    let output = shell
        .current_dir(dir)
        .args(["-c", command])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| settled(&String::from_utf8_lossy(bytes));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "$ {command}\n{out}\n{err}");
    match out.strip_prefix("exit code ") {
        // It failed with nothing but an error, which is what a person sees.
        Some(_) => format!("{err}\n{out}"),
        None if out.is_empty() => err,
        None => out,
    }
}

/// Each `firedrill` of a line that is not run can be typed so.
fn is_understood(line: &str) -> Result<(), String> {
    let command = line.split(" #").next().unwrap_or_default();
    for part in command.split([';', '|', '&']) {
        let Some(words) = part.trim().strip_prefix("firedrill ") else {
            continue;
        };
        let words = shell_words(words);
        let words = ["firedrill".to_owned()].into_iter().chain(words);
        Cli::try_parse_from(words).map_err(|error| format!("$ {line}\n{error}"))?;
    }
    Ok(())
}

/// The words of a line, quotes taken off.
fn shell_words(line: &str) -> Vec<String> {
    let words = format!("printf '%s\\n' {line}");
    let output = Command::new("bash")
        .args(["-f", "-c", &words])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Goes through a page; answers it as it should be.
fn gone_through(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let renew = std::env::var_os("UPDATE_DOCS").is_some();
    // From the end, so that numbers of lines stay true; but run in their order.
    let mut changes: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for fence in fences(&text) {
        let mut info = fence.info.split_whitespace();
        match (info.next(), info.next()) {
            (Some("console"), None) => {
                let mut now = Vec::new();
                for Shown { command, output } in shown(&fence) {
                    let printed = typed(dir.path(), &command);
                    let printed: Vec<&str> = printed.lines().collect();
                    now.push(format!("$ {command}"));
                    if output.is_empty() || agrees(&output, &printed) {
                        now.extend(output.iter().map(|line| (*line).to_owned()));
                    } else {
                        let at = format!("{}:{}", path.display(), fence.at);
                        assert!(
                            renew && !output.contains(&"..."),
                            "{at}: $ {command}\nprints\n{}\nand not\n{}",
                            printed.join("\n"),
                            output.join("\n")
                        );
                        now.extend(printed.iter().map(|line| (*line).to_owned()));
                    }
                }
                changes.push((fence.at, fence.lines.len(), now));
            }
            (Some("console"), Some("live")) => {
                for Shown { command, .. } in shown(&fence) {
                    is_understood(&command)
                        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                }
            }
            (Some(_), Some(file)) => {
                let file = dir.path().join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, fence.lines.join("\n") + "\n").unwrap();
            }
            _ => {}
        }
    }
    for (at, many, now) in changes.into_iter().rev() {
        lines.splice(at..at + many, now);
    }
    lines.join("\n") + "\n"
}

#[test]
fn what_the_book_shows_is_what_is_printed() {
    let renew = std::env::var_os("UPDATE_DOCS").is_some();
    for path in pages() {
        let now = gone_through(&path);
        if renew {
            fs::write(&path, now).unwrap();
        }
    }
}

#[test]
fn links_of_the_book_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut wrong = Vec::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let there = if anchor.is_empty() {
                file.exists()
            } else {
                fs::read_to_string(&file).is_ok_and(|text| anchors(&text).any(|has| has == anchor))
            };
            if !there {
                wrong.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The anchors that forges make of headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = fs::read_to_string(project("docs/SUMMARY.md")).unwrap();
    for path in pages() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.starts_with(project("docs")) && name != "SUMMARY.md" {
            assert!(summary.contains(&format!("({name})")), "{name}");
        }
    }
}
