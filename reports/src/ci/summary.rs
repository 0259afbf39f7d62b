//! A summary that fits where it is shown.

/// GitHub takes 1 MiB of a step's summary; this leaves room for those of others.
const BYTES_MAX: usize = 900 << 10;

/// Cuts a summary that is too long before a section, and says so.
#[must_use]
pub fn cut(markdown: &str) -> String {
    if markdown.len() <= BYTES_MAX {
        return markdown.to_owned();
    }
    let mut end = BYTES_MAX;
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &markdown[..end];
    let line = || kept.rfind('\n').map_or(kept.len(), |at| at + 1);
    let section = kept.rfind("\n### ").map(|at| at + 1).filter(|at| *at > 0);
    let kept = &kept[..section.unwrap_or_else(line)];
    let kept = kept.trim_end();
    format!("{kept}\n\nThe rest is too long for this page: it is in the report.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_summary_ends_before_a_section() {
        assert_eq!(cut("short"), "short");
        let long = format!("## a\n\n### b\n\nß\n\n### c\n\n{}", "ß\n".repeat(BYTES_MAX));
        let found = cut(&long);
        assert!(
            found.starts_with("## a\n\n### b\n\nß\n\nThe rest"),
            "{found}"
        );
        let flat = cut(&"ß\n".repeat(BYTES_MAX));
        assert!(flat.len() <= BYTES_MAX + 100 && flat.contains("ß\n\nThe rest"));
    }
}
