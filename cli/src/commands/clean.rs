//! `firedrill clean`: ends and removes what a killed firedrill left behind.

use crate::args::{Clean, Redis};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_asynq::broker::redis::address::Address;
use firedrill_sim::files::shown;
use firedrill_sim::redis_server::directory;
use firedrill_sim::redis_server::given::journal::{self, Entry};
use firedrill_sim::redis_server::given::{Cleaned, clean_up};
use firedrill_sim::redis_server::leftovers::{self, Leftover};
use std::collections::BTreeMap;
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
    let mut cleaning = Cleaning {
        only_list: args.list,
        terminal,
        found: false,
        exit: Exit::Passed,
    };
    let place = directory::place();
    let found = leftovers::find(&place)
        .map_err(|error| Failure::environment(format!("{}: {error}", shown(&place))))?;
    cleaning.directories(&found);
    cleaning.databases(&journal::state_dir(), named)?;
    if !cleaning.found {
        terminal.result("nothing was left behind");
    }
    Ok(cleaning.exit)
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

/// A clean-up under way.
struct Cleaning<'a> {
    only_list: bool,
    terminal: &'a Terminal,
    /// Whether there was anything.
    found: bool,
    exit: Exit,
}

impl Cleaning<'_> {
    fn left_alone(&mut self, path: &Path, why: &str) {
        self.found = true;
        self.terminal.plain_result(&format!(
            "left alone: {}: {why}; if no drill uses it, remove it by hand",
            shown(path)
        ));
    }

    fn failed(&mut self, message: &str) {
        self.terminal.say(message);
        self.exit = Exit::CleanupIncomplete;
    }

    fn directories(&mut self, found: &leftovers::Found) {
        for leftover in &found.leftovers {
            self.found = true;
            self.directory(leftover);
        }
        for (path, why) in &found.doubtful {
            self.left_alone(path, why);
        }
    }

    fn directory(&mut self, leftover: &Leftover) {
        let dir = shown(&leftover.dir);
        let servers: Vec<String> = leftover.servers.iter().map(u32::to_string).collect();
        let servers = if servers.is_empty() {
            String::new()
        } else {
            format!(", Redis process {}", servers.join(", "))
        };
        if self.only_list {
            self.terminal
                .plain_result(&format!("left behind: {dir}{servers}"));
        } else if let Err(error) = leftovers::remove(leftover) {
            self.failed(&format!("cannot remove {dir}{servers}: {error}"));
        } else {
            self.terminal
                .plain_result(&format!("removed {dir}{servers}"));
        }
    }

    /// What drills left in Redis servers that were given: those of the journal, and the one that is named.
    fn databases(&mut self, state: &Path, named: Option<&Address>) -> Result<(), Failure> {
        let journal = journal::read(state)
            .map_err(|error| Failure::environment(format!("{}: {error}", shown(state))))?;
        for (path, why) in &journal.doubtful {
            self.left_alone(path, why);
        }
        let mut places: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in journal.left {
            places.entry(entry.place.clone()).or_default().push(entry);
        }
        if let Some(address) = named {
            let entries = places.remove(&address.place()).unwrap_or_default();
            self.database(state, address, &entries)?;
        }
        for entries in places.values() {
            let url = entries.iter().find_map(|entry| entry.url.as_deref());
            let address = url.and_then(|url| url.parse::<Address>().ok());
            match (address, entries.first()) {
                (Some(address), _) => self.database(state, &address, entries)?,
                (None, Some(entry)) => {
                    self.found = true;
                    let address = &entry.address;
                    let message = format!(
                        "left behind: a drill's keys in {address}\n    type: firedrill clean --redis '{address}' (with the \
                         password, which is kept nowhere)"
                    );
                    if self.only_list {
                        self.terminal.plain_result(&message);
                    } else {
                        self.failed(&message);
                    }
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn database(
        &mut self,
        state: &Path,
        address: &Address,
        entries: &[Entry],
    ) -> Result<(), Failure> {
        if self.only_list {
            if !entries.is_empty() {
                self.found = true;
                let line = format!("left behind: a drill's keys in {address}");
                self.terminal.plain_result(&line);
            }
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        match runtime.block_on(clean_up(address, entries)) {
            Ok(Cleaned::Nothing) => {}
            Ok(Cleaned::Busy(who)) => {
                self.found = true;
                self.terminal.plain_result(&format!(
                    "left alone: {address}: a drill is running on it ({who})"
                ));
            }
            Ok(Cleaned::Removed(foreign)) => {
                self.found = true;
                for entry in entries {
                    if let Err(error) = entry.remove(state) {
                        self.failed(&format!("{}: {error}", shown(state)));
                    }
                }
                self.terminal
                    .plain_result(&format!("removed a drill's keys from {address}"));
                for thing in foreign {
                    self.terminal.plain_result(&format!(
                        "    not ours, and still there: {}: {}",
                        thing.subject, thing.saw
                    ));
                }
            }
            Err(error) => {
                self.found = true;
                self.failed(&format!(
                    "cannot remove a drill's keys from {address}: {error}\n    if that Redis is gone for good: firedrill clean \
                     --forget '{address}'"
                ));
            }
        }
        Ok(())
    }
}
