//! Data flows one way: what a module of this crate may use of the others, held by a table.

use crate::support::project;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the crate, each below those that may use it.
const ORDER: [&str; 46] = [
    // What is written, and what engines can do.
    "units",
    "form",
    "lever",
    "fault",
    "remedy",
    "world",
    // What is meant.
    "plan",
    "agenda",
    "scenario",
    "builtin",
    // What comes of it, whoever carries it out.
    "producer",
    "handler",
    "resource",
    "audit",
    // Of this machine: files and what is in them, processes, signals.
    "abort",
    "files",
    "markdown",
    "guard",
    "owner",
    "pidfd",
    "program",
    "signals",
    // What is served and fetched.
    "metrics",
    "scrape",
    "http",
    "toxiproxy",
    // Of live drills.
    "kubernetes",
    "undo",
    "redis_server",
    "ledger",
    "pulse",
    "alerts",
    "worker",
    // Drills that people take part in.
    "rehearsal",
    // Both engines, and what they serve.
    "engine",
    "cleanup",
    "reaper",
    "drill",
    "load",
    "view",
    "agreement",
    "pace",
    "estimate",
    "vary",
    "whatif",
    "learn",
];

/// Those that may use each other, and why.
const CIRCLES: [(&str, &str, &str); 1] = [(
    "undo",
    "redis_server",
    "a server and its directory are written down when they are made, and ended by what is written",
)];

/// The Rust sources of a module, without those of tests.
fn sources(module: &str) -> Vec<PathBuf> {
    let source = project("sim/src");
    let mut found = vec![source.join(format!("{module}.rs"))];
    let mut folders = vec![source.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    let is_test = |path: &PathBuf| {
        path.components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    };
    found.retain(|path| !is_test(path));
    found
}

/// The modules of the crate that a file names, outside of comments and of its tests.
fn used(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let code = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in lines {
        // Names in `crate::{a, b}` do not occur: the formatter gives each module a line.
        for after in line.split("crate::").skip(1) {
            let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
            found.insert(after.chars().take_while(|c| is_of_name(*c)).collect());
        }
    }
    found
}

#[test]
fn every_module_stands_in_the_table() {
    let declared = fs::read_to_string(project("sim/src/lib.rs")).unwrap();
    let names = declared.lines().filter_map(|line| {
        let (_, name) = line.split_once("mod ")?;
        name.strip_suffix(';')
    });
    let declared: BTreeSet<&str> = names.collect();
    let known = BTreeSet::from(ORDER);
    assert_eq!(declared, known);
}

#[test]
fn arrows_point_down() {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let is_circle = |one: &str, other: &str| {
        CIRCLES
            .iter()
            .any(|(a, b, _)| (one, other) == (*a, *b) || (one, other) == (*b, *a))
    };
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for (at, module) in ORDER.iter().enumerate() {
        for path in sources(module) {
            for name in used(&path).iter().filter(|name| name.as_str() != *module) {
                let Some(of) = place(name) else { continue };
                arrows += 1;
                if of > at && !is_circle(module, name) {
                    wrong.push(format!("{} uses {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(arrows > 200, "hardly any were found: {arrows}");
    for (one, other, why) in CIRCLES {
        let uses = |module: &str, name: &str| {
            let mut files = sources(module).into_iter();
            files.any(|path| used(&path).contains(name))
        };
        assert!(
            uses(one, other) && uses(other, one),
            "{one} and {other} are no circle any more ({why})"
        );
    }
}
