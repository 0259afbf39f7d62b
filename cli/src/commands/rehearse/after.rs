//! After a rehearsal: the draft of a post-mortem, with what alerts came to.

use super::room::{Left, Stopped};
use crate::commands::plots;
use crate::commands::score::{self, Scored};
use crate::drills::live::LiveSet;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Paging};
use crate::terminal::Terminal;
use firedrill_reports::record::{RuleReading, RuleText};
use firedrill_reports::rehearsal::{Debrief, Sooner};
use firedrill_reports::{
    Record, Replay, ScoreParams, Scorecard, document, render, replay, score_drill,
};
use firedrill_sim::builtin;
use firedrill_sim::files::{self, Fresh, LATEST, shown};
use std::io;

/// The pack whose rules are tried on what was recorded.
const TRIED: &str = "firedrill";

/// Prints and writes what it came to; the exit code says how it ended, or else what the alerts came to.
///
/// # Errors
/// When it could not be run, was refused, or what it came to cannot be written.
pub(super) fn debrief(
    set: &LiveSet,
    dir: &Fresh,
    left: Left,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let Left {
        hold: _hold,
        outcome,
        stopped,
        consulted,
    } = left;
    let finished = match (outcome, &stopped) {
        (Ok(finished), _) => finished,
        // It was stopped before it began.
        (Err(failure), Some(_)) if failure.exit == Exit::Environment => return Ok(Exit::Stopped),
        (Err(failure), _) => return Err(failure),
    };
    let record = inputs::record(&finished.record)?;
    // Where the machine was so slow that a step was done meanwhile, something was broken, and healed.
    if let (Some(Stopped::Refused(why)), None) = (&stopped, record.marks().next()) {
        return Err(Failure::refused(format!(
            "not as usual, so nothing was broken: {}",
            why.join("; ")
        )));
    }
    let replay = Replay::recorded(&record);
    let params = ScoreParams::default();
    let score = score_drill(&record, &replay, &set.pack, &params);
    let mut debrief = Debrief::of(&record, &score, consulted)
        .ok_or_else(|| Failure::internal("the record is of no rehearsal"))?;
    debrief.sooner = sooner(&record, &debrief)?;
    let scored = Scored {
        rules: set.rules.set.clone(),
        pack: set.pack.clone(),
        record,
        replay,
        score,
    };
    let mut card = Scorecard::new(vec![scored.score.clone()]);
    score::explain(&mut card, &[&scored]);
    let mut post_mortem = document::of_rehearsal(&scored.record, &scored.score, &debrief);
    terminal.result(&render::terminal(&post_mortem, terminal.style()));
    let alerts = document::of_scorecard(&card, &[]);
    terminal.result(&render::terminal(&alerts, terminal.style()));
    post_mortem
        .blocks
        .extend(document::of_scorecard(&card, &[scored.drill()]).blocks);
    let written = write(&post_mortem, &card, dir);
    let report = written
        .map_err(|error| Failure::environment(format!("cannot write the post-mortem: {error}")))?;
    terminal.say(format_args!("post-mortem: {report}"));
    let verdict = Exit::of(match card.verdict() {
        firedrill_reports::Verdict::Passed => Some(true),
        firedrill_reports::Verdict::Failed => Some(false),
        firedrill_reports::Verdict::Inconclusive => None,
    });
    Ok(match stopped {
        Some(_) => Exit::Stopped,
        None => verdict,
    })
}

/// Writes it beside the record, as a page and in Markdown; answers where the page is.
fn write(post_mortem: &document::Document, card: &Scorecard, dir: &Fresh) -> io::Result<String> {
    let path = dir.path();
    let html = plots::report(post_mortem, None, path)?;
    files::write(&path.join("post-mortem.md"), &render::markdown(post_mortem))?;
    files::write(&path.join("result.json"), &render::json(&card.into()))?;
    if let Some(all) = path.parent() {
        files::link(&all.join(LATEST), dir.name())?;
    }
    Ok(shown(&html).to_string())
}

/// Which rule of firedrill's own would have paged sooner, judged by what it makes of the record; what began after people had done
/// something proves nothing.
fn sooner(record: &Record, debrief: &Debrief) -> Result<Option<Sooner>, Failure> {
    let Some(pack) = builtin::rules(TRIED) else {
        return Ok(None);
    };
    let text = RuleText {
        name: pack.shown(),
        text: pack.text.to_owned(),
    };
    let paging = Paging::new(&[], None);
    let (rules, pack) = inputs::pack(vec![text], RuleReading::default(), &paging)?;
    let replayed = replay(record, &rules.set);
    let score = score_drill(record, &replayed, &pack, &ScoreParams::default());
    let first_hand = record.actions().filter(|action| action.is_hand());
    let first_hand = first_hand
        .map(|action| action.at_ms)
        .min()
        .unwrap_or(i64::MAX);
    let own_ms = debrief.detect_ms();
    let found = score.incidents.first().and_then(|incident| {
        let detection = incident.detection.as_ref()?;
        let is_sure = detection.pending_ms < first_hand;
        let took_ms = detection.delivered_ms - incident.truth.fault_ms;
        let by_ms = own_ms.map(|own_ms| own_ms - took_ms);
        (is_sure && by_ms.is_none_or(|by_ms| by_ms > 0)).then(|| Sooner {
            alert: detection.alert.clone(),
            pack: TRIED.to_owned(),
            by_ms,
        })
    });
    Ok(found)
}
