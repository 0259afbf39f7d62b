//! The command that repeats a load, for its record.

use crate::args::{Cli, Load, Redis};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};
use firedrill_detector::text::printable;
use firedrill_reports::document::quoted;

/// Options that make the load what it is. All others say how it is shown and judged and where results go, and may hold secrets.
const MAKE_IT: [&str; 32] = [
    "rate",
    "duration",
    "stages",
    "scenario",
    "warmup",
    "drain",
    "evenly",
    "closed",
    "produce_only",
    "consume_only",
    "backlog",
    "find_max",
    "max_wait",
    "soak",
    "workers",
    "concurrency",
    "producers",
    "batch",
    "poll",
    "service",
    "payload",
    "queues",
    "strict",
    "fail",
    "max_retry",
    "unique",
    "scheduled",
    "ahead",
    "grouped",
    "retention",
    "name",
    "beside",
];

/// What to type for the same load under this seed: what was typed this time that makes it what it is.
pub(super) fn command(args: &Load, seed: u64) -> String {
    let typed = Cli::command().try_get_matches_from(std::env::args_os());
    let load = typed.ok().and_then(|typed| {
        let (_, load) = typed.subcommand()?;
        Some(load.clone())
    });
    words(load.as_ref(), &args.server.redis, seed)
}

fn words(typed: Option<&ArgMatches>, redis: &Redis, seed: u64) -> String {
    let mut words = vec!["firedrill load".to_owned()];
    let command = Cli::command();
    let load = command.find_subcommand("load");
    let options = load.into_iter().flat_map(clap::Command::get_arguments);
    for option in options.filter(|option| MAKE_IT.contains(&option.get_id().as_str())) {
        let id = option.get_id().as_str();
        let (Some(typed), Some(name)) = (typed, option.get_long()) else {
            continue;
        };
        if matches!(
            typed.value_source(id),
            None | Some(ValueSource::DefaultValue)
        ) {
            continue;
        }
        match option.get_action().takes_values() {
            true => {
                let values = typed.get_raw(id).into_iter().flatten();
                words.extend(values.map(|value| {
                    format!("--{name} {}", quoted(&printable(&value.to_string_lossy())))
                }));
            }
            false if typed.get_flag(id) => words.push(format!("--{name}")),
            false => {}
        }
    }
    words.push(format!("--seed {seed}"));
    match redis {
        Redis::Local => words.push("--redis local".to_owned()),
        Redis::Docker => words.push("--redis docker".to_owned()),
        // Without its password.
        Redis::Given(address) => words.push(format!("--redis {}", quoted(&address.to_string()))),
        _ => {}
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, redis: &Redis) -> String {
        let typed = Cli::command().try_get_matches_from(line.split(' '));
        let typed = typed.unwrap();
        words(typed.subcommand().map(|(_, load)| load), redis, 7)
    }

    #[test]
    fn what_makes_a_load_is_kept_and_nothing_else() {
        let typed = "firedrill load --rate 200/s --duration 10s --queue a:2 --queue b:1 --evenly --junit a.xml --out there --seed 3 \
                     --http-token 0123456789abcdef --redis redis://:secret@127.0.0.1:6379 --beside --json";
        let given = Redis::Given(Box::new("redis://:secret@127.0.0.1:6379".parse().unwrap()));
        assert_eq!(
            of(typed, &given),
            "firedrill load --rate 200/s --duration 10s --evenly --queue a:2 --queue b:1 --beside --seed 7 --redis \
             'redis://:***@127.0.0.1:6379'"
        );
        assert_eq!(
            of("firedrill load", &Redis::Auto),
            "firedrill load --seed 7"
        );
    }

    #[test]
    fn every_option_that_makes_a_load_is_one_of_it() {
        let command = Cli::command();
        let load = command.find_subcommand("load").unwrap();
        for id in MAKE_IT {
            assert!(
                load.get_arguments().any(|option| option.get_id() == id),
                "{id}"
            );
        }
    }
}
