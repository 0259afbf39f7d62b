//! The variant of a built-in rule pack that fits what drills are seen in: `--rules firedrill` means the one for their world.

use super::world::selectors;
use super::{Named, Source};
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_detector::anatomy::SeriesSelector;
use firedrill_detector::{Compat, Labels, RuleFile, RuleSet};
use firedrill_reports::Record;
use firedrill_sim::builtin::{self, Builtin};
use firedrill_sim::metrics::catalogue::rows;
use firedrill_sim::plan::Plan;
use firedrill_sim::scenario::{PlanOptions, Scenario};
use firedrill_sim::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What drills are seen in.
pub(crate) trait Worlds {
    /// The worlds, those of several drills perhaps several times.
    fn worlds(&self) -> Vec<World>;
}

impl Worlds for Plan {
    fn worlds(&self) -> Vec<World> {
        vec![self.world.clone()]
    }
}

impl Worlds for Scenario {
    fn worlds(&self) -> Vec<World> {
        let plan = Plan::resolve(self, &PlanOptions::default());
        plan.map_or_else(|_| Vec::new(), |plan| plan.worlds())
    }
}

impl Worlds for Record {
    fn worlds(&self) -> Vec<World> {
        // Records of before there were worlds have the default one.
        let scenario = Scenario::parse("plan", &self.header.plan);
        scenario.map_or_else(|_| Vec::new(), |scenario| scenario.worlds())
    }
}

impl<T: Worlds> Worlds for [T] {
    fn worlds(&self) -> Vec<World> {
        self.iter().flat_map(Worlds::worlds).collect()
    }
}

impl<T: Worlds> Worlds for Vec<T> {
    fn worlds(&self) -> Vec<World> {
        self.as_slice().worlds()
    }
}

impl<T: Worlds, U: Worlds> Worlds for (T, U) {
    fn worlds(&self) -> Vec<World> {
        let mut worlds = self.0.worlds();
        worlds.extend(self.1.worlds());
        worlds
    }
}

/// A variant, and what it asks for in vain.
pub(crate) struct Fitting {
    pub(crate) pack: Builtin,
    /// Selectors without a series, by world.
    lacks: BTreeMap<String, BTreeSet<String>>,
}

/// The variant of a rule pack that lacks least in these worlds, and of those that lack as little the one that asks for most; `None`:
/// there is no such pack, or only one of it.
pub(crate) fn fitting(pack: &str, worlds: &[World]) -> Option<Fitting> {
    let mut different: Vec<&World> = Vec::new();
    for world in worlds {
        if !different.contains(&world) {
            different.push(world);
        }
    }
    let all = builtin::variants(pack).into_iter().map(|pack| {
        let lacks = different
            .iter()
            .map(|world| (world.name.clone(), lacks(&pack, world)));
        let lacks = lacks.filter(|(_, lacks)| !lacks.is_empty()).collect();
        Fitting { pack, lacks }
    });
    all.min_by_key(|one| one.lacks.values().map(BTreeSet::len).sum::<usize>())
}

/// What a pack asks for that no target of a world has.
fn lacks(pack: &Builtin, world: &World) -> BTreeSet<String> {
    let file = RuleFile {
        name: pack.shown(),
        text: pack.text.to_owned(),
    };
    let Ok(rules) = RuleSet::load(&[file], Compat::default()) else {
        return BTreeSet::new();
    };
    let rows = rows(world);
    let is_there = |selector: &SeriesSelector| {
        rows.iter().any(|row| {
            let jobs = row.jobs_in(world);
            let named = selector.name();
            row.sample_names()
                .iter()
                .any(|name| named.is_none_or(|named| named == name))
                && jobs.iter().any(|job| {
                    selector.accepts("job", &Labels::from_pairs([("job", job.as_str())]))
                })
        })
    };
    let anatomies = rules.anatomies();
    let asked = anatomies.iter().flat_map(selectors);
    asked
        .filter(|selector| !is_there(selector))
        .map(|selector| selector.text().to_owned())
        .collect()
}

