//! `firedrill check`: scenario, rule, world and gate files, all problems at once; nothing is started. Rules are held against records.

use crate::args::{Check, Span};
use crate::calendar;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Place, Source};
use crate::terminal::Terminal;
use firedrill_detector::text::counted;
use firedrill_detector::yaml::Problem;
use firedrill_reports::alertmanager::Config;
use firedrill_reports::check::{self, Checked, CheckedFile, Finding, Kind};
use firedrill_reports::gate::GateFile;
use firedrill_reports::record::{RuleReading, RuleText};
use firedrill_reports::result::ResultFile;
use firedrill_reports::{Explainer, Explanation, Record, bounds, document, render};
use firedrill_sim::drill::Rules;
use firedrill_sim::files::shown;
use firedrill_sim::metrics::catalogue;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{INTERVAL_MS, Scenario};
use firedrill_sim::world::World;
use std::collections::BTreeSet;
use std::path::Path;

/// Checks every file and says what it is, and what the rules saw in the records there are.
///
/// # Errors
/// With all problems of all files and records.
pub fn run(args: &Check, terminal: &Terminal) -> Result<Exit, Failure> {
    let named = Named::new(&[(Place::ScenariosAndRules, &args.files)]).in_world(&args.world);
    let mut checking = Checking {
        terminal,
        // What is for machines, and what is said of records, are answers of their own.
        is_said: args.json || args.sarif || !args.against.is_empty(),
        is_held: !args.against.is_empty() && !args.json && !args.sarif,
        failure: Failure {
            exit: Exit::Usage,
            messages: Vec::new(),
        },
        checked: Checked::default(),
        exporters: args.exporters,
        reading: RuleReading::default(),
        routing: None,
        alerts: BTreeSet::new(),
    };
    for record in &named.records {
        let path = shown(record);
        let what = inputs::Kind::Record.name();
        let told = format!(
            "{path}: this is {what}; name rule files, and hold them against it with --against {path}"
        );
        checking.wrong(told);
    }
    let world = match named.wrong.is_empty() {
        true => inputs::world::named(&args.world)?,
        false => None,
    };
    for wrong in &named.wrong {
        checking.wrong(wrong.clone());
    }
    let plans: Vec<_> = named
        .scenarios
        .iter()
        .map(|source| inputs::planned(source, None))
        .collect();
    let records = match args.against.is_empty() {
        true => Ok(Vec::new()),
        false => inputs::records(&inputs::without_copies(&args.against, terminal)),
    };
    let opened = records.as_ref().map_or(&[][..], Vec::as_slice);
    checking.reading = inputs::reading_of(&args.dialect, opened, terminal);
    let scraped_ms = scrape_interval_ms(
        args.scrape_interval,
        plans.iter().flatten(),
        records.iter().flatten(),
    );
    if let Some(path) = &args.alertmanager {
        checking.alertmanager(path)?;
    }
    let mut texts = Vec::new();
    for source in &named.rules {
        texts.extend(checking.rules(source, world.as_ref(), scraped_ms));
    }
    let scenarios: BTreeSet<String> = plans
        .iter()
        .flatten()
        .map(|plan| plan.name.clone())
        .collect();
    let alerts: BTreeSet<String> = std::mem::take(&mut checking.alerts);
    for (source, plan) in named.scenarios.iter().zip(plans) {
        checking.scenario(source, plan);
    }
    for source in &named.worlds {
        checking.world(source);
    }
    for source in &named.gates {
        checking.gates(source, &alerts, &scenarios);
    }
    for test in &named.tests {
        let path = test.display();
        terminal.say(format_args!(
            "{path}: {}, not checked here; `firedrill test rules {path}` runs it",
            inputs::Kind::RuleTest.name()
        ));
    }
    if !checking.failure.messages.is_empty() {
        // Records are not looked at, so that it stands beside nothing.
        let held = checking.checked.findings.iter();
        for found in held.filter(|found| checking.is_held && found.rule.is_some()) {
            terminal.say(render::check::line(found));
        }
        checking.print(args);
        return Err(checking.failure);
    }
    if !args.against.is_empty() {
        checking.checked.explanation = Some(against(texts, checking.reading, &records?)?);
    }
    checking.print(args);
    Ok(match checking.checked.is_sound(args.strict) {
        true => Exit::Passed,
        false => Exit::GateFailed,
    })
}

