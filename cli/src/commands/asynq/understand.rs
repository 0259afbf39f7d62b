//! From words to a [`Line`], or to what is wrong with them.

use crate::args::asynq::Line;
use crate::commands::asynq::misread::{Misread, cancel_by_flags, misread, repeated};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Parser};
use firedrill_detector::yaml::closest;

/// What words came to.
pub(super) enum Understood {
    /// Something to be carried out.
    Line(Box<Line>),
    /// Help was asked for, or it is all there is to say.
    Help(String),
    /// Not understood, with as much of the line as could be read.
    Not(Box<Misread>, Option<Box<Line>>),
}

/// Reads the words after `firedrill asynq` (or `asynq`).
pub(super) fn understand(words: &[String]) -> Understood {
    let program = std::iter::once("asynq".to_owned());
    match Line::try_parse_from(program.chain(words.iter().cloned())) {
        Ok(line) => match misread(&line) {
            None => Understood::Line(Box::new(line)),
            Some(wrong) => Understood::Not(Box::new(wrong), Some(Box::new(line))),
        },
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Understood::Help(error.render().to_string())
            }
            ErrorKind::MissingSubcommand => {
                let mut line = Line::command();
                line.build();
                let (command, _) = addressed(&line, words);
                Understood::Help(command.clone().render_help().to_string())
            }
            _ => Understood::Not(Box::new(explained(&error, words)), None),
        },
    }
}

/// What clap found, without its usage text, and what to type instead.
fn explained(error: &clap::Error, words: &[String]) -> Misread {
    let line = Line::command();
    let (command, path) = addressed(&line, words);
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
    {
        return unknown_flag(command, &path, flag, words);
    }
    let told = error.render().to_string();
    let told = told.split("\n\n").next().unwrap_or_default();
    let told = told.strip_prefix("error: ").unwrap_or(told);
    let mut misread = Misread::new(told.trim_end());
    misread.note = Some(format!(
        "`firedrill asynq {path}--help` tells what it takes"
    ));
    misread
}

/// The innermost command that the words name, and its name with a blank after it.
fn addressed<'c>(line: &'c Command, words: &[String]) -> (&'c Command, String) {
    let (mut command, mut path) = (line, String::new());
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        if let Some(found) = command.find_subcommand(word) {
            command = found;
            path.push_str(word);
            path.push(' ');
        }
    }
    (command, path)
}

fn unknown_flag(command: &Command, path: &str, flag: &str, words: &[String]) -> Misread {
    let global = Line::command();
    let flags = |command: &Command| -> Vec<String> {
        let shown = command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set());
        shown
            .filter_map(|argument| argument.get_long().map(str::to_owned))
            .collect()
    };
    let own = flags(command);
    let all: Vec<String> = own.iter().cloned().chain(flags(&global)).collect();
    let name = flag
        .trim_start_matches('-')
        .split('=')
        .next()
        .unwrap_or_default();
    if path == "task cancel " && matches!(name, "id" | "i" | "queue" | "q") {
        return cancel_by_flags(words);
    }
    // Without its value, which may be a password.
    let flag = flag.split('=').next().unwrap_or_default();
    let mut misread = Misread::new(format!(
        "unknown flag: {flag} for \"asynq {}\"",
        path.trim_end()
    ));
    if flag.starts_with("--")
        && let Some(close) = closest(&name.replace('-', "_"), all.iter().map(String::as_str))
    {
        let meant = words.iter().map(|word| {
            let given = word.trim_start_matches('-').split('=').next();
            match word.starts_with("--") && given == Some(name) {
                true => word.replacen(&format!("--{name}"), &format!("--{close}"), 1),
                false => word.clone(),
            }
        });
        misread.typed.push(repeated(&meant.collect::<Vec<_>>()));
    }
    let own: Vec<String> = own.iter().map(|flag| format!("--{flag}")).collect();
    misread.note = Some(match own.is_empty() {
        true => format!(
            "`asynq {}` has no flags but those that name Redis",
            path.trim_end()
        ),
        false => format!("flags: {}", own.join(", ")),
    });
    misread
}
