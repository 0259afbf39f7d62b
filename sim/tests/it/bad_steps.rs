//! Bad input to every fault and every remedy of the lists: each answer names file and line and says what is accepted, nothing
//! panics, and what is accepted is a plan that comes back as it was printed.

use crate::faults::scenario_with;
use firedrill_detector::yaml::Problem;
use firedrill_sim::fault;
use firedrill_sim::form::{Presence, Row};
use firedrill_sim::lever::On;
use firedrill_sim::plan::Plan;
use firedrill_sim::remedy;
use firedrill_sim::scenario::{PlanOptions, Scenario};

/// A small drill with an entry in its timeline, and the line where that stands.
struct Drill {
    text: String,
    line: usize,
}

impl Drill {
    /// With the entry changed.
    fn with(&self, change: impl FnOnce(&str) -> String) -> Self {
        let lines = (1..).zip(self.text.lines());
        let mut change = Some(change);
        let lines = lines.map(
            |(number, line)| match change.take_if(|_| number == self.line) {
                Some(change) => change(line),
                None => line.to_owned(),
            },
        );
        Self {
            text: lines.map(|line| line + "\n").collect(),
            line: self.line,
        }
    }

    /// With a key added to the entry, or another value for one that is there.
    fn set(&self, key: &str, value: &str) -> Self {
        self.with(|line| {
            let pair = format!("{key}: {value}");
            match span_of(line, key) {
                Some((from, to)) => format!("{}{pair}{}", &line[..from], &line[to..]),
                None => line.replacen("- { ", &format!("- {{ {pair}, "), 1),
            }
        })
    }

    /// Without a key.
    fn without(&self, key: &str) -> Self {
        self.with(|line| match span_of(line, key) {
            Some((from, to)) => {
                let rest = line[to..].strip_prefix(", ").unwrap_or(&line[to..]);
                format!("{}{rest}", &line[..from])
            }
            None => line.to_owned(),
        })
    }

    /// What is wrong with it; nothing: it is a plan.
    fn problems(&self) -> Vec<Problem> {
        let scenario = match Scenario::parse("s.yaml", &self.text) {
            Ok(scenario) => scenario,
            Err(problems) => return problems,
        };
        match Plan::resolve(&scenario, &PlanOptions::default()) {
            Ok(plan) => {
                let printed = plan.to_yaml();
                let again = Scenario::parse("again.yaml", &printed);
                let again = again.unwrap_or_else(|found| panic!("{found:?}\n{printed}"));
                let again = Plan::resolve(&again, &PlanOptions::default());
                assert_eq!(again.as_ref(), Ok(&plan), "{}\n{printed}", self.text);
                Vec::new()
            }
            Err(problems) => problems,
        }
    }
}

/// From where to where in an entry a key stands with its value.
fn span_of(line: &str, key: &str) -> Option<(usize, usize)> {
    let pattern = format!("{key}: ");
    let mut starts = line.match_indices(&pattern).map(|(at, _)| at);
    let from = starts.find(|at| {
        let before = &line[..*at];
        let depth = before.matches(['{', '[']).count() - before.matches(['}', ']']).count();
        depth == 1 && before.ends_with([' ', '{'])
    })?;
    let mut depth = 0;
    for (at, c) in line[from..].char_indices() {
        match c {
            '{' | '[' => depth += 1,
            ',' if depth == 0 => return Some((from, from + at)),
            ']' | '}' if depth > 0 => depth -= 1,
            '}' => return Some((from, from + line[from..from + at].trim_end().len())),
            _ => {}
        }
    }
    None
}

/// Something that can be written in a timeline.
struct Entry {
    name: String,
    on: On,
    rows: Vec<Row>,
    is_fault: bool,
    drill: Drill,
}

fn entry_line(text: &str, name: &str) -> usize {
    let mut lines = text.lines();
    let at = lines.position(|line| line.starts_with("  - { ") && line.contains(name));
    at.unwrap_or_else(|| panic!("{name}: {text}")) + 1
}

fn faults() -> Vec<Entry> {
    let kinds = fault::KINDS.iter();
    let entry = |(kind, keys): (&fault::Kind, &&str)| {
        let text = scenario_with(kind, keys);
        Entry {
            name: kind.name.to_owned(),
            on: kind.on,
            rows: (kind.rows)(),
            is_fault: true,
            drill: Drill {
                line: entry_line(&text, &format!("fault: {}", kind.name)),
                text,
            },
        }
    };
    kinds
        .flat_map(|kind| kind.examples.iter().map(move |keys| (kind, keys)))
        .map(entry)
        .collect()
}

