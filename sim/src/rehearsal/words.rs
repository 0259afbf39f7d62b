//! What people type in a rehearsal, a line at a time.

use super::Said;
use firedrill_reports::record::Deed;

/// Longest line that is read, bytes.
const LINE_MAX: usize = 4_000;

/// A line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// To be noted.
    Said(Said),
    /// An entry of the runbook's checklist is done: its number, from 1.
    Done(usize),
    /// How it goes.
    Status,
    /// What can be typed.
    Help,
    /// All of it is to be stopped and healed.
    Abort,
}

/// Every word with what comes after it and what it is for, as `help` lists them.
const WORDS: &[(&str, &str)] = &[
    ("ack", "you are on it"),
    ("note TEXT", "something that belongs in the timeline"),
    (
        "cause NAME",
        "what you think the cause is; `help` lists the names",
    ),
    (
        "remedy TEXT",
        "what you have done about it; the name of a remedy that firedrill can do itself, such as worker.restart, has it done",
    ),
    ("done N", "entry N of the runbook's checklist is done"),
    ("escalate WHO", "you have told the next in line"),
    (
        "status",
        "the clock, what fires, what is open on the checklist",
    ),
    ("abort", "stop all of it and heal"),
];

/// Reads a line; `None`: there is nothing in it. `causes`: the names that a cause may have.
///
/// # Errors
/// With what is wrong and what to type instead.
pub fn said(line: &str, causes: &[&str]) -> Result<Option<Word>, String> {
    if line.len() > LINE_MAX {
        return Err(format!(
            "a line may have {LINE_MAX} bytes; write what is longer into a file of your own"
        ));
    }
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let said = |what, subject: &str, text: &str| {
        let (subject, text) = (subject.to_owned(), text.to_owned());
        Ok(Some(Word::Said(Said {
            what,
            subject,
            text,
        })))
    };
    let needs = |what: &str| Err(format!("`{word}` takes {what}"));
    match word {
        "" => Ok(None),
        "ack" => said(Deed::Acknowledged, "", rest),
        "note" if rest.is_empty() => needs("a text: note TEXT"),
        "note" => said(Deed::Noted, "", rest),
        "cause" if !causes.contains(&rest) => {
            needs(&format!("the name of a cause: {}", causes.join(", ")))
        }
        "cause" => said(Deed::Suspected, rest, ""),
        "remedy" if rest.is_empty() => needs("what you have done, or the name of a remedy"),
        "remedy" => said(Deed::Remedied, "", rest),
        "escalate" => said(Deed::Escalated, rest, ""),
        "done" => match rest.parse() {
            Ok(number) => Ok(Some(Word::Done(number))),
            Err(_) => needs("the number of an entry of the checklist: done 1"),
        },
        "status" => Ok(Some(Word::Status)),
        "help" => Ok(Some(Word::Help)),
        "abort" => Ok(Some(Word::Abort)),
        _ => Err(format!("there is no word `{word}`; `help` lists them")),
    }
}

/// What `help` says.
#[must_use]
pub fn help(causes: &[&str]) -> String {
    let lines = WORDS
        .iter()
        .map(|(word, what)| format!("  {word:<13} {what}\n"));
    format!("{}causes: {}", lines.collect::<String>(), causes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAUSES: [&str; 2] = ["deadlock", "worker-crashed"];

    #[test]
    fn words_are_read_with_what_follows_them() {
        let of = |line| match said(line, &CAUSES) {
            Ok(Some(Word::Said(said))) => (said.what, said.subject, said.text),
            other => panic!("{line}: {other:?}"),
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(of(" ack \n"), (Deed::Acknowledged, text(""), text("")));
        assert_eq!(of("note  a  b"), (Deed::Noted, text(""), text("a  b")));
        assert_eq!(
            of("cause deadlock"),
            (Deed::Suspected, text("deadlock"), text(""))
        );
        assert_eq!(
            of("remedy worker.restart"),
            (Deed::Remedied, text(""), text("worker.restart"))
        );
        assert_eq!(said("done 3", &CAUSES), Ok(Some(Word::Done(3))));
        assert_eq!(said("  ", &CAUSES), Ok(None));
    }

    #[test]
    fn what_is_missing_or_unknown_is_said() {
        for (line, told) in [
            ("note", "takes a text"),
            ("cause gremlins", "deadlock, worker-crashed"),
            ("remedy", "what you have done"),
            ("done first", "done 1"),
            ("acknowledge", "`help` lists them"),
            (&format!("note {}", "x".repeat(LINE_MAX)), "4000 bytes"),
        ] {
            let error = said(line, &CAUSES).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }

    #[test]
    fn each_word_that_help_lists_is_one() {
        for (word, _) in WORDS {
            let line = word
                .replace("NAME", "deadlock")
                .replace(" N", " 1")
                .replace("TEXT", "text");
            assert!(matches!(said(&line, &CAUSES), Ok(Some(_))), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".*") {
            let _ = said(&line, &CAUSES);
        }
    }
}
