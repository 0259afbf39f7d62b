//! A unified diff of a file at whose end something was put.

use std::fmt::Write;

/// Lines of the file that are shown before what is new.
const CONTEXT: usize = 3;

/// The diff of `text` and the same with `block` at its end, as `patch` takes it. `text` may lack its last line break.
#[must_use]
pub fn appended(name: &str, text: &str, block: &str) -> String {
    let old: Vec<&str> = text.lines().collect();
    let new: Vec<&str> = block.lines().collect();
    if new.is_empty() {
        return String::new();
    }
    let shown = &old[old.len().saturating_sub(CONTEXT)..];
    let first = old.len() - shown.len() + 1;
    // As `git diff` and `patch -p1` have it, also of a path from the root.
    let name = name.trim_start_matches('/');
    let mut diff = format!(
        "--- a/{name}\n+++ b/{name}\n@@ -{first},{} +{first},{} @@\n",
        shown.len(),
        shown.len() + new.len()
    );
    let is_whole = text.is_empty() || text.ends_with('\n');
    for (place, line) in shown.iter().enumerate() {
        let is_cut = !is_whole && place + 1 == shown.len();
        if is_cut {
            let _ = writeln!(diff, "-{line}\n\\ No newline at end of file\n+{line}");
        } else {
            let _ = writeln!(diff, " {line}");
        }
    }
    for line in new {
        let _ = writeln!(diff, "+{line}");
    }
    diff
}

#[cfg(test)]
mod tests {
    use super::appended;

    #[test]
    fn the_end_of_the_file_and_what_is_new() {
        assert_eq!(
            appended("r.yml", "a\nb\nc\nd\n", "x\ny\n"),
            "--- a/r.yml\n+++ b/r.yml\n@@ -2,3 +2,5 @@\n b\n c\n d\n+x\n+y\n"
        );
        assert_eq!(
            appended("r.yml", "a", "x\n"),
            "--- a/r.yml\n+++ b/r.yml\n@@ -1,1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+x\n"
        );
        assert_eq!(appended("r.yml", "a\n", ""), "");
    }
}
