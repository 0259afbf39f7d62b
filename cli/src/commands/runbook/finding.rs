//! What is said of a line of a runbook.

use firedrill_detector::text::counted;
use firedrill_detector::text::printable;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;

/// What a line came to; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// It was tried and says what it is asked.
    Works,
    /// It would change something, so it was not tried.
    ChangesSomething,
    /// It could not be tried here; nobody knows.
    NotTried,
    /// It ends well and says something else than it seems to.
    Misleads,
    /// It ends with an error.
    Fails,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::ChangesSomething => "not tried",
            Self::NotTried => "not tried",
            Self::Misleads => "misleads",
            Self::Fails => "fails",
        }
    }
}

/// What was found of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    /// What is wrong, why it was not tried, or what it printed first.
    pub(super) what: String,
    /// What to type instead.
    #[serde(rename = "type")]
    pub(super) typed: Vec<String>,
    /// What else to know.
    pub(super) notes: Vec<String>,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, what: impl Into<String>) -> Self {
        Self {
            verdict,
            what: what.into(),
            typed: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn fails(what: impl Into<String>) -> Self {
        Self::new(Verdict::Fails, what)
    }

    pub(super) fn misleads(what: impl Into<String>) -> Self {
        Self::new(Verdict::Misleads, what)
    }

    pub(super) fn not_tried(what: impl Into<String>) -> Self {
        Self::new(Verdict::NotTried, what)
    }

    pub(super) fn typed(mut self, line: impl Into<String>) -> Self {
        self.typed.push(line.into());
        self
    }

    /// With what is to be typed behind the words that were before the program, as `docker exec redis`.
    pub(super) fn typed_after(mut self, head: &str) -> Self {
        for typed in &mut self.typed {
            *typed = format!("{head} {typed}");
        }
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Of two parts of one line: the verdict of the worse, and what is to be said of both.
    pub(super) fn and(self, other: Self) -> Self {
        let (mut worse, better) = match self.verdict >= other.verdict {
            true => (self, other),
            false => (other, self),
        };
        if better.verdict > Verdict::Works {
            worse.notes.push(better.what);
            worse.typed.extend(better.typed);
        }
        worse.notes.extend(better.notes);
        worse
    }
}

/// A line of the runbook with what was found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Judged {
    /// From 1.
    pub(super) line: usize,
    /// The command or name, as it is written.
    pub(super) text: String,
    #[serde(flatten)]
    pub(super) finding: Finding,
}

/// All that was found in a runbook.
#[derive(Debug)]
pub(super) struct Found {
    /// The file, for people.
    pub(super) file: String,
    /// What the commands were tried on.
    pub(super) stand: Vec<String>,
    /// In the order of the file.
    pub(super) lines: Vec<Judged>,
}

impl Found {
    fn count(&self, verdict: Verdict) -> usize {
        let with = self.lines.iter();
        with.filter(|line| line.finding.verdict == verdict).count()
    }

    /// Whether every line is right; `None`: none is wrong, and not all could be tried.
    pub(super) fn passes(&self) -> Option<bool> {
        let worst = self.lines.iter().map(|line| line.finding.verdict).max();
        match worst {
            Some(Verdict::Fails | Verdict::Misleads) => Some(false),
            Some(Verdict::NotTried) => None,
            _ => Some(true),
        }
    }

    /// As text.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        for line in &self.stand {
            let _ = writeln!(text, "tried on {line}");
        }
        text.push('\n');
        for Judged {
            line,
            text: typed,
            finding,
        } in &self.lines
        {
            let word = finding.verdict.word();
            let _ = writeln!(text, "{}:{line}: {word}: {}", self.file, printable(typed));
            if !finding.what.is_empty() {
                let _ = writeln!(text, "    {}", finding.what);
            }
            for typed in &finding.typed {
                let _ = writeln!(text, "    type: {typed}");
            }
            for note in &finding.notes {
                let _ = writeln!(text, "    {note}");
            }
        }
        let _ = writeln!(
            text,
            "\n{} checked: {} work, {} fail, {} mislead, {} would change something, {} could not be tried",
            counted(self.lines.len(), "line"),
            self.count(Verdict::Works),
            self.count(Verdict::Fails),
            self.count(Verdict::Misleads),
            self.count(Verdict::ChangesSomething),
            self.count(Verdict::NotTried),
        );
        text
    }

    /// The same for machines.
    pub(super) fn json(&self) -> Value {
        json!({
            "file": self.file,
            "stand": self.stand,
            "lines": self.lines,
            "works": self.count(Verdict::Works),
            "fails": self.count(Verdict::Fails),
            "misleads": self.count(Verdict::Misleads),
            "changes_something": self.count(Verdict::ChangesSomething),
            "not_tried": self.count(Verdict::NotTried),
        })
    }
}
