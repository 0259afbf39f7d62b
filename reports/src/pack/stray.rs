//! Comments that look like directives and are none: nothing would come of them, without a word.

use crate::record::RuleText;
use firedrill_detector::yaml::{Position, Problem, Problems, closest, lines_in_scalars};

/// The word that directives begin with.
const WORD: &str = "firedrill";

/// Looks for comments that were meant as directives: written in capitals, without the colon, misspelt, or behind something
/// else in their line.
///
/// # Errors
/// With each of them, and how it is to be written.
pub fn check_strays(rules: &[RuleText]) -> Result<(), Vec<Problem>> {
    let mut found = Vec::new();
    for rule in rules {
        let mut problems = Problems::new(&rule.name);
        let texts = lines_in_scalars(&rule.text);
        for (index, line) in rule.text.lines().enumerate() {
            if texts.contains(&(index + 1)) {
                in_text(line, index, &mut problems);
                continue;
            }
            let Some((place, written, meant)) = stray(line) else {
                continue;
            };
            let at = Position {
                line: index + 1,
                column: 1 + line[..place].chars().count(),
            };
            let message = format!("`{written}` looks like a directive, and would be ignored");
            let hint = format!("write `# {WORD}: {meant}`, in a line of its own");
            problems.push_with_hint(at, message, hint);
        }
        found.extend(problems.into_vec());
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// A directive in the lines of a text, such as an annotation's, is a part of that text.
fn in_text(line: &str, index: usize, problems: &mut Problems) {
    let written = line.trim();
    let comment = written.strip_prefix('#').map(str::trim_start);
    if comment.is_some_and(|comment| comment.starts_with("firedrill:")) {
        let at = Position {
            line: index + 1,
            column: 1 + line.len() - line.trim_start().len(),
        };
        let message = format!("`{written}` is inside a text, where it is no directive");
        problems.push_with_hint(at, message, "write it outside, in a line of its own");
    }
}

/// Where in a line it stands, as written, and what follows the word.
fn stray(line: &str) -> Option<(usize, &str, &str)> {
    let indent = line.len() - line.trim_start().len();
    let whole = &line[indent..];
    if let Some(comment) = whole.strip_prefix('#') {
        if comment.trim_start().starts_with("firedrill:") {
            return None;
        }
        let text = whole.trim_start_matches(|c: char| c == '#' || c == '-' || c.is_whitespace());
        return meant(text, true).map(|meant| (indent, whole.trim_end(), meant));
    }
    let mut comments = line.match_indices('#').filter(|(place, _)| {
        let before = line[..*place].chars().next_back();
        before.is_some_and(char::is_whitespace)
    });
    comments.find_map(|(place, _)| {
        let comment = &line[place..];
        let text = comment.trim_start_matches(|c: char| c == '#' || c.is_whitespace());
        meant(text, false).map(|meant| (place, comment.trim_end(), meant))
    })
}

/// What a comment was meant to say, if it was meant as a directive; `alone`: it has the line for itself.
fn meant(text: &str, alone: bool) -> Option<&str> {
    let is_word = |c: char| c.is_alphabetic() || c == '-' || c == '_';
    let (word, rest) = text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()));
    // In two words.
    let (word, rest) = match rest.trim_start().get(..5) {
        Some(second)
            if word.eq_ignore_ascii_case("fire") && second.eq_ignore_ascii_case("drill") =>
        {
            (WORD, &rest.trim_start()[5..])
        }
        _ => (word, rest),
    };
    let has_colon = rest.trim_start().starts_with(':');
    let said = rest
        .trim_start_matches(|c: char| c == ':' || c == '=' || c.is_whitespace())
        .trim_end();
    let lower = word.to_lowercase();
    let is_ours = lower == WORD;
    if is_ours && has_colon && alone {
        return Some(said);
    }
    let is_near = closest(&lower, [WORD]).is_some();
    let is_directive = is_directive(said);
    ((is_ours || (is_near && has_colon)) && is_directive).then_some(said)
}

/// Whether a text has the form of a directive, whatever it names.
fn is_directive(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    match words.as_slice() {
        ["cause" | "causes", rest @ ..] => rest
            .iter()
            .any(|word| ["expects", "accepts", "expect", "accept"].contains(word)),
        ["no-data-ok" | "no_data_ok" | "nodata-ok", ..] => true,
        [first, ..] => {
            let first = first.trim_end_matches('=');
            matches!(first, "pages" | "page") && lower.contains('=')
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let rule = RuleText {
            name: "r.yml".into(),
            text: text.into(),
        };
        let found = check_strays(&[rule]).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_directive_in_a_text_is_refused_and_one_behind_it_is_not() {
        let text = "groups:\n- rules:\n  - alert: A\n    expr: |\n      up == 0\n      # firedrill: no-data-ok A\n    \
                    # firedrill: no-data-ok A\n    annotations:\n      summary: \"one\n        # firedrill: pages = a\"\n";
        let found = problems(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("r.yml:6:7: `# firedrill: no-data-ok A` is inside a text"),
            "{found:?}"
        );
        assert!(found[1].starts_with("r.yml:10:9: "), "{found:?}");
        assert!(problems("a: |\n  fire # firedrill\n").is_empty());
        // One line of a text; and an indentation that the first line does not tell.
        assert_eq!(
            problems("a: |\n  # firedrill: no-data-ok A\nb: c\n").len(),
            1
        );
        assert_eq!(
            problems("a: |2-\n      one\n    # firedrill: no-data-ok A\nb: c\n").len(),
            1
        );
    }

    #[test]
    fn what_looks_like_a_directive_is_told_with_what_was_meant() {
        for (line, column, meant) in [
            ("# Firedrill: pages = warning", 1, "pages = warning"),
            ("# FIREDRILL : no-data-ok A", 1, "no-data-ok A"),
            (
                "  # firedrill cause slow-jobs expects A",
                3,
                "cause slow-jobs expects A",
            ),
            (
                "# firedrill : cause slow-jobs expects A",
                1,
                "cause slow-jobs expects A",
            ),
            ("# fire drill: pages = warning", 1, "pages = warning"),
            ("# fire-drill: no-data-ok A", 1, "no-data-ok A"),
            ("# firedril: no-data-ok A", 1, "no-data-ok A"),
            ("## firedrill: no-data-ok A", 1, "no-data-ok A"),
            ("# firedrill = no-data-ok A", 1, "no-data-ok A"),
            ("- alert: A # firedrill: no-data-ok A", 12, "no-data-ok A"),
        ] {
            let found = problems(&format!("groups:\n{line}\n"));
            let told = format!(
                "r.yml:2:{column}: `{}` looks like a directive, and would be ignored\n    write `# firedrill: {meant}`",
                &line[column - 1..]
            );
            assert_eq!(found.len(), 1, "{line}");
            assert!(found[0].starts_with(&told), "{line}: {}", found[0]);
        }
    }

    #[test]
    fn prose_is_left_alone() {
        for line in [
            "# firedrill: pages = warning",
            "#firedrill: no-data-ok A",
            "# firedrill pages people at night",
            "# firedrill causes trouble",
            "# see firedrill: it replays incidents",
            "# fires: when a drill is on",
            "- alert: A # firedrill finds this one slow",
            "  summary: 'https://example.com/x#firedrill: pages = all'",
            "# drill: cause of it all",
        ] {
            assert_eq!(problems(line), Vec::<String>::new(), "{line}");
        }
    }
}
