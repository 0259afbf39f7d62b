//! Rule files, what their comments say about scoring, and which of their alerts page.

use super::{Named, Source};
use crate::args::Dialect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_detector::RuleSet;
use firedrill_detector::text::printable;
use firedrill_detector::yaml::{Position, Problem, Problems, closest};
use firedrill_reports::Record;
use firedrill_reports::alertmanager::Config;
use firedrill_reports::pack::{RulePack, Severities, check_strays};
use firedrill_reports::record::{RuleReading, RuleText};
use firedrill_reports::score::Delivery;
use firedrill_sim::drill::Rules;
use firedrill_sim::scenario::FAMILIES;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What says which alerts page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paging {
    /// Severities, instead of those that the rule files name.
    severities: Vec<String>,
    /// Instead of severities.
    alertmanager: Option<Arc<Config>>,
}

impl Paging {
    pub(crate) fn new(severities: &[String], alertmanager: Option<Arc<Config>>) -> Self {
        Self {
            severities: severities.to_vec(),
            alertmanager,
        }
    }
}

/// Rule files by value.
pub(crate) fn texts(sources: &[Source]) -> Vec<RuleText> {
    let texts = sources.iter().map(|source| RuleText {
        name: source.name.clone(),
        text: source.text.clone(),
    });
    texts.collect()
}

/// Loads rule texts.
pub(crate) fn rules(texts: Vec<RuleText>, reading: RuleReading) -> Result<Rules, Vec<Problem>> {
    let set = reading.load(&texts)?;
    Ok(Rules {
        texts,
        reading,
        set,
        delivery: Delivery::default(),
        alertmanager: None,
    })
}

/// Loads the rule files that were named, of which only alerts matter.
///
/// # Errors
/// With all that is wrong with them, or when there is no alert in them.
pub(crate) fn with_alerts(
    named: &Named,
    dialect: &Dialect,
    terminal: &Terminal,
) -> Result<RuleSet, Failure> {
    let reading = reading_of(dialect, &[], terminal);
    let rules = rules(texts(&named.rules), reading);
    let set = rules.map_err(|problems| Failure::problems(&problems))?.set;
    if set.alerts().next().is_none() {
        return Err(Failure::usage("there is no alert in these rules"));
    }
    Ok(set)
}

/// The same, with who is paged; they may be a part of a pack, which pages nobody by itself.
///
/// # Errors
/// As [`with_alerts`], and when severities that no alert has are to page.
pub(crate) fn alerts_and_pages(
    named: &Named,
    dialect: &Dialect,
    paging: &Paging,
    terminal: &Terminal,
) -> Result<(RuleSet, RulePack), Failure> {
    let set = with_alerts(named, dialect, terminal)?;
    let reading = dialect.over(RuleReading::default());
    let loaded = commented(texts(&named.rules), reading);
    let (_, mut pack) = loaded.map_err(|found| Failure::problems(&found))?;
    page_on(&mut pack, paging, &Severities::of(&set))?;
    if let Some(config) = &paging.alertmanager {
        pack = pack.delivered_by(Arc::clone(config));
    }
    Ok((set, pack))
}

/// Has the severities of the command line page, if there are some.
fn page_on(pack: &mut RulePack, paging: &Paging, severities: &Severities) -> Result<(), Failure> {
    if paging.severities.is_empty() {
        return Ok(());
    }
    let replaced = pack.page_on(&paging.severities, severities);
    replaced.map_err(|wrong| Failure {
        exit: Exit::Usage,
        messages: wrong
            .iter()
            .map(|error| format!("--pages: {error}"))
            .collect(),
    })
}

/// Loads rule texts that were given for this command, with what their comments say about scoring.
pub(crate) fn rule_pack(
    texts: Vec<RuleText>,
    reading: RuleReading,
    paging: &Paging,
) -> Result<(Rules, RulePack), Failure> {
    directives(&texts).map_err(|found| Failure::problems(&found))?;
    have_rules(&texts, reading)?;
    pack(texts, reading, paging)
}

/// Rule texts that were given for this command, if they can be loaded; who is paged of them is another matter.
pub(crate) fn rule_texts(
    texts: Vec<RuleText>,
    reading: RuleReading,
) -> Result<Vec<RuleText>, Failure> {
    directives(&texts).map_err(|found| Failure::problems(&found))?;
    have_rules(&texts, reading)?;
    let loaded = commented(texts, reading).map_err(|found| Failure::problems(&found))?;
    Ok(loaded.0.texts)
}