/// Keys and values of each remedy, as they are written.
const REMEDIES: &[(&str, &str)] = &[
    ("worker.restart", "select: [w-0]"),
    ("worker.rolling-restart", "select: all"),
    ("worker.rollback", "select: [w-0]"),
    ("workers.scale", "worker: w, to: 3"),
    ("redis.start", ""),
    ("redis.raise-maxmemory", "bytes: 8MB"),
    ("queue.unpause", "queue: default"),
    ("tasks.run", "queue: default, state: retry"),
    ("tasks.archive", "queue: default, state: retry, task: t"),
    (
        "tasks.delete",
        "queue: default, state: archived, older_than: 1m",
    ),
    ("task.move", "task: t, queue: default, to: apart"),
    ("orphans.repair", "queue: default"),
];

fn remedies() -> Vec<Entry> {
    let calm = scenario_with(&fault::KINDS[0], fault::KINDS[0].examples[0]);
    let head = calm.split("timeline:").next().unwrap();
    let head = head
        .replace("30s } }\n", "30s }, apart: { wait_objective: 30s } }\n")
        .replace("family: other", "family: benign");
    let kinds = remedy::KINDS.iter();
    let entry = |kind: &remedy::Kind| {
        let keys = REMEDIES.iter().find(|(name, _)| *name == kind.name);
        let keys = keys
            .unwrap_or_else(|| panic!("{} is new: write its keys above", kind.name))
            .1;
        let keys = if keys.is_empty() {
            String::new()
        } else {
            format!(", {keys}")
        };
        let text = format!(
            "{head}timeline:\n  - {{ at: 2m, remedy: {}{keys} }}\nbenign: [{{ what: all, at: 0s }}]\n",
            kind.name
        );
        Entry {
            name: kind.name.to_owned(),
            on: kind.on,
            rows: (kind.rows)(),
            is_fault: false,
            drill: Drill {
                line: entry_line(&text, &format!("remedy: {}", kind.name)),
                text,
            },
        }
    };
    kinds.map(entry).collect()
}

/// What was found wrong with the answers.
#[derive(Default)]
struct Answers(Vec<String>);

impl Answers {
    /// A drill that must be refused.
    fn refused(&mut self, entry: &Entry, what: &str, drill: &Drill) {
        let problems = drill.problems();
        if problems.is_empty() {
            self.0.push(format!("{}: {what} is accepted", entry.name));
        }
        self.all_said(entry, what, drill, &problems);
    }

    /// A drill that may be refused.
    fn answered(&mut self, entry: &Entry, what: &str, drill: &Drill) {
        let problems = drill.problems();
        self.all_said(entry, what, drill, &problems);
    }

    fn all_said(&mut self, entry: &Entry, what: &str, drill: &Drill, problems: &[Problem]) {
        // What comes of it elsewhere, such as an incident without its step, may be told, too.
        if !problems.is_empty() && !problems.iter().any(|problem| problem.line == drill.line) {
            self.0.push(format!(
                "{}: {what}: its line is not named: {problems:?}",
                entry.name
            ));
        }
        let lines = drill.text.lines().count();
        let accepts = ["expected", "missing", "exactly one of"];
        for problem in problems {
            let is_placed = problem.file == "s.yaml" && (1..=lines).contains(&problem.line);
            let says_what = problem.hint.as_ref().is_some_and(|hint| !hint.is_empty())
                || accepts.iter().any(|word| problem.message.contains(word));
            if problem.line == drill.line && !says_what || !is_placed {
                self.0.push(format!("{}: {what}: {problem}", entry.name));
            }
        }
    }

