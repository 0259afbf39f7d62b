//! A runbook as Markdown: its commands, and the names it mentions.

use super::programs;

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

/// A block between fences.
struct Fence {
    /// The characters that close it.
    mark: &'static str,
    kind: Kind,
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
        let mut page = Self::default();
        let mut fence: Option<Fence> = None;
        let (mut heading, mut head_of_table) = (String::new(), String::new());
        // How far text is indented, and whether a block without fences may begin or is open.
        let (mut margin, mut may_be_code) = (0, true);
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let trimmed = line.trim_start();
            if let Some(open) = &fence {
                if trimmed.starts_with(open.mark) {
                    fence = None;
                    continue;
                }
                let Some(command) = in_block(open.kind, trimmed) else {
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
                page.commands.push(Command { line: at + 1, text });
                continue;
            }
            if let Some(mark) = ["```", "~~~"]
                .into_iter()
                .find(|mark| trimmed.starts_with(mark))
            {
                let info = trimmed.trim_start_matches(['`', '~']);
                let block = lines
                    .clone()
                    .map(|(_, line)| line.trim_start())
                    .take_while(|line| !line.starts_with(mark));
                let kind = Kind::of(info).with(block);
                fence = Some(Fence { mark, kind });
                continue;
            }
            if trimmed.is_empty() {
                may_be_code = true;
            } else if may_be_code && indent(line) >= margin + 4 {
                let text = in_block(Kind::Unnamed, trimmed).map(str::to_owned);
                let line = at + 1;
                page.commands
                    .extend(text.map(|text| Command { line, text }));
                continue;
            } else {
                may_be_code = false;
                margin = match list_marker(trimmed) {
                    Some(width) => indent(line) + width,
                    None if indent(line) == 0 => 0,
                    None => margin,
                };
            }
            if trimmed.starts_with('#') {
                trimmed.clone_into(&mut heading);
            }
            match (trimmed.starts_with('|'), head_of_table.is_empty()) {
                (true, true) => trimmed.clone_into(&mut head_of_table),
                (false, false) => head_of_table.clear(),
                _ => {}
            }
            let among_alerts = [trimmed, &heading, &head_of_table]
                .iter()
                .any(|text| text.to_lowercase().contains("alert"));
            page.in_text(at + 1, line, among_alerts);
        }
        page
    }

    /// What stands in `code` in a line of text.
    fn in_text(&mut self, line: usize, text: &str, among_alerts: bool) {
        for span in text.split('`').skip(1).step_by(2) {
            let span = span.trim();
            if programs::is_whole(span) {
                let text = span.to_owned();
                self.commands.push(Command { line, text });
            } else if !span.is_empty() {
                let text = span.to_owned();
                self.mentions.push(Mention {
                    line,
                    text,
                    among_alerts,
                });
            }
        }
    }
}

/// How many columns a line is indented; a tab is four.
fn indent(line: &str) -> usize {
    let blank = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blank.map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

/// How wide the sign of a list is that a line begins with, its blank included.
fn list_marker(line: &str) -> Option<usize> {
    let (sign, _) = line.split_once(' ')?;
    let number = sign.strip_suffix(['.', ')']).unwrap_or_default();
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    (matches!(sign, "-" | "*" | "+") || is_number).then_some(sign.len() + 1)
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
