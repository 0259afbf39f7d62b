//! `firedrill asynq runbook`: every asynq and redis-cli command of a runbook, checked without asking Redis.

use crate::commands::asynq::misread::Misread;
use crate::commands::asynq::understand::{Understood, understand};
use crate::commands::asynq::{Answer, redis_line};
use crate::exit::Exit;
use firedrill_sim::files::shown;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Largest runbook read, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What may come before a command of ours in a shell.
const WRAPPERS: [&str; 9] = [
    "sudo",
    "docker",
    "docker-compose",
    "podman",
    "kubectl",
    "time",
    "watch",
    "exec",
    "$",
];

/// A command that is not right.
struct Wrong {
    line: usize,
    command: String,
    misread: Misread,
}

/// Checks a runbook.
pub(super) fn check(file: &Path, json: bool) -> Answer {
    let shown = shown(file);
    let text = match read(file) {
        Ok(text) => text,
        Err(reason) => return Answer::error(Exit::Usage, format!("{shown}: {reason}")),
    };
    let commands = commands(&text);
    let wrong: Vec<Wrong> = commands
        .iter()
        .filter_map(|(line, words)| judged(*line, words))
        .collect();
    let mut answer = Answer::result(match json {
        true => {
            let wrong: Value = wrong.iter().map(Wrong::json).collect();
            let file = shown.to_string();
            format!(
                "{}\n",
                json!({ "file": file, "commands": commands.len(), "wrong": wrong })
            )
        }
        false => told(&shown.to_string(), commands.len(), &wrong),
    });
    if !wrong.is_empty() {
        answer.exit = Exit::GateFailed;
    }
    answer
}

fn read(file: &Path) -> Result<String, String> {
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    if length > MAX_BYTES {
        return Err(format!("{length} bytes are more than a runbook has"));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())
}

fn told(file: &str, commands: usize, wrong: &[Wrong]) -> String {
    let mut text = String::new();
    for Wrong {
        line,
        command,
        misread,
    } in wrong
    {
        let _ = writeln!(text, "{file}:{line}: {command}\n    {}", misread.what);
        for typed in &misread.typed {
            let _ = writeln!(text, "    type: {}", whole(typed));
        }
        if let Some(note) = &misread.note {
            let _ = writeln!(text, "    {note}");
        }
    }
    let _ = writeln!(
        text,
        "{commands} commands of asynq and redis-cli checked, {} wrong",
        wrong.len()
    );
    text
}

/// A line to be typed with the name of its program.
fn whole(typed: &str) -> String {
    match typed.starts_with("redis-cli ") {
        true => typed.to_owned(),
        false => format!("asynq {typed}"),
    }
}

impl Wrong {
    fn json(&self) -> Value {
        let typed: Vec<String> = self
            .misread
            .typed
            .iter()
            .map(|typed| whole(typed))
            .collect();
        json!({
            "line": self.line,
            "command": self.command,
            "what": self.misread.what,
            "type": typed,
            "note": self.misread.note,
        })
    }
}

/// The commands of a text with the numbers of their lines: those in fenced blocks, and those in `code` of other lines.
fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            fenced = !fenced;
        } else if fenced {
            found.extend(parts(trimmed).into_iter().map(|words| (at + 1, words)));
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            let parts = spans.flat_map(parts);
            // A name in running text, such as `asynq`, is no command.
            found.extend(
                parts
                    .filter(|words| words.len() > 1)
                    .map(|words| (at + 1, words)),
            );
        }
    }
    found
}

/// The commands of ours in one line of shell.
fn parts(line: &str) -> Vec<Vec<String>> {
    if line.starts_with('#') {
        return Vec::new();
    }
    let Some(words) = shlex::split(line) else {
        return Vec::new();
    };
    let ends = |word: &String| {
        matches!(
            word.as_str(),
            "|" | "||" | "&&" | "&" | ";" | ">" | ">>" | "2>&1" | "2>/dev/null"
        )
    };
    let mut commands = Vec::new();
    for part in words.split(ends) {
        let client = |word: &String| matches!(word.rsplit('/').next(), Some("asynq" | "redis-cli"));
        let Some(at) = part.iter().position(client) else {
            continue;
        };
        let wrapped = part
            .first()
            .is_some_and(|first| WRAPPERS.contains(&first.as_str()) || first == "firedrill");
        if at == 0 || wrapped {
            let words = part[at..]
                .iter()
                .map(|word| word.trim_end_matches(';').to_owned());
            commands.push(words.collect());
        }
    }
    commands
}

fn judged(line: usize, words: &[String]) -> Option<Wrong> {
    let (program, arguments) = words.split_first()?;
    let misread = match program.ends_with("redis-cli") {
        true => redis_line::misread(words)?,
        false => match understand(arguments) {
            Understood::Not(misread, _) => *misread,
            Understood::Line(_) | Understood::Help(_) => return None,
        },
    };
    Some(Wrong {
        line,
        command: words.join(" "),
        misread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_blocks_and_code_and_behind_wrappers() {
        let text = "Use `asynq queue ls`, the `asynq` tool.\n\
                    asynq in running text\n\
                    ```bash\n\
                    # asynq comment\n\
                    $ asynq stats\n\
                    docker exec -it redis redis-cli LLEN asynq:{default}:retry | wc -l\n\
                    kubectl exec -it pod -- asynq task ls -q q -s retry && echo asynq\n\
                    echo asynq queue rm\n\
                    ```\n";
        let found: Vec<(usize, String)> = commands(text)
            .into_iter()
            .map(|(line, words)| (line, words.join(" ")))
            .collect();
        let expected = [
            (1, "asynq queue ls"),
            (5, "asynq stats"),
            (6, "redis-cli LLEN asynq:{default}:retry"),
            (7, "asynq task ls -q q -s retry"),
        ];
        assert_eq!(
            found,
            expected.map(|(line, words)| (line, words.to_owned()))
        );
    }
}
