//! `firedrill clean`: undoes and removes what a killed firedrill left behind.

use crate::args::{Clean, Redis};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_sim::cleanup::{Scope, Told, clean_up};
use firedrill_sim::files::shown;
use firedrill_sim::redis_server::directory;
use firedrill_sim::redis_server::given::journal::{self, Entry};
use std::path::Path;

/// Lists leftovers, or ends and removes them.
///
/// # Errors
/// When the temporary directory cannot be read.
pub fn run(args: &Clean, terminal: &Terminal) -> Result<Exit, Failure> {
    if let Some(gone) = &args.forget {
        let address = address("--forget", gone)?
            .ok_or_else(|| Failure::usage("--forget takes the address of a Redis"))?;
        return forget(address, &journal::state_dir(), terminal);
    }
    let named = args.redis.as_ref().map(|redis| address("--redis", redis));
    let named = named.transpose()?.flatten();
    let scope = Scope {
        place: directory::place(),
        state: journal::state_dir(),
        only: None,
        named: named.cloned(),
        known: Vec::new(),
        only_list: args.list,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let (mut nothing, mut exit) = (true, Exit::Passed);
    let mut tell = |told| {
        nothing = false;
        match told {
            Told::Found(message) => terminal.plain_result(&message),
            Told::Failed(message) => {
                terminal.say(message);
                exit = Exit::CleanupIncomplete;
            }
        }
    };
    let cleaned = runtime.block_on(clean_up(&scope, &mut tell));
    cleaned.map_err(Failure::environment)?;
    if nothing {
        terminal.result("nothing was left behind");
    }
    Ok(exit)
}

/// The address that an option names; `None`: it says where to get a Redis, as `FIREDRILL_REDIS` may for `run`.
fn address<'a>(option: &str, redis: &'a Redis) -> Result<Option<&'a Address>, Failure> {
    match redis {
        Redis::Given(address) => Ok(Some(address)),
        Redis::Unreadable(error) => Err(Failure::usage(format!(
            "{option} takes an address here; this one does not do: {error}"
        ))),
        Redis::Auto | Redis::Local | Redis::Docker => Ok(None),
    }
}

/// Forgets what drills have left in a Redis.
fn forget(address: &Address, state: &Path, terminal: &Terminal) -> Result<Exit, Failure> {
    let journal = journal::read(state)
        .map_err(|error| Failure::environment(format!("{}: {error}", shown(state))))?;
    let place = address.place();
    let entries: Vec<&Entry> = journal
        .left
        .iter()
        .filter(|entry| entry.place == place)
        .collect();
    for entry in &entries {
        entry
            .remove(state)
            .map_err(|error| Failure::environment(format!("{}: {error}", shown(state))))?;
    }
    terminal.plain_result(&match entries.len() {
        0 => format!("nothing of a drill on {address} was noted"),
        _ => format!("forgotten: what a drill left in {address}, if that is still there"),
    });
    Ok(Exit::Passed)
}
