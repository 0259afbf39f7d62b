//! A line of shell as its programs are started: words, pipes, and what comes one after the other. No shell is asked.
//!
//! What only a shell can do (variables, substitutions, files to write to) is not read, and said so.

use std::iter::Peekable;
use std::str::CharIndices;

/// Programs whose output goes from one to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) stages: Vec<Stage>,
}

/// One program of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) words: Vec<String>,
    /// What becomes of what it says on standard error.
    pub(super) errors: Errors,
    /// Whether what it prints is thrown away.
    pub(super) is_silent: bool,
}

/// What becomes of what a program says on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Errors {
    /// The terminal shows it, whatever comes after in the pipe.
    #[default]
    Shown,
    /// It goes where the output goes (`2>&1`).
    Merged,
    /// Nobody sees it (`2>/dev/null`).
    Dropped,
}

/// A word or a sign of the shell.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `|` or `|&`.
    Pipe {
        merges: bool,
    },
    /// `;`, `&&`, `||` or `&`.
    Then,
    /// A redirection: what of, and where to.
    Redirected {
        of: Of,
        to: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Input,
    Output,
    Errors,
    Both,
}

/// Reads a line.
///
/// # Errors
/// What in it only a shell can do.
pub(super) fn read(line: &str) -> Result<Vec<Pipeline>, String> {
    let mut pipelines = vec![Pipeline::default()];
    let mut stage = Stage::default();
    let end = |stage: &mut Stage, pipelines: &mut Vec<Pipeline>| {
        let stage = std::mem::take(stage);
        if !stage.words.is_empty()
            && let Some(last) = pipelines.last_mut()
        {
            last.stages.push(stage);
        }
    };
    for token in tokens(line)? {
        match token {
            Token::Word(word) => stage.words.push(word),
            Token::Pipe { merges } => {
                if merges {
                    stage.errors = Errors::Merged;
                }
                end(&mut stage, &mut pipelines);
            }
            Token::Then => {
                end(&mut stage, &mut pipelines);
                pipelines.push(Pipeline::default());
            }
            Token::Redirected { of, to } => redirect(&mut stage, of, &to)?,
        }
    }
    end(&mut stage, &mut pipelines);
    pipelines.retain(|pipeline| !pipeline.stages.is_empty());
    Ok(pipelines)
}

fn redirect(stage: &mut Stage, of: Of, to: &str) -> Result<(), String> {
    match (of, to) {
        (Of::Errors, "&1") => stage.errors = Errors::Merged,
        (Of::Errors, "/dev/null") => stage.errors = Errors::Dropped,
        (Of::Output, "/dev/null") => stage.is_silent = true,
        (Of::Output, "&2") => {}
        (Of::Both, "/dev/null") => {
            stage.is_silent = true;
            stage.errors = Errors::Dropped;
        }
        (Of::Input, "/dev/null") => {}
        (Of::Input, _) => return Err(format!("it reads the file {to}")),
        _ => return Err(format!("it writes to the file {to}")),
    }
    Ok(())
}

fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some(&(at, c)) = rest.peek() {
        match c {
            _ if c.is_whitespace() => {
                rest.next();
            }
            '#' => break,
            '|' => {
                rest.next();
                let token = match rest.peek() {
                    Some((_, '|')) => Token::Then,
                    Some((_, '&')) => Token::Pipe { merges: true },
                    _ => {
                        tokens.push(Token::Pipe { merges: false });
                        continue;
                    }
                };
                rest.next();
                tokens.push(token);
            }
            ';' => {
                rest.next();
                tokens.push(Token::Then);
            }
            '&' => {
                rest.next();
                if rest.next_if(|(_, c)| *c == '>').is_some() {
                    let to = target(&mut rest)?;
                    tokens.push(Token::Redirected { of: Of::Both, to });
                    continue;
                }
                rest.next_if(|(_, c)| *c == '&');
                tokens.push(Token::Then);
            }
            '<' | '>' => tokens.push(redirection(&mut rest, Of::Output)?),
            '1' | '2' if line[at + 1..].starts_with('>') => {
                rest.next();
                let of = if c == '2' { Of::Errors } else { Of::Output };
                tokens.push(redirection(&mut rest, of)?);
            }
            '(' | ')' => return Err("it has a subshell".to_owned()),
            _ => tokens.push(Token::Word(word(&mut rest)?)),
        }
    }
    Ok(tokens)
}

fn redirection(rest: &mut Peekable<CharIndices<'_>>, of: Of) -> Result<Token, String> {
    let sign = rest.next().map(|(_, c)| c);
    let of = match sign {
        Some('<') => Of::Input,
        _ => of,
    };
    if let Some((_, again)) = rest.next_if(|(_, c)| matches!(c, '<' | '(')) {
        return Err(match again {
            '(' => "it has a process substitution".to_owned(),
            _ => "it has a document in it (<<)".to_owned(),
        });
    }
    rest.next_if(|(_, c)| *c == '>');
    Ok(Token::Redirected {
        of,
        to: target(rest)?,
    })
}

