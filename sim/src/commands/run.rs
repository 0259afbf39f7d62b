//! `firedrill run`: drills side by side, one scorecard, one report.

use crate::cli::{Engine, Run};
use crate::commands::live::{self, AllEnded, Job, LiveSet};
use crate::commands::score::Scored;
use crate::commands::{Failure, Terminal, inputs, report, score, simulate};
use crate::exit::Exit;
use crate::plan::Plan;
use firedrill_detector::RuleSet;
use firedrill_reports::pack::RulePack;
use firedrill_reports::{Replay, ScoreParams, Scorecard, render, score_drill};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Runs every scenario, prints the scorecard, writes the report.
///
/// # Errors
/// When an input is wrong (nothing was started), or a drill could not be run.
pub fn run(args: &Run, terminal: &Terminal) -> Result<Exit, Failure> {
    live::check_speed(args.speed)?;
    if args.trials > 1 && args.engine == Engine::Live {
        return Err(Failure::usage(
            "--trials: only the virtual engine runs a scenario under many seeds; add `--engine virtual`",
        ));
    }
    if args.engine == Engine::Virtual {
        return simulate::run(args, terminal);
    }
    let plans = inputs::plans(&args.scenarios, args.seed);
    let (rules, pack, plans) = inputs::rules_and(&args.rules, args.delivery, plans)?;
    let live = LiveSet {
        speed: args.speed,
        jobs: args.jobs,
        redis: live::redis_source(args.redis.clone(), &args.redis_image)?,
        rules,
    };
    let set = RunSet::new(args, SystemTime::now());
    let ended = live.run(set.jobs(&plans)?, terminal)?;
    finish(&set, &live.rules.set, &pack, ended, terminal)
}

/// What all drills of one command share.
pub(crate) struct RunSet<'a> {
    args: &'a Run,
    stamp: String,
    started: SystemTime,
}

impl<'a> RunSet<'a> {
    pub(crate) fn new(args: &'a Run, now: SystemTime) -> Self {
        Self {
            args,
            stamp: live::stamp(now),
            started: now,
        }
    }

    /// The drills with their directories, the longest first so that the set ends soonest.
    pub(crate) fn jobs(&self, plans: &[Plan]) -> Result<Vec<Job>, Failure> {
        let mut jobs: Vec<Job> = Vec::new();
        for plan in plans {
            let dir = self
                .args
                .out
                .join(&plan.name)
                .join(format!("{}-{}", self.stamp, plan.seed));
            if jobs.iter().any(|job| job.dir == dir) || dir.exists() {
                return Err(Failure::usage(format!(
                    "{}: two drills would write there; give scenarios different names or seeds",
                    dir.display()
                )));
            }
            jobs.push(Job {
                plan: plan.clone(),
                dir,
            });
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.plan.duration_ms));
        Ok(jobs)
    }
}

/// Scores what was recorded, prints, writes the reports, and decides the exit code.
pub(crate) fn finish(
    set: &RunSet<'_>,
    rules: &RuleSet,
    pack: &RulePack,
    ended: AllEnded,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let mut worst: Option<Failure> = None;
    let mut scored: Vec<(PathBuf, Scored)> = Vec::new();
    for drill in ended.drills {
        match drill.outcome {
            Ok(finished) => {
                if let Some(record) = inputs::records(std::slice::from_ref(&finished.record))?.pop()
                {
                    let replay = Replay::recorded(&record);
                    let score = score_drill(&record, &replay, pack, &ScoreParams::default());
                    scored.push((
                        finished.record,
                        Scored {
                            rules: rules.clone(),
                            record,
                            replay,
                            score,
                        },
                    ));
                }
            }
            Err(mut failure) => {
                failure
                    .messages
                    .iter_mut()
                    .for_each(|message| *message = format!("{}: {message}", drill.name));
                match &mut worst {
                    Some(worst) => {
                        worst.exit = worst.exit.max(failure.exit);
                        worst.messages.extend(failure.messages);
                    }
                    None => worst = Some(failure),
                }
            }
        }
    }
    let mut card = Scorecard::new(
        scored
            .iter()
            .map(|(_, scored)| scored.score.clone())
            .collect(),
    );
    let all: Vec<&Scored> = scored.iter().map(|(_, scored)| scored).collect();
    score::explain(&mut card, &all);
    if !scored.is_empty() {
        score::print(&card, set.args.json, terminal)?;
        let written = write_reports(set, &scored, &card).map_err(Failure::environment)?;
        terminal.say(format_args!("report: {}", written.display()));
    }
    if let Some(exit) = ended.signal {
        return Ok(exit);
    }
    if let Some(worst) = worst {
        return Err(worst);
    }
    let seconds = set.started.elapsed().unwrap_or_default().as_secs();
    let gate = score::exit_of(card.verdict());
    terminal.say(match (gate, set.args.no_gate) {
        (Exit::GateFailed, true) => {
            format!("{seconds} s; the gate would fail (exit 1), --no-gate was given")
        }
        (gate, _) => format!("{seconds} s; exit {}", gate as u8),
    });
    Ok(if set.args.no_gate && gate == Exit::GateFailed {
        Exit::Passed
    } else {
        gate
    })
}

/// A report per drill beside its record, one for the whole set, and `latest` links.
fn write_reports(
    set: &RunSet<'_>,
    scored: &[(PathBuf, Scored)],
    card: &Scorecard,
) -> io::Result<PathBuf> {
    for (path, scored) in scored {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut single = Scorecard::new(vec![scored.score.clone()]);
        // Whether a rule is dead is a matter of the whole set.
        single.dead.retain(|alert| card.dead.contains(alert));
        report::write(
            &dir.join("report.html"),
            &render::html(&[scored.drill()], &single),
        )?;
        report::write(&dir.join("result.json"), &render::json(&single))?;
        if let (Some(scenario), Some(name)) = (dir.parent(), dir.file_name()) {
            live::link(&scenario.join("latest"), Path::new(name))?;
        }
    }
    let dir = set.args.out.join("sets").join(&set.stamp);
    let drills: Vec<render::Drill<'_>> = scored.iter().map(|(_, scored)| scored.drill()).collect();
    let html = dir.join("report.html");
    report::write(&html, &render::html(&drills, card))?;
    report::write(&dir.join("result.json"), &render::json(card))?;
    report::write(&dir.join("summary.md"), &render::markdown(card))?;
    live::link(
        &set.args.out.join("sets").join("latest"),
        Path::new(&set.stamp),
    )?;
    Ok(html)
}
