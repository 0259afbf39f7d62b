//! What a runbook has to be tried: its commands, and the names it mentions.

use super::programs;
use firedrill_sim::markdown::{self, Kind as Markdown, Span, Style, each};

/// A command of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// Line of the file, from 1; of a command that goes on over several lines, the first.
    pub(super) line: usize,
    /// As it is written, without a prompt, on one line.
    pub(super) text: String,
}

/// A name in `code` of running text, a heading or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    /// Line of the file, from 1.
    pub(super) line: usize,
    /// What stands between the backquotes.
    pub(super) text: String,
    /// Whether its line, the head of its table or its heading speaks of alerts.
    pub(super) among_alerts: bool,
}

/// What a runbook has for us.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) commands: Vec<Command>,
    pub(super) mentions: Vec<Mention>,
}

/// What the lines of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Commands, one a line.
    Shell,
    /// Commands after a prompt, and what they print.
    Console,
    /// Nobody says; commands are told by their programs.
    Unnamed,
    /// Something else, such as YAML.
    Other,
}

impl Kind {
    fn of(info: &str) -> Self {
        let name = info.trim().split([' ', '{', ',']).next();
        match name.unwrap_or_default().to_lowercase().as_str() {
            "bash" | "sh" | "shell" | "zsh" => Self::Shell,
            "console" | "shell-session" | "shellsession" | "terminal" => Self::Console,
            "" => Self::Unnamed,
            _ => Self::Other,
        }
    }
}

impl Kind {
    /// What they are where some of them have a prompt: the others are what was printed.
    fn with<'l>(self, mut lines: impl Iterator<Item = &'l str>) -> Self {
        match self {
            Self::Shell | Self::Unnamed if lines.any(|line| line.starts_with("$ ")) => {
                Self::Console
            }
            _ => self,
        }
    }
}

impl Page {
    /// Reads a runbook. Any text is one.
    pub(super) fn read(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let line = |number: usize| lines.get(number - 1).copied().unwrap_or_default();
        let mut page = Self::default();
        let mut heading = "";
        each(&markdown::read(text), &mut |block| match &block.kind {
            Markdown::Code { info, code } => {
                page.in_code(block.line, info.as_deref().unwrap_or_default(), code);
            }
            Markdown::Heading { text, .. } => {
                heading = line(block.line);
                page.in_text(text, &|_| speaks_of_alerts(heading));
            }
            Markdown::Text { text } => {
                // Rows without a line between them and their head are no table, and are meant to be one.
                let first = line(block.line).trim_start();
                let head = if first.starts_with('|') { first } else { "" };
                page.in_text(text, &|own| {
                    [line(own), heading, head].into_iter().any(speaks_of_alerts)
                });
            }
            Markdown::Table { head, rows } => {
                let above = line(block.line);
                for cell in head.iter().chain(rows.iter().flatten()) {
                    page.in_text(cell, &|own| {
                        [line(own), heading, above]
                            .into_iter()
                            .any(speaks_of_alerts)
                    });
                }
            }
            Markdown::List { .. } | Markdown::Quote { .. } | Markdown::Rule => {}
        });
        page
    }

    /// The commands of a block of code whose first line is this one.
    fn in_code(&mut self, first: usize, info: &str, code: &str) {
        let kind = Kind::of(info).with(code.lines().map(str::trim_start));
        let mut lines = (first..).zip(code.lines());
        while let Some((line, text)) = lines.next() {
            let Some(command) = in_block(kind, text.trim_start()) else {
                continue;
            };
            let mut command = command.to_owned();
            // A line that ends in a backslash goes on in the next.
            while command.ends_with('\\') && !command.ends_with("\\\\") {
                command.pop();
                let Some((_, more)) = lines.next() else { break };
                command.push_str(more.trim());
            }
            let text = command.trim().to_owned();
            self.commands.push(Command { line, text });
        }
    }

    /// What stands in `code` in text; `among_alerts`: whether what is on a line is among alerts.
    fn in_text(&mut self, spans: &[Span], among_alerts: &dyn Fn(usize) -> bool) {
        for span in spans.iter().filter(|span| span.style == Style::Code) {
            let (line, text) = (span.line, span.text.trim().to_owned());
            if programs::is_whole(&text) {
                self.commands.push(Command { line, text });
            } else if !text.is_empty() {
                self.mentions.push(Mention {
                    line,
                    text,
                    among_alerts: among_alerts(line),
                });
            }
        }
    }
}

fn speaks_of_alerts(text: &str) -> bool {
    text.to_lowercase().contains("alert")
}

/// The command in a line of a block, without its prompt.
fn in_block(kind: Kind, line: &str) -> Option<&str> {
    let prompted = line.strip_prefix("$ ");
    let command = match kind {
        Kind::Other => None,
        Kind::Console => prompted,
        Kind::Shell => Some(prompted.unwrap_or(line)),
        Kind::Unnamed => {
            Some(prompted.unwrap_or(line)).filter(|line| programs::begins_with_one(line))
        }
    };
    let command = command?.trim();
    (!command.is_empty() && !command.starts_with('#')).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_blocks_and_code() {
        let text = "Use `asynq queue ls`, the `asynq` tool, or `docker exec`.\n\
                    asynq in running text\n\
                    ```bash\n\
                    # asynq comment\n\
                    $ asynq stats\n\
                    pending 3\n\
                    $ docker logs worker \\\n  --tail 5 | wc -l\n\
                    ```\n\
                    ```yaml\n\
                    asynq: queue\n\
                    ```\n\
                    ```console\n\
                    $ asynq queue ls\n\
                    asynq printed this\n\
                    ```\n\
                    ```\n\
                    redis-cli PING\n\
                    PONG\n\
                    ```\n\
                    Or:\n\n    redis-cli DBSIZE\n    42\n\n\
                    - a list\n\n    redis-cli is a program\n";
        let page = Page::read(text);
        let found: Vec<(usize, &str)> = page
            .commands
            .iter()
            .map(|command| (command.line, command.text.as_str()))
            .collect();
        let expected = [
            (1, "asynq queue ls"),
            (5, "asynq stats"),
            (7, "docker logs worker --tail 5 | wc -l"),
            (14, "asynq queue ls"),
            (18, "redis-cli PING"),
            (23, "redis-cli DBSIZE"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn names_are_mentioned_among_alerts_or_not() {
        let text = "# Runbook\n\
                    | Field | Value |\n| **Alert Name(s)** | `JobQueueBacklog` |\n\n\
                    Pods are `CrashLoopBackOff`.\n\
                    ### Related Alerts\n- `JobFailureRate`\n\
                    ## Metrics\n| Metric | Alert Threshold |\n| `job_processed_total` | 3 |\n";
        let found: Vec<(usize, String, bool)> = Page::read(text)
            .mentions
            .into_iter()
            .map(|mention| (mention.line, mention.text, mention.among_alerts))
            .collect();
        let expected = [
            (3, "JobQueueBacklog", true),
            (5, "CrashLoopBackOff", false),
            (7, "JobFailureRate", true),
            (10, "job_processed_total", true),
        ];
        assert_eq!(
            found,
            expected.map(|(line, text, among)| (line, text.to_owned(), among))
        );
    }
}
