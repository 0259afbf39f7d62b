//! The `firedrill` binary.

use clap::Parser;
use firedrill::cli::{Cli, Command};
use firedrill::commands::{self, Failure, Terminal};
use firedrill::{guard, worker};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.color, cli.quiet);
    let ended = match cli.command {
        Command::Run(args) => commands::run::run(&args, &terminal),
        Command::Check(args) => commands::check::run(&args, &terminal),
        Command::Plan(args) => commands::plan::run(&args, &terminal),
        Command::Test(args) => commands::test_rules::run(&args, &terminal),
        Command::Score(args) => commands::score::run(&args, &terminal),
        Command::Tune(args) => commands::tune::run(&args, &terminal),
        Command::Fidelity(args) => commands::fidelity::run(&args, &terminal),
        Command::Report(args) => commands::report::run(&args, &terminal),
        Command::Asynq(args) => commands::asynq::run(&args, &terminal),
        Command::Clean(args) => commands::clean::run(&args, &terminal),
        Command::Worker => worker::run()
            .map_err(Failure::environment)
            .map(|()| firedrill::exit::Exit::Passed),
        #[cfg(feature = "docker")]
        Command::Reap(args) => firedrill::redis_server::docker::reaper::run(&args.container)
            .map_err(Failure::environment)
            .map(|()| firedrill::exit::Exit::Passed),
        Command::Guard(args) => Err(Failure::environment(guard::exec(
            args.parent,
            &args.command,
        ))),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal.error(&failure);
            failure.exit.into()
        }
    }
}