impl Named {
    /// The rules, where a pack with variants is named by the one that fits what `drills` are seen in. Says which that is.
    pub(crate) fn rules_for<D: Worlds + ?Sized>(
        &self,
        drills: Option<&D>,
        terminal: &Terminal,
    ) -> Vec<Source> {
        let typed = |source: &Source| {
            let name = source.name.strip_suffix(builtin::MARK)?;
            let name = name.strip_suffix(".yml")?.to_owned();
            (!builtin::variants(&name).is_empty()).then_some(name)
        };
        let mut fitted = self.rules.clone();
        for source in &mut fitted {
            let Some((pack, drills)) = typed(source).zip(drills) else {
                continue;
            };
            let worlds = drills.worlds();
            if let Some(found) = fitting(&pack, &worlds) {
                found.say(&source.name, &worlds, terminal);
                *source = Source::new(found.pack.shown(), found.pack.text.to_owned());
            }
        }
        fitted
    }
}

impl Fitting {
    /// Says which variant it is if it is not the one that was typed, and what it lacks.
    pub(crate) fn say(&self, typed: &str, worlds: &[World], terminal: &Terminal) {
        let shown = self.pack.shown();
        if shown != typed {
            let names: BTreeSet<&str> = worlds.iter().map(|world| world.name.as_str()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            let s = if names.len() == 1 { "" } else { "s" };
            terminal.say(format_args!(
                "rules: {shown}, for the world{s} {}",
                names.join(", ")
            ));
        }
        for (world, lacks) in &self.lacks {
            let lacks: Vec<&str> = lacks.iter().map(String::as_str).collect();
            terminal.say(format_args!(
                "{shown}: the world {world} has no {}; `firedrill show {}` prints the rules, to be changed in a file of yours",
                lacks.join(", "),
                self.pack.name
            ));
        }
    }
}

/// The variant of a rule pack for these worlds.
///
/// # Errors
/// When there is no such pack inside the binary.
pub(crate) fn variant(pack: &str, worlds: &[World]) -> Result<Builtin, Failure> {
    let found = fitting(pack, worlds).map(|found| found.pack);
    let found = found.or_else(|| builtin::rules(pack));
    found.ok_or_else(|| Failure::internal("no built-in rules"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use firedrill_sim::world::{PRESETS, preset};

    fn world(name: &str) -> World {
        let preset = preset(name).unwrap();
        World::parse(preset.name, preset.text).unwrap()
    }

    fn chosen(worlds: &[World]) -> (&'static str, usize) {
        let found = fitting("firedrill", worlds).unwrap();
        (
            found.pack.name,
            found.lacks.values().map(BTreeSet::len).sum(),
        )
    }

    #[test]
    fn each_world_has_a_variant_that_lacks_nothing() {
        for preset in PRESETS {
            let own = builtin::variant("firedrill", preset.name);
            assert_eq!(chosen(&[world(preset.name)]), (own.as_str(), 0));
        }
    }

    #[test]
    fn drills_in_several_worlds_have_what_all_of_them_have() {
        assert_eq!(
            chosen(&[world("wiki"), world("runbook"), world("wiki")]),
            ("firedrill-x-metrics", 0)
        );
        // Their workers are called differently: no variant has both.
        let (_, lacks) = chosen(&[world("wiki"), world("kubernetes")]);
        assert!(lacks > 0);
        assert_eq!(chosen(&[]), ("firedrill", 0));
    }

    #[test]
    fn a_world_of_ones_own_has_what_it_extends() {
        let text = "version: firedrill/v1\nworld: ours\nsummary: s\nextends: [kubernetes, wiki]\ntargets: { worker: { job: jobs } }\n";
        let ours = World::parse("ours.yaml", text).unwrap();
        let found = fitting("firedrill", &[ours]).unwrap();
        assert_eq!(found.pack.name, "firedrill-wiki");
        let lacks: Vec<&str> = found.lacks["ours"].iter().map(String::as_str).collect();
        assert_eq!(lacks, ["process_start_time_seconds{job=\"worker\"}"]);
    }

    #[test]
    fn a_pack_without_variants_is_left_alone() {
        assert!(fitting("runbook", &[world("wiki")]).is_none());
        assert!(fitting("nonsense", &[]).is_none());
    }
}
