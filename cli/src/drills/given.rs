//! Scenarios to be run on the virtual engine, or records, and the rules they are judged by: what `tune` and `suggest` work on.

use crate::args;
use crate::drills::simulate::{plans, threads};
use crate::failure::{Failure, both};
use crate::inputs::{self, Named, Place};
use crate::terminal::Terminal;
use firedrill_reports::pack::RulePack;
use firedrill_reports::record::RuleReading;
use firedrill_reports::{Record, bounds};
use firedrill_sim::drill::Rules;
use firedrill_sim::estimate::Estimate;
use firedrill_sim::plan::Plan;
use std::path::PathBuf;

/// What was named, read and checked.
pub(crate) struct Given {
    pub(crate) rules: Rules,
    pub(crate) pack: RulePack,
    pub(crate) plans: Vec<Plan>,
    pub(crate) records: Vec<Record>,
    /// How rule files are read.
    pub(crate) reading: RuleReading,
    /// How many drills run at a time.
    pub(crate) threads: usize,
}

/// What was typed.
pub(crate) struct Typed<'a> {
    pub(crate) inputs: &'a [PathBuf],
    pub(crate) rules: &'a args::Rules,
    pub(crate) delivery: args::Delivery,
    pub(crate) routing: &'a args::Routing,
    pub(crate) world: &'a args::World,
    pub(crate) seed: Option<u64>,
    pub(crate) trials: u32,
    pub(crate) jobs: args::Jobs,
    pub(crate) memory: args::Memory,
}

impl Given {
    /// Reads and checks all of it, before any drill begins.
    ///
    /// # Errors
    /// With all that is wrong with what was named, or when drills would take too much memory.
    pub(crate) fn new(typed: &Typed<'_>, terminal: &Terminal) -> Result<Self, Failure> {
        let files = &typed.rules.files;
        let named = Named::new(&[
            (Place::Rules, files),
            (Place::ScenariosOrRecords, typed.inputs),
        ]);
        let named = match named.records.is_empty() {
            true => named.with_scenarios(),
            false => named,
        };
        let named = named.with_rules_of(files).in_world(typed.world);
        let inputs = both(
            inputs::modelled(&named.scenarios, terminal),
            inputs::records(&inputs::without_copies(&named.records, terminal)),
        );
        let records = inputs.as_ref().map_or(&[][..], |(_, records)| records);
        let reading = inputs::reading_of(&typed.rules.dialect, records, terminal);
        let (rules, pack, (scenarios, records)) = inputs::rules_and(
            &named,
            typed.rules,
            reading,
            (typed.delivery, typed.routing),
            inputs,
            terminal,
        )?;
        let was_routed = |record: &Record| record.header.alertmanager.is_some();
        if pack.alertmanager().is_none() && records.iter().any(was_routed) {
            terminal.say(
                "an Alertmanager file said what was sent in some of the records; here it goes by severities, alert by alert",
            );
        }
        let plans = plans(&scenarios, typed.seed, typed.trials)?;
        inputs::bounded(&rules, &plans)?;
        inputs::each(&records, |record| {
            bounds::check_record(record, &rules.set).map_err(Failure::usage)
        })?;
        let threads = threads(typed.jobs.fixed(), plans.len());
        for plan in &plans {
            let estimate = Estimate::of(plan, true);
            let checked = estimate.check(&plan.name, typed.memory.max_memory.0, threads, 0);
            checked.map_err(Failure::usage)?;
        }
        Ok(Self {
            rules,
            pack,
            plans,
            records,
            reading,
            threads,
        })
    }
}
