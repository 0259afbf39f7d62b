//! What the rule pack `firedrill` comes to on all scenarios under many seeds, in every world inside the binary, at half, once and
//! twice the traffic, from several times of the week: half of it was there to choose rules by, the other half is held out.
//!
//! ```console
//! $ cargo run --release -p firedrill-benches --bin packs -- 12      # seeds; prints the tables of scenarios/rules/README.md
//! $ cargo run --release -p firedrill-benches --bin packs -- 12 20   # as many of those as begin within 20 minutes
//! ```
//!
//! Seeds go in turn to either half. Those to choose by are seen in one half of the worlds, those that are held out in the other,
//! so that no drill of the second is like one of the first. Traffic and start change from seed to seed and from world to world.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleText;
use firedrill_reports::score::judge::{Class, Outcome};
use firedrill_reports::score::stats::Share;
use firedrill_reports::{DrillScore, ScoreParams, Scorecard, replay, score_drill};
use firedrill_sim::builtin;
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::plan::{Plan, Start};
use firedrill_sim::scenario::{PlanOptions, Scenario};
use firedrill_sim::world::{World, preset};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The worlds that are there to choose by, and those that are held out.
const WORLDS: [[&str; 3]; 2] = [
    ["runbook", "x-metrics-kubernetes", "wiki"],
    ["x-metrics", "kubernetes", "wiki-kubernetes"],
];
const HALVES: [&str; 2] = ["to choose by", "held out"];
/// So many times the traffic and the slots.
const SIZES: [f64; 3] = [0.5, 1.0, 2.0];
/// Full hours: some scenarios count on them.
const STARTS: [&str; 3] = ["Thu 00:00", "Mon 09:00", "Sat 23:00"];
/// No seed of a scenario's own.
const FIRST_SEED: u64 = 10_000;

/// One drill.
#[derive(Debug, Clone, Copy)]
struct Case {
    seed: usize,
    half: usize,
    world: &'static str,
    size: f64,
    starts: &'static str,
    scenario: usize,
}

/// A pack, ready to judge.
struct Judge {
    rules: RuleSet,
    pack: RulePack,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seeds: usize = arguments.next().map_or(Ok(6), |text| text.parse())?;
    let minutes: Option<u64> = arguments.next().map(|text| text.parse()).transpose()?;
    let until = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));

    let scenarios: Vec<Scenario> = builtin::scenarios()
        .iter()
        .map(|file| {
            Scenario::parse(file.name, file.text).map_err(|found| format!("{found:#?}").into())
        })
        .collect::<Result<_>>()?;
    let mut judges = BTreeMap::new();
    for world in WORLDS.concat() {
        for pack in ["runbook".to_owned(), builtin::variant("firedrill", world)] {
            let judge = Judge::of(&pack)?;
            judges.insert((world, pack == "runbook"), judge);
        }
    }
    let mut done: Vec<(Case, [DrillScore; 2])> = Vec::new();
    let mut whole = 0;
    // Pairs, so that both halves are as large.
    for first in (0..seeds.max(2)).step_by(2) {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let cases: Vec<Case> = (first..first + 2)
            .flat_map(|seed| cases(seed, scenarios.len()))
            .collect();
        done.extend(run(&cases, &scenarios, &judges)?);
        whole = first + 2;
        eprintln!("{whole} seeds, {} drills", done.len());
    }
    println!("{}", tables(&done, whole));
    Ok(())
}

/// All drills of a seed.
fn cases(seed: usize, scenarios: usize) -> Vec<Case> {
    let half = seed % 2;
    let mut cases = Vec::new();
    for (place, world) in WORLDS[half].into_iter().enumerate() {
        let turn = seed / 2 + place;
        cases.extend((0..scenarios).map(|scenario| Case {
            seed,
            half,
            world,
            size: SIZES[turn % 3],
            starts: STARTS[(turn / 3 + scenario) % 3],
            scenario,
        }));
    }
    cases
}

