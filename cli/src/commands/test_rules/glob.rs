//! The patterns of `rule_files`, as Go's `path/filepath` reads them: `*` and `?` within a name, `[a-z]`, `[^a-z]`, `\`
//! before a character that shall be itself. (The crates for globs know other classes, and `**`.)

use regex::Regex;
use std::path::{Component, Path, PathBuf};

/// A pattern that is none; displays as Go says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct BadPattern;

/// A pattern of a test file as seen from where we are: relative patterns are relative to the test file. The empty
/// pattern stays what it is, and matches nothing.
pub(super) fn beside(test_file: &Path, pattern: &str) -> String {
    if pattern.is_empty() || Path::new(pattern).is_absolute() {
        return pattern.to_owned();
    }
    let folder = test_file.parent().unwrap_or(Path::new(""));
    cleaned(&folder.join(pattern)).display().to_string()
}

/// The path without `.` and without what a `..` after it takes back, as `filepath.Clean`.
fn cleaned(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        return PathBuf::from(".");
    }
    parts.into_iter().collect()
}

/// What the pattern matches, each folder's names in order. What cannot be read matches nothing.
pub(crate) fn files(pattern: &str) -> Result<Vec<PathBuf>, BadPattern> {
    // A bad pattern is one even where nothing is compared with it.
    for name in pattern.split('/') {
        name_pattern(name)?;
    }
    if !has_wildcards(pattern) {
        let path = PathBuf::from(pattern);
        let there = !pattern.is_empty() && path.symlink_metadata().is_ok();
        return Ok(if there { vec![path] } else { Vec::new() });
    }
    let (folder, name) = match pattern.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(parts) => parts,
        None => ("", pattern),
    };
    let folders = match has_wildcards(folder) {
        true => files(folder)?,
        false => vec![PathBuf::from(folder)],
    };
    let wanted = name_pattern(name)?;
    let found = folders.iter().flat_map(|folder| matching(folder, &wanted));
    Ok(found.collect())
}

pub(crate) fn has_wildcards(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

fn matching(folder: &Path, wanted: &Regex) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = std::fs::read_dir(listed).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| wanted.is_match(name)).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// The pattern of one name as a regular expression.
fn name_pattern(pattern: &str) -> Result<Regex, BadPattern> {
    let mut out = String::from("^(?s:");
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '\\' => literal(chars.next().ok_or(BadPattern)?, &mut out),
            '[' => class(&mut chars, &mut out)?,
            _ => literal(char, &mut out),
        }
    }
    out.push_str(")$");
    Regex::new(&out).map_err(|_| BadPattern)
}

/// A class, after its `[`: at least one character or range, the first of which may be no `]`.
fn class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), BadPattern> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            break;
        }
        let low = end_of_range(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => end_of_range(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
    // A range from high to low matches nothing.
    ranges.retain(|(low, high)| low <= high);
    match (ranges.is_empty(), negated) {
        (true, true) => out.push('.'),
        (true, false) => out.push_str("[^\\s\\S]"),
        (false, _) => {
            out.push_str(if negated { "[^" } else { "[" });
            for (low, high) in ranges {
                literal(low, out);
                out.push('-');
                literal(high, out);
            }
            out.push(']');
        }
    }
    Ok(())
}

fn end_of_range(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
    match chars.next() {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => chars.next().ok_or(BadPattern),
        Some(char) => Ok(char),
    }
}

fn literal(char: char, out: &mut String) {
    out.push_str(&format!("\\x{{{:x}}}", u32::from(char)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (pattern, name, matches) in [
            ("*.yml", "a.yml", true),
            ("*.yml", ".yml", true),
            ("*.yml", "a.yaml", false),
            ("a?c", "aéc", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[c-a]", "b", false),
            ("[\\]^]", "]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a.c", "abc", false),
            ("[!a]", "!", true),
        ] {
            let found = name_pattern(pattern).unwrap().is_match(name);
            assert_eq!(found, matches, "{pattern} {name}");
        }
        for bad in [
            "[", "[]", "[]a]", "[a", "[a-", "[a-]", "[-a]", "\\", "[^]", "a[\\",
        ] {
            assert!(name_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_are_relative_to_the_test_file() {
        for (file, pattern, seen) in [
            ("t.yml", "r.yml", "r.yml"),
            ("./a/t.yml", "../r/./*.yml", "r/*.yml"),
            ("../t.yml", "r.yml", "../r.yml"),
            ("a/t.yml", "..", "."),
            ("/a/t.yml", "../../../r.yml", "/r.yml"),
            ("a/t.yml", "/b//r.yml", "/b//r.yml"),
            ("a/t.yml", "", ""),
        ] {
            assert_eq!(beside(Path::new(file), pattern), seen, "{file} {pattern}");
        }
    }
}