/// Where a redirection leads.
fn target(rest: &mut Peekable<CharIndices<'_>>) -> Result<String, String> {
    while rest.next_if(|(_, c)| c.is_whitespace()).is_some() {}
    if rest.next_if(|(_, c)| *c == '&').is_some() {
        return Ok(format!("&{}", word(rest)?));
    }
    match word(rest)? {
        to if to.is_empty() => Err("a redirection leads nowhere".to_owned()),
        to => Ok(to),
    }
}

/// A word, its quotes and backslashes taken off.
fn word(rest: &mut Peekable<CharIndices<'_>>) -> Result<String, String> {
    let mut word = String::new();
    while let Some(&(_, c)) = rest.peek() {
        match c {
            '\'' => {
                rest.next();
                loop {
                    match rest.next() {
                        Some((_, '\'')) => break,
                        Some((_, c)) => word.push(c),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                rest.next();
                in_double_quotes(rest, &mut word)?;
            }
            '\\' => {
                rest.next();
                word.extend(rest.next().map(|(_, c)| c));
            }
            '$' | '`' => return Err(for_a_shell(c)),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' => break,
            _ if c.is_whitespace() => break,
            _ => {
                rest.next();
                word.push(c);
            }
        }
    }
    Ok(word)
}

fn in_double_quotes(rest: &mut Peekable<CharIndices<'_>>, word: &mut String) -> Result<(), String> {
    loop {
        match rest.next() {
            Some((_, '"')) => return Ok(()),
            Some((_, '\\')) => match rest.next() {
                Some((_, c @ ('"' | '\\' | '$' | '`'))) => word.push(c),
                Some((_, c)) => word.extend(['\\', c]),
                None => {}
            },
            // At the end of a regular expression it stands for itself.
            Some((_, '$')) if matches!(rest.peek(), Some((_, '"' | ' ' | '|'))) => word.push('$'),
            Some((_, c @ ('$' | '`'))) => return Err(for_a_shell(c)),
            Some((_, c)) => word.push(c),
            None => return Err("a quote is not closed".to_owned()),
        }
    }
}

fn for_a_shell(sign: char) -> String {
    match sign {
        '$' => "it has a variable or a substitution ($)".to_owned(),
        _ => "it has a substitution (`)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let pipelines = match read(line) {
            Ok(pipelines) => pipelines,
            Err(error) => return format!("not read: {error}"),
        };
        let of_stage = |stage: &Stage| {
            let words: Vec<String> = stage.words.iter().map(|word| format!("{word:?}")).collect();
            let errors = match stage.errors {
                Errors::Shown => "",
                Errors::Merged => " 2>&1",
                Errors::Dropped => " 2>-",
            };
            format!(
                "{}{errors}{}",
                words.join(" "),
                if stage.is_silent { " >-" } else { "" }
            )
        };
        let of_pipeline = |pipeline: &Pipeline| {
            let stages: Vec<String> = pipeline.stages.iter().map(of_stage).collect();
            stages.join(" | ")
        };
        let shown: Vec<String> = pipelines.iter().map(of_pipeline).collect();
        shown.join(" ; ")
    }

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        for (line, expected) in [
            (
                "docker ps | grep worker",
                r#""docker" "ps" | "grep" "worker""#,
            ),
            ("a|b", r#""a" | "b""#),
            (
                r#"x 2>&1 | grep -i "error\|panic""#,
                r#""x" 2>&1 | "grep" "-i" "error\\|panic""#,
            ),
            ("x |& y", r#""x" 2>&1 | "y""#),
            ("x >/dev/null 2>/dev/null", r#""x" 2>- >-"#),
            ("x &>/dev/null", r#""x" 2>- >-"#),
            (
                "LLEN asynq:{default}:pending # how many",
                r#""LLEN" "asynq:{default}:pending""#,
            ),
            ("a && b || c; d &", r#""a" ; "b" ; "c" ; "d""#),
            (r#"grep 'a b' "c$" d\ e"#, r#""grep" "a b" "c$" "d e""#),
            (
                "kubectl exec p -- x --y=2",
                r#""kubectl" "exec" "p" "--" "x" "--y=2""#,
            ),
            ("echo 2>x", "not read: it writes to the file x"),
            ("x > out.txt", "not read: it writes to the file out.txt"),
            ("x < in", "not read: it reads the file in"),
            ("x << EOF", "not read: it has a document in it (<<)"),
            ("diff <(a) <(b)", "not read: it has a process substitution"),
            (
                "echo $HOME",
                "not read: it has a variable or a substitution ($)",
            ),
            ("kill `pidof x`", "not read: it has a substitution (`)"),
            ("(a)", "not read: it has a subshell"),
            ("'x", "not read: a quote is not closed"),
            ("x >", "not read: a redirection leads nowhere"),
            ("", ""),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }
}
