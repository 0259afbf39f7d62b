//! What a run must come to, and what a pipeline reads of it: shared by `run` and `score`.

use crate::args;
use crate::args::Host;
use crate::calendar;
use crate::failure::Failure;
use crate::inputs::{self, results};
use crate::terminal::Terminal;
use firedrill_detector::RuleSet;
use firedrill_detector::yaml::Problem;
use firedrill_reports::ci::{self, Places};
use firedrill_reports::compare::{self, Comparison};
use firedrill_reports::figures::{Failing, Like, Results};
use firedrill_reports::gate::{Gate, GateFile, Gated, Judge, Known};
use firedrill_reports::pack::RulePack;
use firedrill_sim::builtin;
use firedrill_sim::drill;
use firedrill_sim::files;
use firedrill_sim::plan::Plan;
use std::collections::BTreeMap;
use std::path::Path;

/// What was asked of a run, read before anything is started.
#[derive(Debug, Clone)]
pub(crate) struct Gates {
    args: args::Gates,
    /// Gates wait in it for figures.
    pub(crate) judge: Judge,
    known: Vec<(String, Known)>,
    baseline: Option<Results>,
    places: Places,
    excused: bool,
}

impl Gates {
    /// Reads the files; `no_gate`: missed incidents and false pages fail nothing.
    ///
    /// # Errors
    /// With all that is wrong with them.
    pub(crate) fn read(
        args: &args::Gates,
        no_gate: bool,
        terminal: &Terminal,
    ) -> Result<Self, Failure> {
        let read = inputs::each(&args.gate, |path| {
            let text = inputs::read(path)?;
            GateFile::parse(&path.display().to_string(), &text)
                .map_err(|problems| Failure::problems(&problems))
        })?;
        for path in args.outputs.files() {
            files::check_writable(path).map_err(Failure::environment)?;
        }
        let mut gates = Self {
            args: args.clone(),
            judge: Judge::default(),
            known: Vec::new(),
            baseline: match &args.baseline {
                Some(path) => Some(results::read(path, terminal)?),
                None => None,
            },
            places: Places::default(),
            excused: no_gate,
        };
        for file in read {
            for (gate, at) in file.gates {
                gates.judge.ask(gate, Some((file.file.clone(), at)), None);
            }
            let known = file.known.into_iter();
            gates
                .known
                .extend(known.map(|known| (file.file.clone(), known)));
        }
        gates.has_baseline()?;
        Ok(gates)
    }

    /// Takes in the gates of plans and the files that they are from, before their drills.
    ///
    /// # Errors
    /// When they need a baseline and there is none, or it is of something else.
    pub(crate) fn plans(
        &mut self,
        plans: impl IntoIterator<Item = (Plan, String)>,
        engine: &str,
    ) -> Result<(), Failure> {
        let mut new = BTreeMap::new();
        for (plan, file) in plans {
            self.scenario(&plan.name, &plan.gates)?;
            let like = Like::new(&drill::virtual_header(&plan, None));
            new.insert(plan.name.clone(), (like, file));
        }
        for (name, (_, file)) in new.iter().filter(|(_, (_, file))| is_file(file)) {
            self.places.scenario(name, file);
        }
        let likes = new.into_iter().map(|(name, (like, _))| {
            let engine = engine.to_owned();
            (name, Like { engine, ..like })
        });
        self.alike(likes)
    }

    /// Sees, before a load, that the baseline is of such a one.
    ///
    /// # Errors
    /// When it is of something else.
    pub(crate) fn load(&self, name: &str, like: Like) -> Result<(), Failure> {
        self.alike([(name.to_owned(), like)])
    }

    fn alike(&self, new: impl IntoIterator<Item = (String, Like)>) -> Result<(), Failure> {
        let Some(base) = &self.baseline else {
            return Ok(());
        };
        let likes = new.into_iter().map(|(name, like)| {
            // Which Redis it will be is not known before.
            let redis = base.scenarios.get(&name).map(|base| base.redis.clone());
            let redis = redis.unwrap_or_default();
            (name, Like { redis, ..like })
        });
        compare::alike(&base.scenarios, &likes.collect()).map_err(Failure::usage)
    }

