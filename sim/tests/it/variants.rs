//! The variants of `rules/firedrill.yml`, one a world inside the binary: made from `rules/firedrill.template`, so that what is common to
//! them stands in one place.
//!
//! In the template, `<word>` stands for what the world calls it, and lines between `#if FACT`, `#else` and `#end` are for worlds of which
//! that is true, or not. `UPDATE_DOCS=1 cargo test -p firedrill-sim --test it variants` writes the files.

use crate::support::project;
use firedrill_detector::{Compat, RuleFile, RuleSet};
use firedrill_sim::builtin;
use firedrill_sim::world::{Discovery, PRESETS, World};
use std::collections::BTreeSet;
use std::fs;

/// What the template may ask of a world.
struct Facts {
    facts: Vec<&'static str>,
    words: Vec<(&'static str, String)>,
}

impl Facts {
    fn of(world: &World) -> Self {
        let has = |metric: &str| world.metric_of(metric).is_some();
        let counted = [
            (
                "job_processed_total",
                "job_processed_total{status=\"failed\"}",
            ),
            ("processed_tasks_total", "failed_tasks_total"),
        ];
        let counted = counted.into_iter().find(|(processed, _)| has(processed));
        let on_kubernetes = world.discovery == Discovery::Kubernetes;
        let facts = [("kubernetes", on_kubernetes), ("types", counted.is_some())];
        let (processed, failed) = counted.unwrap_or_default();
        let in_namespace = |label: &str| match on_kubernetes {
            true => format!("namespace, {label}"),
            false => label.to_owned(),
        };
        let all = if on_kubernetes {
            " by (namespace) "
        } else {
            ""
        };
        let (failing, counts) = match counted {
            Some(_) => ("AsynqTaskTypeFailing", "its counters by task type"),
            None => ("AsynqArchiveGrowing", "nothing of its own"),
        };
        let job = world.targets.worker.job.as_deref().unwrap_or("worker");
        Self {
            facts: facts
                .into_iter()
                .filter_map(|(fact, holds)| holds.then_some(fact))
                .collect(),
            words: vec![
                ("<world>", world.name.clone()),
                ("<counts>", counts.to_owned()),
                ("<failing>", failing.to_owned()),
                ("<queue>", in_namespace("queue")),
                ("<task_type>", in_namespace("task_type")),
                ("<all>", all.to_owned()),
                ("<worker>", job.to_owned()),
                ("<processed>", processed.to_owned()),
                ("<failed>", failed.to_owned()),
            ],
        }
    }

    /// The template for this world.
    fn fill(&self, template: &str) -> String {
        let mut text = String::new();
        let mut is_meant = true;
        for line in template.lines() {
            if let Some(fact) = line.strip_prefix("#if ") {
                is_meant = self.facts.contains(&fact);
            } else if line == "#else" {
                is_meant = !is_meant;
            } else if line == "#end" {
                is_meant = true;
            } else if is_meant {
                text.push_str(line);
                text.push('\n');
            }
        }
        for (word, is) in &self.words {
            text = text.replace(word, is);
        }
        text
    }
}

#[test]
fn each_world_has_the_variant_that_the_template_makes() {
    let template = fs::read_to_string(project("scenarios/rules/firedrill.template")).unwrap();
    for preset in PRESETS {
        let world = World::parse(preset.name, preset.text).unwrap();
        let made = Facts::of(&world).fill(&template);
        let name = builtin::variant("firedrill", preset.name);
        let path = project(&format!("scenarios/rules/{name}.yml"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            written, made,
            "UPDATE_DOCS=1 cargo test -p firedrill-sim --test it variants"
        );
        let file = RuleFile {
            name: format!("{name}.yml"),
            text: made,
        };
        RuleSet::load(&[file], Compat::default()).unwrap_or_else(|found| panic!("{found:#?}"));
    }
}

/// The anchor that Markdown makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn each_alert_leads_to_what_to_do_about_it() {
    let page = "scenarios/rules/README.md";
    let readme = fs::read_to_string(project(page)).unwrap();
    let headings = readme.lines().filter_map(|line| line.strip_prefix("### "));
    let anchors: BTreeSet<String> = headings.map(anchor).collect();
    let mut linked = BTreeSet::new();
    for preset in PRESETS {
        let name = builtin::variant("firedrill", preset.name);
        let pack = builtin::rules(&name).unwrap();
        let links = pack.text.lines().filter_map(|line| {
            let (_, link) = line.split_once("runbook_url: ")?;
            Some(link.trim())
        });
        let links: Vec<&str> = links.collect();
        let alerts = pack.text.matches("- alert: ").count();
        assert_eq!(links.len(), alerts, "{name}: an alert without a link");
        for link in links {
            let (file, at) = link.split_once('#').unwrap();
            assert_eq!(file, page, "{name}");
            assert!(anchors.contains(at), "{name}: {link} leads nowhere");
            linked.insert(at.to_owned());
        }
    }
    assert_eq!(linked, anchors, "a heading that no alert leads to");
}
