//! `firedrill suggest`: the fewest rules of firedrill's own that catch what a pack misses, as a diff of its last file.

use crate::args::Suggest;
use crate::drills::given::{Given, Typed};
use crate::drills::simulate::{Lines, on_all_cores};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::fit::{self, Worlds};
use crate::inputs::{self, Paging};
use crate::signals::Signals;
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::{RuleReading, RuleText};
use firedrill_reports::suggest::{Candidate, Drill, Host, appended, candidates, suggest};
use firedrill_reports::{Record, render, replay};
use firedrill_sim::drill::{self, Rules};
use firedrill_sim::engine::virtual_time::VirtualOptions;
use firedrill_sim::files::{self, shown};

/// The pack that rules are taken from, and its severity of pages.
const SOURCE: (&str, &str) = ("firedrill", "critical");

/// Finds rules.
///
/// # Errors
/// When an input is wrong or too large (nothing was started), no rule can be put at the end of the file, or it cannot be written.
pub fn run(args: &Suggest, terminal: &Terminal) -> Result<Exit, Failure> {
    let typed = Typed {
        inputs: &args.inputs,
        rules: &args.rules,
        delivery: args.delivery,
        routing: &args.routing,
        world: &args.world,
        seed: args.seed,
        trials: 1,
        jobs: args.jobs,
        memory: args.memory,
    };
    if let Some(out) = &args.out {
        files::check_writable(out).map_err(Failure::environment)?;
    }
    let Given {
        rules,
        pack,
        plans,
        records,
        reading,
        threads,
    } = Given::new(&typed, terminal)?;
    let worlds = [plans.worlds(), records.worlds()].concat();
    let source = fit::variant(SOURCE.0, &worlds)?;
    let candidates = candidates(source.text, SOURCE.1);
    let paging = Paging::new(&args.rules.pages, inputs::alertmanager(&args.routing)?);
    let mut adding = Adding::new(&rules, &pack, (reading, paging), &candidates)?;
    adding.host.runbooks.clone_from(&args.base_url);
    let all: Vec<usize> = (0..candidates.len()).collect();
    let with_all = adding.loaded(&all)?.0;

    let signals = Signals::listen()?;
    let abort = signals.flag();
    terminal.started();
    terminal.say(format_args!(
        "{} and {}, {threads} at a time",
        counted(plans.len(), "virtual drill"),
        counted(records.len(), "record")
    ));
    let seen = |record: Record| Drill {
        own: replay(&record, &rules.set),
        others: adding.others(replay(&record, &with_all.set)),
        record,
    };
    let mut drills: Vec<Drill> = records.into_iter().map(seen).collect();
    let lines = Lines::new(terminal, plans.len());
    drills.extend(on_all_cores(
        &plans,
        threads,
        &abort,
        &|done| lines.tell(done),
        &|plan| {
            let options = VirtualOptions {
                abort: Some(&abort),
                ..VirtualOptions::default()
            };
            seen(drill::simulate(plan, &rules, options, true))
        },
    ));
    if let Some(exit) = signals.exit() {
        return Ok(exit);
    }
    let params = args.delivery.params();
    let found = suggest(&drills, &candidates, &params, |some| {
        adding.loaded(some).map(|(_, pack)| pack)
    })?;
    let mut places: Vec<usize> = found.chosen.iter().map(|one| one.candidate).collect();
    places.sort_unstable();
    let block = adding.block(&places);
    let diff = appended(&adding.last.name, &adding.last.text, &block);
    if args.json {
        terminal.result(&format!(
            "{:#}\n",
            render::suggest::json(&found, &candidates, &diff)
        ));
    } else {
        let text = render::suggest::terminal(&found, &candidates, &diff, terminal.style());
        terminal.result(&text);
    }
    if let Some(out) = &args.out {
        files::write(out, &adding.text(&block)).map_err(Failure::environment)?;
        terminal.say(format_args!("wrote {}", shown(out)));
    }
    Ok(match found.chosen.is_empty() && !found.left.is_empty() {
        true => Exit::GateFailed,
        false => Exit::Passed,
    })
}

