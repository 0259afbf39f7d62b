//! What stands behind a pipe: programs that only read what they are given.

use super::name;
use crate::commands::runbook::finding::Finding;
use crate::commands::runbook::trial::{self, Output, TrialError};
use regex::Regex;

/// Programs that read and print, whatever they are told, but for [`writes`].
const FILTERS: [&str; 13] = [
    "cat", "column", "cut", "egrep", "fgrep", "grep", "head", "jq", "nl", "sort", "tail", "tr",
    "wc",
];

/// What a filter did.
#[derive(Debug)]
pub(in crate::commands::runbook) struct Filtered {
    pub(in crate::commands::runbook) output: Output,
    /// What it looked for, if it is a grep; whether it shows what does not fit.
    pub(in crate::commands::runbook) looked_for: Option<LookedFor>,
}

/// A pattern of grep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands::runbook) struct LookedFor {
    pub(in crate::commands::runbook) pattern: String,
    /// `-v`.
    pub(in crate::commands::runbook) is_inverted: bool,
    /// `-c`, `-q`: lines are not printed.
    pub(in crate::commands::runbook) is_counted: bool,
}

/// Hands `input` to a program behind a pipe.
///
/// # Errors
/// That it is none of those that only read, or that it failed.
pub(in crate::commands::runbook) async fn filter(
    words: &[String],
    input: &[u8],
) -> Result<Filtered, Finding> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Finding::not_tried("there is no program behind the pipe"));
    };
    let program = name(program);
    if program == "awk" && !prints_columns(arguments) {
        return Err(Finding::not_tried(
            "`awk` is started behind a pipe only to print columns, such as '{print $2}'",
        ));
    }
    if program != "awk" && !FILTERS.contains(&program) {
        return Err(Finding::not_tried(format!(
            "`{program}` is none of the programs that are started behind a pipe: {}, and awk to print columns",
            FILTERS.join(", ")
        )));
    }
    if arguments.iter().any(|word| writes(program, word)) {
        return Err(Finding::not_tried(format!(
            "`{program}` would write a file, or start a program"
        )));
    }
    let output = trial::run(program, arguments, &[], input).await;
    let output = output.map_err(|error| match error {
        TrialError::NotStarted { .. } => Finding::not_tried(error.to_string()),
        TrialError::Slow { .. } => Finding::fails(error.to_string()),
    })?;
    let looked_for = program
        .ends_with("grep")
        .then(|| looked_for(arguments))
        .flatten();
    let found_nothing = looked_for.is_some() && output.code == Some(1) && output.err.is_empty();
    if output.code != Some(0) && !found_nothing {
        return Err(Finding::fails(format!("{program}: {}", output.complaint())));
    }
    Ok(Filtered { output, looked_for })
}

/// Whether the words after `awk` only print columns; its language can do anything else, too.
fn prints_columns(arguments: &[String]) -> bool {
    let plain = Regex::new(r"^\s*\{\s*print(\s+\$(\d+|NF)([\s,]+\$(\d+|NF))*)?\s*;?\s*\}\s*$");
    let plain = plain.expect("held by a test");
    match arguments {
        [program] => plain.is_match(program),
        [option, program] => {
            option.len() > 2 && option.starts_with("-F") && plain.is_match(program)
        }
        [option, _, program] => option == "-F" && plain.is_match(program),
        _ => false,
    }
}

/// Whether an option makes a filter do more than read.
fn writes(program: &str, word: &str) -> bool {
    program == "sort"
        && (word.starts_with("-o")
            || word.starts_with("-T")
            || ["--o", "--compress", "--temp", "--files0"]
                .iter()
                .any(|option| word.starts_with(option)))
}

/// What a grep looks for.
fn looked_for(arguments: &[String]) -> Option<LookedFor> {
    const WITH_VALUE: [&str; 9] = [
        "-A",
        "-B",
        "-C",
        "-m",
        "-f",
        "--context",
        "--max-count",
        "--color",
        "-d",
    ];
    let mut pattern = None;
    let (mut is_inverted, mut is_counted) = (false, false);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let letters = word
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-') && !rest.is_empty());
        if matches!(word.as_str(), "-e" | "--regexp") {
            pattern = pattern.or(words.next());
        } else if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if let Some(letters) = letters {
            is_inverted |= letters.contains('v');
            is_counted |= letters.contains(['c', 'q']);
        } else if word.starts_with("--") {
            is_inverted |= word == "--invert-match";
            is_counted |= matches!(word.as_str(), "--count" | "--quiet" | "--silent");
        } else {
            pattern = pattern.or(Some(word));
        }
    }
    Some(LookedFor {
        pattern: pattern?.clone(),
        is_inverted,
        is_counted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awk_prints_columns_and_does_nothing_else() {
        let is_plain = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            prints_columns(&words)
        };
        for plain in [
            &["{print $2}"][..],
            &["{ print $1, $NF }"],
            &["{print}"],
            &["-F:", "{print $2}"],
            &["-F", ",", "{print $2 $3}"],
        ] {
            assert!(is_plain(plain), "{plain:?}");
        }
        for more in [
            &["{system(\"id\")}"][..],
            &["{print $1 > \"file\"}"],
            &["{print $1 | \"sh\"}"],
            &["-f", "program.awk"],
            &["{print $1}", "/etc/passwd"],
            &["-Fx"],
            &[],
        ] {
            assert!(!is_plain(more), "{more:?}");
        }
    }

    #[test]
    fn what_a_grep_looks_for() {
        for (line, pattern, is_inverted, is_counted) in [
            ("job_", "job_", false, false),
            ("-i error", "error", false, false),
            ("-A 3 -e x", "x", false, false),
            ("-vc ^#", "^#", true, true),
            ("--count x", "x", false, true),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let expected = LookedFor {
                pattern: pattern.to_owned(),
                is_inverted,
                is_counted,
            };
            assert_eq!(looked_for(&words), Some(expected), "{line}");
        }
    }
}