/// How often what the rules ask for is scraped: as was said, or as seldom as in any of the drills that were named, or as in
/// scenarios that do not say.
fn scrape_interval_ms<'a>(
    said: Option<Span>,
    plans: impl Iterator<Item = &'a Plan>,
    records: impl Iterator<Item = &'a Record>,
) -> i64 {
    let drills = plans.map(|plan| plan.scrape_interval_ms);
    let drills = drills.chain(records.map(|record| record.header.scrape_interval_ms));
    let said = said.map(|span| span.0);
    said.or_else(|| drills.max()).unwrap_or(INTERVAL_MS)
}

/// What was found so far.
struct Checking<'t> {
    terminal: &'t Terminal,
    /// Whether what a file is goes where talk goes.
    is_said: bool,
    /// Whether what is said of rules stands beside what they saw in records.
    is_held: bool,
    failure: Failure,
    checked: Checked,
    /// Of asynq.
    exporters: u32,
    reading: RuleReading,
    /// What says whom alerts are sent to.
    routing: Option<Config>,
    /// The alerts there are.
    alerts: BTreeSet<String>,
}

impl Checking<'_> {
    /// Something is wrong that is in no file.
    fn wrong(&mut self, message: String) {
        let found = Finding::new(Kind::Invalid, None, message.clone());
        self.checked.findings.push(found);
        self.failure.messages.push(message);
    }

    fn problems(&mut self, problems: &[Problem]) {
        let found = problems
            .iter()
            .map(|problem| Finding::of_problem(Kind::Invalid, problem));
        self.checked.findings.extend(found);
        let told = Failure::problems(problems);
        self.failure.messages.extend(told.messages);
    }

    /// Something is to be said.
    fn found(&mut self, found: Finding) {
        if !(self.is_held && found.rule.is_some()) {
            self.terminal.say(render::check::line(&found));
        }
        self.checked.findings.push(found);
    }

    fn result(&self, line: &str) {
        match self.is_said {
            true => self.terminal.say(line),
            false => self.terminal.plain_result(line),
        }
    }

    /// Reads the Alertmanager file.
    fn alertmanager(&mut self, path: &Path) -> Result<(), Failure> {
        let (name, text) = (path.display().to_string(), inputs::read(path)?);
        match Config::parse(&name, &text) {
            Ok(config) => {
                let pages = config.receivers().filter(|(_, pages)| *pages);
                let pages: Vec<&str> = pages.map(|(name, _)| name).collect();
                let what = format!(
                    "Alertmanager, {}; those that page: {}",
                    counted(config.receivers().count(), "receiver"),
                    pages.join(", ")
                );
                self.ok(&name, what);
                self.routing = Some(config);
            }
            Err(problems) => self.problems(&problems),
        }
        Ok(())
    }

    fn ok(&mut self, file: &str, what: String) {
        self.result(&format!("ok {}: {what}", shown(file)));
        self.checked.files.push(CheckedFile {
            file: file.to_owned(),
            what,
        });
    }

    /// The texts of a rule file that can be loaded.
    fn rules(&mut self, source: &Source, world: Option<&World>, scraped_ms: i64) -> Vec<RuleText> {
        let (name, text) = (source.name.clone(), source.text.clone());
        let (Rules { set, texts, .. }, pack) =
            match inputs::rule_file(RuleText { name, text }, self.reading) {
                Ok(loaded) => loaded,
                Err(problems) => {
                    self.problems(&problems);
                    return Vec::new();
                }
            };
        self.alerts
            .extend(set.alerts().map(|alert| alert.name.to_owned()));
        for warning in set.warnings() {
            self.found(Finding::of_problem(Kind::Reservation, warning));
        }
        let default = World::default();
        let around =
            inputs::world::surroundings(world.unwrap_or(&default), scraped_ms, self.exporters);
        for rule in set.remarks(&around) {
            for found in Finding::of_remarks(&rule) {
                self.found(found);
            }
        }
        if set.rule_count() == 0 {
            let message = "there is no rule in it";
            self.found(Finding::new(Kind::NoRule, Some(&source.name), message));
        }
        if let Some(world) = world {
            for found in inputs::world::missing(&set, world) {
                self.found(found);
            }
        }
        self.ok(&source.name, counted(set.alerts().count(), "alerting rule"));
        if let Some(config) = &self.routing {
            let (routes, found) = check::routed(&set, &pack, config);
            for found in found {
                self.found(found);
            }
            for route in &routes {
                self.result(&render::check::route(route));
            }
            self.checked.routes.extend(routes);
        }
        texts
    }

    fn scenario(&mut self, source: &Source, plan: Result<Plan, Vec<Problem>>) {
        let plan = match plan {
            Ok(plan) => plan,
            Err(problems) => return self.problems(&problems),
        };
        // One that has become a plan can be read.
        let notes =
            Scenario::parse(&source.name, &source.text).map(|scenario| scenario.notes(&plan));
        for note in notes.unwrap_or_default() {
            self.found(Finding::new(Kind::Scenario, Some(&source.name), note));
        }
        let minutes = plan.duration_ms / 60_000;
        let mut what = format!(
            "scenario {}, {minutes} min, {}",
            plan.name,
            counted(plan.incidents.len(), "incident")
        );
        let told = plan.incidents.iter().map(|incident| plan.told(incident));
        let told: Vec<String> = told.collect();
        if !told.is_empty() {
            what.push_str(&format!(": {}", told.join("; ")));
        }
        self.ok(&source.name, what);
    }

    fn world(&mut self, source: &Source) {
        let world = match World::parse(&source.name, &source.text) {
            Ok(world) => world,
            Err(problems) => return self.problems(&problems),
        };
        let metrics = counted(catalogue::rows(&world).len(), "metric");
        self.ok(&source.name, format!("world {}, {metrics}", world.name));
    }

    /// A gate file, beside the alerts and the scenarios that were named with it.
    fn gates(&mut self, source: &Source, alerts: &BTreeSet<String>, scenarios: &BTreeSet<String>) {
        let file = match GateFile::parse(&source.name, &source.text) {
            Ok(file) => file,
            Err(problems) => return self.problems(&problems),
        };
        for found in check::gates(&file, alerts, scenarios, calendar::today()) {
            self.found(found);
        }
        let mut what = counted(file.gates.len(), "gate");
        if !file.known.is_empty() {
            what.push_str(&format!(", {}", counted(file.known.len(), "known failure")));
        }
        self.ok(&source.name, what);
    }

    /// What machines asked for, and what was found in records.
    fn print(&self, args: &Check) {
        let checked = &self.checked;
        if args.json {
            let text = render::json(&ResultFile::of_check(checked, args.strict));
            self.terminal.result(&text);
        } else if args.sarif {
            let text = render::check::sarif(checked, env!("CARGO_PKG_VERSION"));
            self.terminal.result(&text);
        } else if let Some(found) = &checked.explanation {
            let style = self.terminal.style();
            self.terminal.result(&render::terminal(
                &document::of_check(found, &checked.findings),
                style,
            ));
        }
    }
}

/// Holds all rules together against the records, one after the other.
fn against(
    texts: Vec<RuleText>,
    reading: RuleReading,
    records: &[Record],
) -> Result<Explanation, Failure> {
    if texts.is_empty() {
        return Err(Failure::usage(
            "--against: there is no rule file to hold against the records",
        ));
    }
    let rules = inputs::rules(texts, reading).map_err(|problems| Failure::problems(&problems))?;
    let mut explainer = Explainer::new(&rules.set);
    inputs::each(records, |record| {
        bounds::check_record(record, &rules.set).map_err(Failure::usage)
    })?;
    for record in records {
        explainer.observe(record);
    }
    Ok(explainer.finish())
}
