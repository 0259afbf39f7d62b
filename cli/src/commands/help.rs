//! `firedrill help`, `firedrill` without a word, `completions` and `man`.

use crate::args::{Cli, Completions, Help};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use clap::CommandFactory;
use firedrill_detector::yaml::closest;
use firedrill_reports::gate;

/// What to try first.
pub const WELCOME: &str = include_str!("help/welcome.txt");
/// What the columns of a scorecard say.
const SCORECARD: &str = include_str!("help/scorecard.txt");

/// What is known of the rule packs, for a code host.
const RULES: &str = include_str!("../../../scenarios/rules/README.md");

/// What people ask help on, and the command that tells of it.
const TOLD_BY: [(&str, &str); 8] = [
    ("world", "list"),
    ("worlds", "list"),
    ("scenario", "list"),
    ("scenarios", "list"),
    ("rules", "list"),
    ("fault", "faults"),
    ("remedies", "faults"),
    ("metric", "metrics"),
];

/// The part of it that says of each alert of firedrill's own what it means and what to do: Markdown, with a heading for each.
fn alerts() -> &'static str {
    let part = RULES.split_once("\n## What each alert of `firedrill` says\n");
    let part = part.map_or(RULES, |(_, part)| part.trim_start());
    part.split_once("\n## ").map_or(part, |(part, _)| part)
}

/// Prints the help of firedrill, of a command, or on a topic.
///
/// # Errors
/// When there is no such command or topic.
pub fn help(args: &Help, terminal: &Terminal) -> Result<Exit, Failure> {
    if args.about == ["scorecard"] {
        terminal.plain_result(SCORECARD);
        return Ok(Exit::Passed);
    }
    if args.about == ["alerts"] {
        terminal.plain_result(alerts());
        return Ok(Exit::Passed);
    }
    if args.about == ["gates"] {
        terminal.plain_result(&gate::help());
        return Ok(Exit::Passed);
    }
    let mut command = Cli::command();
    command.build();
    let mut command = &mut command;
    for word in &args.about {
        let names: Vec<String> = command
            .get_subcommands()
            .map(|sub| sub.get_name().to_owned())
            .collect();
        let Some(found) = names.iter().position(|name| name == word) else {
            let known = names
                .iter()
                .map(String::as_str)
                .chain(["scorecard", "gates", "alerts"]);
            let close = match TOLD_BY.iter().find(|(topic, _)| topic == word) {
                Some((_, command)) => format!("try `firedrill {command}`; "),
                None => closest(word, known)
                    .map_or(String::new(), |close| format!("did you mean `{close}`? ")),
            };
            return Err(Failure::usage(format!(
                "there is no help on `{word}`\n    {close}there is help on every command (`firedrill help` lists them), \
                 and on `scorecard`, `gates` and `alerts`"
            )));
        };
        command = command
            .get_subcommands_mut()
            .nth(found)
            .ok_or_else(|| Failure::internal("a command is gone"))?;
    }
    terminal.result(&command.render_long_help().to_string());
    Ok(Exit::Passed)
}

/// Says what to try first.
pub fn welcome(terminal: &Terminal) -> Exit {
    terminal.plain_result(WELCOME);
    Exit::Passed
}

/// Prints completions for a shell.
pub fn completions(args: &Completions, terminal: &Terminal) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "firedrill", &mut script);
    terminal.result(&String::from_utf8_lossy(&script));
    Exit::Passed
}

/// Prints the manual page.
///
/// # Errors
/// None: it is written to memory.
pub fn man(terminal: &Terminal) -> Result<Exit, Failure> {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
    written.map_err(Failure::internal)?;
    terminal.result(&String::from_utf8_lossy(&page));
    Ok(Exit::Passed)
}