    fn are_right(self) {
        let mut wrong = self.0;
        wrong.sort();
        wrong.dedup();
        assert!(
            wrong.is_empty(),
            "{} answers:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}

fn all() -> Vec<Entry> {
    let all: Vec<Entry> = faults().into_iter().chain(remedies()).collect();
    for entry in &all {
        let problems = entry.drill.problems();
        assert!(
            problems.is_empty(),
            "{}: {problems:?}\n{}",
            entry.name,
            entry.drill.text
        );
    }
    all
}

#[test]
fn keys_that_are_unknown_missing_or_of_another_type_are_refused() {
    let mut answers = Answers::default();
    for entry in &all() {
        let drill = &entry.drill;
        answers.refused(entry, "an unknown key", &drill.set("nonsense", "1"));
        let name = if entry.is_fault { "fault" } else { "remedy" };
        for other in ["nonsense", "''", "[]", "~", "7"] {
            answers.refused(entry, &format!("{name}: {other}"), &drill.set(name, other));
        }
        for row in &entry.rows {
            let key = row.key.as_str();
            if row.presence == Presence::Required {
                answers.refused(entry, &format!("no {key}"), &drill.without(key));
            }
            for value in ["{ a: 1 }", "[[1]]", "[]"] {
                answers.refused(entry, &format!("{key}: {value}"), &drill.set(key, value));
            }
            // Some of them are right for some keys.
            for value in [
                "-1",
                "0",
                "1",
                "-1s",
                "0s",
                "1e30",
                "99999999999999999999h",
                "9223372036854775807",
                "-5%",
                "0%",
                "100%",
                "150%",
                ".nan",
                ".inf",
                "~",
                "''",
                "nonsense",
                "18446744073709551616",
                "9999999999GB",
                "true",
            ] {
                answers.answered(entry, &format!("{key}: {value}"), &drill.set(key, value));
            }
        }
    }
    answers.are_right();
}

/// Whatever is counted, lasts, or is a share has bounds.
#[test]
fn numbers_beyond_all_bounds_are_refused() {
    let mut answers = Answers::default();
    for entry in &all() {
        for row in &entry.rows {
            if row.words == "text" || row.schema.get("enum").is_some() {
                continue;
            }
            for value in [
                "99999999999999999999h",
                "-99999999999999999999",
                "1e30",
                "150000%",
                "-5%",
            ] {
                let what = format!("{}: {value} ({})", row.key, row.words);
                answers.refused(entry, &what, &entry.drill.set(&row.key, value));
            }
        }
    }
    answers.are_right();
}

#[test]
fn names_that_there_are_not_are_refused() {
    let mut answers = Answers::default();
    let named = ["task", "queue", "resource", "worker"];
    for entry in &all() {
        for row in entry
            .rows
            .iter()
            .filter(|row| named.contains(&row.key.as_str()))
        {
            for value in ["nobody", "w-0", "exporter", "\"a b\""] {
                let drill = entry.drill.set(&row.key, value);
                answers.refused(entry, &format!("{}: {value}", row.key), &drill);
            }
        }
    }
    answers.are_right();
}

#[test]
fn targets_that_there_are_not_or_of_another_kind_are_refused() {
    let mut answers = Answers::default();
    for entry in &all() {
        let drill = &entry.drill;
        let is_scale = entry.name == "workers.scale";
        let chooses = matches!(entry.on, On::Workers | On::Clients | On::Targets) && !is_scale;
        if !chooses {
            answers.refused(entry, "a choice", &drill.set("select", "[w-0]"));
            continue;
        }
        for nobody in [
            "[w-2]",
            "[w-99]",
            "[nobody-0]",
            "[default]",
            "[t]",
            "[]",
            "[w-0, w-0]",
            "nobody",
            "w-0",
            "3",
            "{ count: 0 }",
            "{ count: 3 }",
            "{ count: -1 }",
            "{ count: 99999999999 }",
            "{ share: 0% }",
            "{ share: 150% }",
            "{ share: -5% }",
            "{ role: nobody }",
            "{ share: 50%, count: 1 }",
            "{}",
            "''",
        ] {
            answers.refused(
                entry,
                &format!("select: {nobody}"),
                &drill.set("select", nobody),
            );
        }
        answers.answered(entry, "select: ~", &drill.set("select", "~"));
        // Each of these is there, and not for all.
        for (target, meant) in [
            ("[producer]", entry.on == On::Clients),
            ("[exporter]", entry.on == On::Targets),
            // The other exporter is called so.
            ("[redis]", entry.on == On::Targets),
        ] {
            let drill = drill.set("select", target);
            match meant {
                true => answers.answered(entry, &format!("select: {target}"), &drill),
                false => answers.refused(entry, &format!("select: {target}"), &drill),
            }
        }
    }
    answers.are_right();
}

#[test]
fn times_that_cannot_be_are_refused() {
    let mut answers = Answers::default();
    for entry in &all() {
        let drill = &entry.drill;
        for at in [
            "-1m",
            "9m",
            "8m",
            "99999999999999999999m",
            "soon",
            "''",
            "[]",
            "2",
            "~",
            "1e9h",
        ] {
            answers.refused(entry, &format!("at: {at}"), &drill.set("at", at));
        }
        answers.refused(entry, "no at", &drill.without("at"));
        if !entry.is_fault {
            answers.refused(entry, "an end", &drill.set("until", "{ at: 5m }"));
            continue;
        }
        let end = |until: &str| drill.set("until", until);
        for until in [
            "{ at: 1m }",
            "{ at: 2m }",
            "{ at: -5m }",
            "{ at: 9m }",
            "{ at: soon }",
            "{}",
            "5m",
            "never",
            "[]",
            "{ at: 5m, remedy: nonsense }",
            "{ at: 5m, remedy: tasks.run }",
            "{ at: 5m, nonsense: 1 }",
            "{ at: 99999999999999999999h }",
        ] {
            answers.refused(entry, &format!("until: {until}"), &end(until));
        }
    }
    answers.are_right();
}

/// Two of a kind at once on the same: refused, or both of them go together.
#[test]
fn two_of_a_kind_at_once_are_refused_or_go_together() {
    let mut wrong = Answers::default();
    for entry in &faults() {
        let twice = entry.drill.with(|line| format!("{line}\n{line}"));
        let twice = Drill {
            line: twice.line + 1,
            text: twice.text.replace(
                "cause: other, wanted",
                &format!("cause: other, of: {}, wanted", entry.name),
            ),
        };
        let problems = twice.problems();
        wrong.all_said(entry, "twice", &twice, &problems);
    }
    wrong.are_right();
}
