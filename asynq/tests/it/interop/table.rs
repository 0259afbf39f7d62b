//! The table of what is proven, in the README of a crate, names tests that there are, and all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of this crate.
fn of_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Tests by file, as `file::name`.
fn tests_in_code() -> BTreeSet<String> {
    let dir = of_crate("tests/it/interop");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() || file == "table" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let tests = text.split("#[test]\nfn ").skip(1);
        found.extend(tests.map(|test| format!("{file}::{}", &test[..test.find('(').unwrap()])));
    }
    found
}

/// Tests that the table names; a name without a file is of the file named last in its cell.
fn tests_in_table() -> BTreeSet<String> {
    let text = fs::read_to_string(of_crate("README.md")).unwrap();
    let (_, section) = text.split_once("## Beside the real asynq\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut found = BTreeSet::new();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    for cell in rows.skip(2).flat_map(|row| row.split('|').skip(2)) {
        let mut file = "";
        for named in cell
            .split(',')
            .map(str::trim)
            .filter(|named| !named.is_empty())
        {
            let name = match named.split_once(": ") {
                Some((of, name)) => {
                    file = of;
                    name
                }
                None => named,
            };
            found.insert(format!("{file}::{}", name.trim_matches('`')));
        }
    }
    found
}

#[test]
fn every_interop_test_has_its_place_in_the_table() {
    assert_eq!(tests_in_table(), tests_in_code());
}