/// The labels of a page and of a ticket in a pack. Where an Alertmanager says who is sent what, routes may ask for more than a severity, so they
/// are those that the pack's own pages and tickets have in common.
fn labels(rules: &Rules, pack: &RulePack) -> [Vec<(String, String)>; 2] {
    let severity = |name: &str| vec![("severity".to_owned(), name.to_owned())];
    if pack.alertmanager().is_some() {
        let ticket = pack.labels_of(&rules.set, false);
        let ticket = match ticket.is_empty() {
            true => severity("warning"),
            false => ticket,
        };
        return [pack.labels_of(&rules.set, true), ticket];
    }
    let severities = pack.page_severities();
    let first = severities.iter().next().map_or(SOURCE.1, String::as_str);
    let page = match severities.contains(SOURCE.1) {
        true => SOURCE.1,
        false => first,
    };
    let mut ticket = ["warning", "ticket", "info"]
        .into_iter()
        .filter(|name| !severities.contains(*name));
    [severity(page), severity(ticket.next().unwrap_or("none"))]
}

/// A pack to whose last file rules are added.
struct Adding<'a> {
    before: &'a [RuleText],
    last: &'a RuleText,
    host: Host,
    paging: Paging,
    reading: RuleReading,
    candidates: &'a [Candidate],
}

impl<'a> Adding<'a> {
    fn new(
        rules: &'a Rules,
        pack: &RulePack,
        (reading, paging): (RuleReading, Paging),
        candidates: &'a [Candidate],
    ) -> Result<Self, Failure> {
        let (last, before) = rules
            .texts
            .split_last()
            .ok_or_else(|| Failure::internal("no rules"))?;
        let own = rules.set.alerts();
        let mut twice = own.filter(|alert| candidates.iter().any(|one| one.alert == alert.name));
        if let Some(alert) = twice.next() {
            return Err(Failure::usage(format!(
                "{}:{}: {} is what one of the rules is called that could be proposed\n    rename it, or leave firedrill's own rules out",
                alert.file, alert.line, alert.name
            )));
        }
        let group = last
            .text
            .lines()
            .rev()
            .find_map(|line| line.split_once("- name:"));
        let indent = group.map_or("", |(before, _)| before);
        Ok(Self {
            host: Host {
                labels: labels(rules, pack),
                has_ties: rules
                    .texts
                    .iter()
                    .any(|text| text.text.contains("firedrill: cause ")),
                indent: indent.to_owned(),
                runbooks: None,
            },
            paging,
            reading,
            before,
            last,
            candidates,
        })
    }

    /// What is put at the end of the last file.
    fn block(&self, some: &[usize]) -> String {
        let some: Vec<&Candidate> = some.iter().map(|place| &self.candidates[*place]).collect();
        Candidate::block(&some, &self.host)
    }

    /// The last file with that.
    fn text(&self, block: &str) -> String {
        let is_whole = self.last.text.is_empty() || self.last.text.ends_with('\n');
        let newline = if is_whole { "" } else { "\n" };
        format!("{}{newline}{block}", self.last.text)
    }

    /// The whole pack with some of the candidates.
    fn loaded(&self, some: &[usize]) -> Result<(Rules, RulePack), Failure> {
        let mut texts = self.before.to_vec();
        texts.push(RuleText {
            name: self.last.name.clone(),
            text: self.text(&self.block(some)),
        });
        inputs::pack(texts, self.reading, &self.paging).map_err(|failure| {
            failure.about(&format!(
                "{}: no group can be put at its end: its last `groups:` has to be in block style and the last thing in the file",
                self.last.name
            ))
        })
    }

    /// Of what a pack with all candidates says, what the candidates say.
    fn others(&self, mut replay: firedrill_reports::Replay) -> firedrill_reports::Replay {
        let is_one = |name: &str| self.candidates.iter().any(|one| one.alert == name);
        replay
            .transitions
            .retain(|transition| is_one(&transition.alert));
        replay.never_had_data.retain(|name| is_one(name));
        replay.errors.clear();
        replay
    }
}