impl Judge {
    /// Of the file as it is now, so that rules can be tried without a build.
    fn of(pack: &str) -> Result<Self> {
        let name = format!("{pack}.yml");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/rules");
        let text = fs::read_to_string(folder.join(&name))?;
        let file = RuleFile {
            name: name.clone(),
            text: text.clone(),
        };
        let rules =
            RuleSet::load(&[file], Compat::default()).map_err(|found| format!("{found:#?}"))?;
        let text = RuleText { name, text };
        let alerts: Vec<String> = rules.alerts().map(|alert| alert.name.to_owned()).collect();
        let pack = RulePack::parse(&[text], &alerts).map_err(|found| format!("{found:#?}"))?;
        Ok(Self {
            pack: pack.looking(&rules),
            rules,
        })
    }
}

/// By world, and whether it is the runbook's.
type Judges = BTreeMap<(&'static str, bool), Judge>;

/// The plan of a drill.
fn plan(case: &Case, scenario: &Scenario) -> Result<Plan> {
    let preset = preset(case.world).ok_or("no such world")?;
    let world = World::parse(preset.name, preset.text).map_err(|found| format!("{found:#?}"))?;
    let options = PlanOptions {
        seed: Some(FIRST_SEED + case.seed as u64),
    };
    let plan = Plan::resolve(&scenario.clone().seen_in(&world), &options);
    let mut plan = plan.map_err(|found| format!("{found:#?}"))?;
    plan.starts = case.starts.parse::<Start>()?;
    Ok(plan.scaled(case.size))
}

/// What the runbook's rules and firedrill's come to in each drill.
fn run(
    cases: &[Case],
    scenarios: &[Scenario],
    judges: &Judges,
) -> Result<Vec<(Case, [DrillScore; 2])>> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    let work = || -> std::result::Result<(), String> {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let plan = plan(case, &scenarios[case.scenario]).map_err(|error| error.to_string())?;
            let scores = [true, false].map(|is_runbook| &judges[&(case.world, is_runbook)]);
            let rules = Rules {
                texts: Vec::new(),
                reading: Default::default(),
                set: scores[0].rules.clone(),
                delivery: Default::default(),
                alertmanager: None,
            };
            let record = drill::simulate(&plan, &rules, VirtualOptions::default(), true);
            let scores = scores.map(|judge| {
                let seen = replay(&record, &judge.rules);
                score_drill(&record, &seen, &judge.pack, &ScoreParams::default())
            });
            all.lock()
                .map_err(|error| error.to_string())?
                .push((*case, scores));
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let ended: Vec<std::thread::Result<std::result::Result<(), String>>> =
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().map(|thread| thread.join()).collect()
        });
    for one in ended {
        one.map_err(|_| "a drill panicked")??;
    }
    let mut all = all.into_inner()?;
    all.sort_by_key(|(case, _): &(Case, _)| (case.seed, case.world, case.scenario));
    Ok(all)
}

/// The tables, as Markdown.
fn tables(done: &[(Case, [DrillScore; 2])], seeds: usize) -> String {
    let mut text = format!(
        "{} drills under {seeds} seeds, half of them {}, half {}.\n\n",
        done.len(),
        HALVES[0],
        HALVES[1]
    );
    let card = |half: usize, pack: usize| {
        let own = done.iter().filter(|(case, _)| case.half == half);
        Scorecard::new(own.map(|(_, scores)| scores[pack].clone()).collect())
    };
    let cards = [card(0, 0), card(0, 1), card(1, 0), card(1, 1)];
    text.push_str("| | `runbook`, to choose by | `firedrill`, to choose by | `runbook`, held out | `firedrill`, held out |\n| --- | --- | --- | --- | --- |\n");
    let mut row = |what: &str, of: &dyn Fn(&Scorecard) -> String| {
        let cells: Vec<String> = cards.iter().map(of).collect();
        text.push_str(&format!("| {what} | {} |\n", cells.join(" | ")));
    };
    row(
        "incidents that deserve a page: paged by the deadline",
        &|card| share(card.summary.recall_at_deadline),
    );
    row(
        "incidents that deserve a ticket: somebody told by the deadline",
        &|card| {
            share(
                card.tickets
                    .as_ref()
                    .and_then(|tickets| tickets.recall_at_deadline),
            )
        },
    );
    row("pages that were right", &|card| {
        share(card.summary.precision)
    });
    row("harmless events with a page", &|card| {
        share(card.summary.benign_trips)
    });
    row("false pages", &|card| card.summary.false_pages.to_string());
    row("tickets about nothing", &|card| {
        card.tickets
            .as_ref()
            .map_or(0, |tickets| tickets.false_pages)
            .to_string()
    });
    row("drills that prove nothing", &|card| {
        card.summary.inconclusive.to_string()
    });
    text.push('\n');
    text.push_str(&by_world(done));
    text.push_str(&missed(done));
    text
}