    /// Takes in the gates of a scenario.
    ///
    /// # Errors
    /// When they need a baseline and there is none.
    pub(crate) fn scenario(&mut self, name: &str, gates: &[Gate]) -> Result<(), Failure> {
        for gate in gates {
            self.judge.ask(gate.clone(), None, Some(name));
        }
        self.has_baseline()
    }

    fn has_baseline(&self) -> Result<(), Failure> {
        let (None, Some((gate, place))) = (&self.baseline, self.judge.first_with_baseline()) else {
            return Ok(());
        };
        let message = format!("the gate `{gate}` needs a baseline");
        let hint = "give one with --baseline RUN, such as the run of the main branch";
        Err(match place {
            Some((file, at)) => Failure::problems(&[Problem {
                file: file.clone(),
                line: at.line,
                column: at.column,
                message,
                hint: Some(hint.into()),
            }]),
            None => Failure::usage(format!("{message}: {hint}")),
        })
    }

    /// Takes in the rules that were judged, so that what is wrong with one is told at its line.
    pub(crate) fn rules<'c>(
        &mut self,
        rules: &RuleSet,
        pack: &RulePack,
        causes: impl IntoIterator<Item = &'c str>,
    ) {
        self.places.rules(rules, pack, causes, is_file);
    }

    /// Whether the figures of all drills are needed in the end.
    pub(crate) fn compares(&self) -> bool {
        self.baseline.is_some()
    }

    /// What it comes to. `judge` has seen all drills, `new` are their figures where they are compared; `unfit`: alerts whose
    /// rules cannot fire.
    ///
    /// # Errors
    /// When the baseline is of something else.
    pub(crate) fn gated(
        &self,
        mut judge: Judge,
        new: &Results,
        unfit: &[String],
    ) -> Result<Gated, Failure> {
        for alert in unfit {
            judge.fail(Failing::unfit(alert));
        }
        let baseline = match &self.baseline {
            Some(base) => Some((base, Comparison::new(base, new).map_err(Failure::usage)?)),
            None => None,
        };
        let mut gated = judge.judge(&self.known, baseline, calendar::today());
        gated.excused = self.excused;
        Ok(gated)
    }

    /// Writes what a pipeline asked for; `summary`: the result in Markdown.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(
        &self,
        gated: Option<&Gated>,
        summary: &str,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let Some(gated) = gated else {
            return Ok(());
        };
        let outputs = &self.args.outputs;
        let findings = ci::findings(gated, &self.places);
        if outputs.annotations == Some(Host::Github) {
            terminal.command(&ci::github(&findings));
        }
        if let Some(path) = &outputs.summary {
            files::append(path, &ci::cut(summary)).map_err(Failure::environment)?;
        }
        for (option, path) in [
            ("--sarif", &outputs.sarif),
            ("--code-quality", &outputs.code_quality),
        ] {
            if let (Some(_), Some(told)) = (path, ci::unplaced(&findings)) {
                terminal.say(format_args!("warning: {option}: {told}"));
            }
        }
        let junit = match outputs.junit {
            Some(_) => ci::junit(gated, &self.places).map_err(Failure::internal)?,
            None => String::new(),
        };
        let badge = |path: &Path| match path.extension().is_some_and(|end| end == "json") {
            true => ci::shields(gated),
            false => ci::svg(gated),
        };
        let files = [
            (&outputs.junit, junit),
            (
                &outputs.sarif,
                ci::sarif(&findings, env!("CARGO_PKG_VERSION")),
            ),
            (&outputs.code_quality, ci::code_quality(&findings)),
            (&outputs.benchmark_smaller, ci::smaller_is_better(gated)),
            (&outputs.benchmark_bigger, ci::bigger_is_better(gated)),
            (&outputs.bencher, ci::bencher(gated)),
            (
                &outputs.badge,
                outputs.badge.as_deref().map_or(String::new(), badge),
            ),
        ];
        for (path, text) in files {
            if let Some(path) = path {
                files::write(path, &text).map_err(Failure::environment)?;
            }
        }
        Ok(())
    }
}

/// Whether a name is that of a file, and not of what is built in.
fn is_file(name: &str) -> bool {
    !name.ends_with(builtin::MARK)
}
