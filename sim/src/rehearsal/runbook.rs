//! A team's runbook beside a rehearsal: its text, the section about an alert, and the checklist.

use crate::markdown::{Block, Kind, Span, each, plain, read};
use std::fmt;

/// A runbook in Markdown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runbook {
    /// Where it is.
    path: String,
    blocks: Vec<Block>,
    /// Entries of its checklists (`- [ ] ...`), in order.
    checklist: Vec<String>,
}

/// Where a runbook tells of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The runbook.
    pub path: String,
    /// Line of its heading, from 1; without one, of the alert's name.
    pub line: usize,
    /// What the heading says; may be empty.
    pub title: String,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)?;
        match self.title.is_empty() {
            true => Ok(()),
            false => write!(f, " \"{}\"", self.title),
        }
    }
}

impl Runbook {
    /// Of a text.
    #[must_use]
    pub fn read(path: &str, text: &str) -> Self {
        let blocks = read(text);
        let mut found = Vec::new();
        each(&blocks, &mut |block| {
            let Kind::List { items, .. } = &block.kind else {
                return;
            };
            for item in items {
                let says = item.blocks.first().map(|block| block.kind.text());
                found.extend(item.tick.map(|tick| (tick, says.unwrap_or_default())));
            }
        });
        // An entry of a list within one that has a box comes after that one's.
        found.sort_unstable();
        Self {
            path: path.to_owned(),
            blocks,
            checklist: found
                .into_iter()
                .map(|(_, says)| says.trim().to_owned())
                .collect(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it says.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Entries of its checklist.
    #[must_use]
    pub fn checklist(&self) -> &[String] {
        &self.checklist
    }

    /// Where it tells of an alert: the first heading that has the alert's name, or else the one above the first place that has it.
    /// `None`: it does not.
    #[must_use]
    pub fn section(&self, alert: &str) -> Option<Section> {
        let mut above = (None, String::new());
        let mut named = None;
        let mut first = None;
        each(&self.blocks, &mut |block| {
            let is_heading = matches!(block.kind, Kind::Heading { .. });
            if is_heading {
                above = (Some(block.line), block.kind.text());
            }
            let Some(line) = named_in(block, alert) else {
                return;
            };
            let here = || (above.0.unwrap_or(line), above.1.clone());
            if is_heading {
                named.get_or_insert_with(here);
            }
            first.get_or_insert_with(here);
        });
        let (line, title) = named.or(first)?;
        Some(Section {
            path: self.path.clone(),
            line,
            title: title.trim().to_owned(),
        })
    }
}

/// The line on which a block itself has a name. A comment among commands tells nothing.
fn named_in(block: &Block, name: &str) -> Option<usize> {
    let in_spans = |spans: &[Span]| {
        names(&plain(spans), name).then(|| {
            let own = spans.iter().find(|span| names(&span.text, name));
            own.map_or(block.line, |span| span.line)
        })
    };
    match &block.kind {
        Kind::Heading { text, .. } | Kind::Text { text } => in_spans(text),
        Kind::Table { head, rows } => {
            let mut cells = head.iter().chain(rows.iter().flatten());
            cells.find_map(|cell| in_spans(cell))
        }
        Kind::Code { code, .. } => {
            let mut lines = (block.line..).zip(code.lines());
            let found = lines.find(|(_, line)| !line.starts_with('#') && names(line, name));
            found.map(|(line, _)| line)
        }
        Kind::List { .. } | Kind::Quote { .. } | Kind::Rule => None,
    }
}

/// Whether a line has a name as a word of its own.
fn names(line: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !name.is_empty() && !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Runbook: Backlog\n\n## Metadata\n| **Alert Name(s)** | `JobQueueBacklog`, `JobProcessingStalled` |\n\n\
## Quick Response Checklist\n- [ ] **Acknowledge** - Acknowledge the alert\n  - [ ] In the pager\n- [x] Look\n\n\
```bash\n# JobFailureRate in a comment\n- [ ] not one\n```\n\n### JobQueueBacklog\nText.\n";

    #[test]
    fn an_alert_leads_to_its_heading_or_to_the_one_above_its_name() {
        let runbook = Runbook::read("r.md", TEXT);
        let of = |alert| runbook.section(alert).map(|section| section.to_string());
        assert_eq!(
            of("JobQueueBacklog").unwrap(),
            "r.md:16 \"JobQueueBacklog\""
        );
        assert_eq!(of("JobProcessingStalled").unwrap(), "r.md:3 \"Metadata\"");
        assert_eq!(
            [of("JobQueue"), of("JobFailureRate"), of("")],
            [None, None, None]
        );
        let bare = Runbook::read("r.md", "Text.\n\n- `Down` means it.\n");
        assert_eq!(bare.section("Down").unwrap().to_string(), "r.md:3");
    }

    #[test]
    fn the_checklist_is_what_has_a_box() {
        let runbook = Runbook::read("r.md", TEXT);
        let expected = [
            "Acknowledge - Acknowledge the alert",
            "In the pager",
            "Look",
        ];
        assert_eq!(runbook.checklist(), expected);
    }
}
