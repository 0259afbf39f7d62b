//! The `firedrill` binary.

use clap::Parser;
use firedrill::args::{Cli, Command, RunbookCommand};
use firedrill::commands;
use firedrill::exit::Exit;
use firedrill::failure::Failure;
use firedrill::terminal::Terminal;
use firedrill_detector::text::printable_lines;
use firedrill_sim::{guard, load, reaper, worker};
use std::borrow::Cow;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    let terminal = Terminal::new(cli.color, cli.quiet);
    guard::allow_many_files();
    let Some(command) = cli.command else {
        return terminal.exit(commands::help::welcome(&terminal)).into();
    };
    let ended = match command {
        Command::Run(args) => commands::run::run(&args, &terminal),
        Command::List(args) => commands::list::list(&args, &terminal),
        Command::Show(args) => commands::list::show(&args, &terminal),
        Command::Init(args) => commands::init::run(&args, &terminal),
        Command::Completions(args) => Ok(commands::help::completions(&args, &terminal)),
        Command::Man => commands::help::man(&terminal),
        Command::Help(args) => commands::help::help(&args, &terminal),
        Command::Check(args) => commands::check::run(&args, &terminal),
        Command::Load(args) => commands::load::run(&args, &terminal),
        Command::Plan(args) => commands::plan::run(&args, &terminal),
        Command::Test(args) => commands::test_rules::run(&args, &terminal),
        Command::Merge(args) => commands::merge::run(&args, &terminal),
        Command::Compare(args) => commands::compare::run(&args, &terminal),
        Command::Score(args) => commands::score::run(&args, &terminal),
        Command::Tune(args) => commands::tune::run(&args, &terminal),
        Command::Fidelity(args) => commands::fidelity::run(&args, &terminal),
        Command::Diagnose(args) => commands::diagnose::run(&args, &terminal),
        Command::Suggest(args) => commands::suggest::run(&args, &terminal),
        Command::Export(args) => commands::export::run(&args, &terminal),
        Command::Report(args) => commands::report::run(&args, &terminal),
        Command::Faults(args) => commands::faults::run(&args, &terminal),
        Command::Metrics(args) => commands::metrics::run(&args, &terminal),
        Command::Learn(args) => commands::learn::run(&args, &terminal),
        Command::Schema(args) => Ok(commands::schema::run(&args, &terminal)),
        Command::Asynq(args) => commands::asynq::run(&args, &terminal),
        Command::Watch(args) => commands::watch::run(&args, &terminal),
        Command::Rehearse(args) => commands::rehearse::run(&args, &terminal),
        Command::Proven(args) => commands::proven::run(&args, &terminal),
        Command::Runbook(args) => match args.command {
            RunbookCommand::Check(args) => commands::runbook::check(&args, &terminal),
        },
        Command::Clean(args) => commands::clean::run(&args, &terminal),
        Command::LoadPart => load::process::run()
            .map_err(Failure::environment)
            .map(|()| Exit::Passed),
        Command::Worker => worker::run()
            .map_err(Failure::environment)
            .map(|()| Exit::Passed),
        Command::Reap(args) => {
            firedrill_sim::redis_server::docker::reaper::run(&args.docker, &args.container)
                .map_err(Failure::environment)
                .map(|()| Exit::Passed)
        }
        Command::Undertake(args) => reaper::run(&args.owner)
            .map_err(Failure::environment)
            .map(|()| Exit::Passed),
        Command::Guard(args) => Err(Failure::environment(guard::exec(
            args.parent,
            &args.command,
        ))),
    };
    let exit = match ended {
        Ok(exit) => exit,
        Err(failure) => {
            terminal.error(&failure);
            failure.exit
        }
    };
    terminal.exit(exit).into()
}

/// What `--help` and `--version` print, or what is wrong with the arguments.
fn told(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let printed = match printable_lines(&text) {
        // Arguments are repeated as they were typed.
        Cow::Owned(shown) => std::io::stderr().write_all(shown.as_bytes()),
        Cow::Borrowed(_) => error.print().and_then(|()| std::io::stdout().flush()),
    };
    let lost = printed.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe);
    match u8::try_from(error.exit_code()) {
        Ok(0) if lost => Exit::Environment.into(),
        Ok(code) => code.into(),
        Err(_) => Exit::Usage.into(),
    }
}