fn share(share: Option<Share>) -> String {
    share.map_or_else(
        || "-".to_owned(),
        |share| {
            let (low, high) = share.wilson();
            format!(
                "{} of {} [{:.0} %, {:.0} %]",
                share.count,
                share.of,
                low * 100.0,
                high * 100.0
            )
        },
    )
}

/// What `firedrill` comes to by world and size.
fn by_world(done: &[(Case, [DrillScore; 2])]) -> String {
    let mut text = "| world | variant | traffic | by the deadline | false pages, tickets |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for world in WORLDS.concat() {
        for size in SIZES {
            let own = done
                .iter()
                .filter(|(case, _)| case.world == world && case.size == size);
            let scores: Vec<DrillScore> = own.map(|(_, scores)| scores[1].clone()).collect();
            // Few seeds do not go round all sizes in each world.
            if scores.is_empty() {
                continue;
            }
            let card = Scorecard::new(scores);
            let tickets = card.tickets.as_ref();
            let shares = [
                card.summary.recall_at_deadline,
                tickets.and_then(|tickets| tickets.recall_at_deadline),
            ];
            let (count, of) = shares.iter().flatten().fold((0, 0), |(count, of), share| {
                (count + share.count, of + share.of)
            });
            let variant = builtin::variant("firedrill", world);
            let wrong = tickets.map_or(0, |tickets| tickets.false_pages);
            text.push_str(&format!(
                "| {world} | `{variant}` | x{size} | {count} of {of} | {}, {wrong} |\n",
                card.summary.false_pages
            ));
        }
    }
    text
}

/// What `firedrill` missed, was late for, or was wrong about, with the drill that shows it.
fn missed(done: &[(Case, [DrillScore; 2])]) -> String {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (case, [_, score]) in done {
        let drill = format!(
            "{} x{} {} seed {}",
            case.world,
            case.size,
            case.starts,
            FIRST_SEED + case.seed as u64
        );
        let late = score.incidents.iter().filter(|incident| {
            !matches!(
                incident.outcome,
                Outcome::Early | Outcome::OnTime | Outcome::Censored
            )
        });
        for incident in late {
            let what = format!(
                "{}, {}: {:?}",
                score.scenario, incident.truth.cause, incident.outcome
            );
            lines
                .entry(what.to_lowercase())
                .or_default()
                .push(drill.clone());
        }
        let wrong = score.episodes.iter().filter(|judged| {
            matches!(
                judged.class,
                Class::Standing | Class::BenignFalse | Class::False
            )
        });
        for judged in wrong {
            let kind = if judged.page { "page" } else { "ticket" };
            let what = format!(
                "{}: a {kind} about nothing by {}",
                score.scenario, judged.episode.alert
            );
            lines.entry(what).or_default().push(drill.clone());
        }
    }
    if lines.is_empty() {
        return "\nNothing was missed, late or false.\n".to_owned();
    }
    let lines = lines
        .into_iter()
        .map(|(what, drills)| format!("- {what}: {} times, as in {}\n", drills.len(), drills[0]));
    format!("\nWhere it was not right:\n\n{}", lines.collect::<String>())
}
