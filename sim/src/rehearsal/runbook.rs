//! A team's runbook beside a rehearsal: the section about an alert, and the checklist.

/// What is shown of a runbook in Markdown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runbook {
    /// Where it is.
    path: String,
    lines: Vec<String>,
    /// Entries of its checklists (`- [ ] ...`), in order.
    checklist: Vec<String>,
}

impl Runbook {
    /// Of a text.
    #[must_use]
    pub fn read(path: &str, text: &str) -> Self {
        let mut fenced = false;
        let mut lines = Vec::new();
        let mut checklist = Vec::new();
        for line in text.lines() {
            fenced ^= line.trim_start().starts_with("```");
            let boxed = ["- [ ] ", "* [ ] ", "- [x] ", "- [X] "];
            let item = boxed
                .iter()
                .find_map(|sign| line.trim_start().strip_prefix(sign));
            if let (Some(item), false) = (item, fenced) {
                checklist.push(item.replace("**", "").trim().to_owned());
            }
            // What is in a block of commands is no heading.
            let is_comment = fenced && line.starts_with('#');
            lines.push(if is_comment {
                String::new()
            } else {
                line.to_owned()
            });
        }
        Self {
            path: path.to_owned(),
            lines,
            checklist,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Entries of its checklist.
    #[must_use]
    pub fn checklist(&self) -> &[String] {
        &self.checklist
    }

    /// Where it tells of an alert: its path with the line of a heading that has the alert's name, or else of the heading above
    /// the first line that has it, and that heading. `None`: it does not.
    #[must_use]
    pub fn section(&self, alert: &str) -> Option<String> {
        let heading = |line: &str| {
            let title = line.trim_start_matches('#');
            (line.starts_with('#') && title.starts_with(' ')).then(|| title.trim().to_owned())
        };
        let has = |line: &String| names(line, alert);
        let named = self
            .lines
            .iter()
            .position(|line| heading(line).is_some() && has(line));
        let first = named.or_else(|| self.lines.iter().position(has))?;
        let above = self.lines[..=first].iter().enumerate().rev();
        let mut above = above.filter_map(|(number, line)| Some((number, heading(line)?)));
        let (number, title) = above.next().unwrap_or((first, String::new()));
        let title = match title.is_empty() {
            true => String::new(),
            false => format!(" \"{title}\""),
        };
        Some(format!("{}:{}{title}", self.path, number + 1))
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
## Quick Response Checklist\n- [ ] **Acknowledge** - Acknowledge the alert\n- [x] Look\n\n\
```bash\n# JobFailureRate in a comment\n- [ ] not one\n```\n\n### JobQueueBacklog\nText.\n";

    #[test]
    fn an_alert_leads_to_its_heading_or_to_the_one_above_its_name() {
        let runbook = Runbook::read("r.md", TEXT);
        let of = |alert| runbook.section(alert);
        assert_eq!(
            of("JobQueueBacklog").unwrap(),
            "r.md:15 \"JobQueueBacklog\""
        );
        assert_eq!(of("JobProcessingStalled").unwrap(), "r.md:3 \"Metadata\"");
        assert_eq!(
            [of("JobQueue"), of("JobFailureRate"), of("")],
            [None, None, None]
        );
    }

    #[test]
    fn the_checklist_is_what_has_a_box() {
        let runbook = Runbook::read("r.md", TEXT);
        let expected = ["Acknowledge - Acknowledge the alert", "Look"];
        assert_eq!(runbook.checklist(), expected);
    }
}