/// Refuses files without a single rule: nothing would be judged, and nobody would notice. What is wrong besides is told by
/// whoever loads them.
fn have_rules(texts: &[RuleText], reading: RuleReading) -> Result<(), Failure> {
    let mut failure = Failure {
        exit: Exit::Usage,
        messages: Vec::new(),
    };
    for text in texts {
        if rules(vec![text.clone()], reading).is_ok_and(|rules| rules.set.rule_count() == 0) {
            failure.messages.push(format!(
                "{}: there is no rule in it; name a file with rules under `groups`",
                printable(&text.name)
            ));
        }
    }
    match failure.messages.is_empty() {
        true => Ok(()),
        false => Err(failure),
    }
}

/// Refuses comments that nothing would come of.
fn directives(texts: &[RuleText]) -> Result<(), Vec<Problem>> {
    let mut found = check_strays(texts).err().unwrap_or_default();
    found.extend(unknown_causes(texts));
    match found.is_empty() {
        true => Ok(()),
        false => Err(found),
    }
}

/// Comments about causes that no incident can have: nothing would ever come of them.
fn unknown_causes(texts: &[RuleText]) -> Vec<Problem> {
    let mut found = Vec::new();
    // All but `benign`.
    let known = &FAMILIES[..7];
    for RuleText { name, text } in texts {
        let mut problems = Problems::new(name);
        for (number, line) in (1..).zip(text.lines()) {
            let comment = line.trim_start().strip_prefix('#').map(str::trim_start);
            let words = comment.and_then(|comment| comment.strip_prefix("firedrill:"));
            let mut words = words.unwrap_or_default().split_whitespace();
            let (Some("cause"), Some(cause)) = (words.next(), words.next()) else {
                continue;
            };
            if known.contains(&cause) {
                continue;
            }
            let close = closest(cause, known.iter().copied());
            let close = close.map_or(String::new(), |close| format!("did you mean `{close}`? "));
            let at = Position {
                line: number,
                column: 1 + line.chars().take_while(|c| c.is_whitespace()).count(),
            };
            problems.push_with_hint(
                at,
                format!("no incident has the cause `{cause}`"),
                format!("{close}accepted: {}", known.join(", ")),
            );
        }
        found.extend(problems.into_vec());
    }
    found
}

/// Loads rule texts with what their comments say about scoring. Severities that no alert has are refused, and so is a pack
/// that would page nobody.
pub(crate) fn pack(
    texts: Vec<RuleText>,
    reading: RuleReading,
    paging: &Paging,
) -> Result<(Rules, RulePack), Failure> {
    let (rules, mut pack) = commented(texts, reading).map_err(|found| Failure::problems(&found))?;
    let severities = Severities::of(&rules.set);
    page_on(&mut pack, paging, &severities)?;
    pack.check_said_pages(&severities)
        .map_err(|problems| Failure::problems(&problems))?;
    let names: Vec<&str> = rules.texts.iter().map(|rule| rule.name.as_str()).collect();
    let any = match &paging.alertmanager {
        Some(config) => {
            pack = pack.delivered_by(Arc::clone(config));
            pack.check_any_routed(&rules.set)
        }
        None => pack.check_any_pages(&severities),
    };
    any.map_err(|error| Failure::usage(format!("{}: {error}", names.join(", "))))?;
    Ok((rules, pack))
}

/// One rule file by itself, which may be a part of a pack: its alerts need not page. With what its comments say.
///
/// # Errors
/// With all that is wrong with it.
pub(crate) fn rule_file(
    text: RuleText,
    reading: RuleReading,
) -> Result<(Rules, RulePack), Vec<Problem>> {
    let texts = vec![text];
    directives(&texts)?;
    let (rules, pack) = commented(texts, reading)?;
    pack.check_said_pages(&Severities::of(&rules.set))?;
    Ok((rules, pack))
}

fn commented(
    texts: Vec<RuleText>,
    reading: RuleReading,
) -> Result<(Rules, RulePack), Vec<Problem>> {
    let rules = rules(texts, reading)?;
    let alerts: Vec<String> = rules
        .set
        .alerts()
        .map(|alert| alert.name.to_owned())
        .collect();
    let pack = RulePack::parse(&rules.texts, &alerts)?;
    let pack = pack.looking(&rules.set);
    Ok((rules, pack))
}

/// How rules that are held against records are read: as was said, and else as those of the first record were. Says of which
/// records that is another way than in the drill.
pub(crate) fn reading_of(
    dialect: &Dialect,
    records: &[Record],
    terminal: &Terminal,
) -> RuleReading {
    let recorded = records.first().map(|record| record.header.reading);
    let reading = dialect.over(recorded.unwrap_or_default());
    let others = records.iter().map(|record| &record.header);
    let others = others.filter(|header| header.reading != reading);
    let told: BTreeSet<String> = others
        .map(|header| {
            format!(
                "{}: its rules were read with {} in the drill, and are read with {reading} now",
                header.scenario, header.reading
            )
        })
        .collect();
    for line in told {
        terminal.say(line);
    }
    reading
}
