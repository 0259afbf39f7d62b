//! `firedrill merge`: all shards of one command, judged together.

use crate::args::Merge;
use crate::commands::gates::Gates;
use crate::commands::{load, tune};
use crate::drills::shards::{Command, Found, Joined};
use crate::drills::simulate::Seeded;
use crate::drills::trials::{self, Asked};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_sim::files::shown;

/// Joins shards; what comes of it is what the command would have come to without them.
///
/// # Errors
/// When they are not all shards of one command; inconclusive when one is missing.
pub fn run(args: &Merge, terminal: &Terminal) -> Result<Exit, Failure> {
    let gates = Gates::read(&args.gates, args.no_gate, terminal)?;
    let shards = Found::below(&args.shards)?;
    if !shards.loads.is_empty() {
        if let Some(sweep) = shards.sweeps.first() {
            return Err(Failure::usage(format!(
                "there are shards of a load ({}) and of drills ({}): name the folders of one command",
                shown(&shards.loads[0]),
                shown(sweep)
            )));
        }
        if args.no_gate {
            return Err(Failure::usage(
                "these are shards of a load, and --no-gate is for drills: leave it out",
            ));
        }
        return load::joined(args, &shards.loads, gates, terminal);
    }
    let joined = Joined::open(shards.sweeps, terminal)?;
    let Command::Run { files, pages } = &joined.sweep.command else {
        if args.gates.are_given() || args.no_gate {
            return Err(Failure::usage(
                "these are shards of `firedrill tune`, which has no gates: leave them out",
            ));
        }
        return tune::joined(args, joined, terminal);
    };
    let pages = pages.clone();
    let (rules, pack) = joined.sweep.judged_by(joined.sweep.first()?, &pages)?;
    let scenarios = joined.sweep.scenarios(files)?;
    let seeded = Seeded::new(&scenarios, None, joined.sweep.trials)?;
    let asked = Asked {
        rules: &rules,
        pack: &pack,
        seeded: &seeded,
        pages: &pages,
        out: &args.out,
        json: args.json,
        plots: args.plots,
    };
    trials::joined(&asked, joined, gates, terminal)
}
