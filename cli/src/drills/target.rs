//! Whose workers take part in live drills: what was asked for, held against what the scenarios need, before anything starts.

use crate::args::{Jobs, Speed, Target};
use crate::failure::Failure;
use firedrill_sim::drill;
use firedrill_sim::engine::live::{Template, Theirs, Workers};
use firedrill_sim::http::get::Url;
use firedrill_sim::plan::Plan;
use std::path::PathBuf;

/// Who works in the drills of `plans`, and how fast they go. Workers of the team's own know no clock but the real one, and one
/// drill at a time has them.
///
/// # Errors
/// When a scenario needs workers of ours, a speed or a number of drills was asked for that workers of others cannot keep, or
/// there are not as many pages of metrics as processes.
pub(crate) fn workers<'p>(
    target: &Target,
    plans: impl IntoIterator<Item = &'p Plan>,
    (speed, jobs): (Speed, Jobs),
) -> Result<(Workers, Speed), Failure> {
    let Some(command) = &target.worker_cmd else {
        return Ok((Workers::Ours, speed));
    };
    if let Speed::Fixed(asked) = speed
        && !drill::is_in_real_time(asked)
    {
        return Err(Failure::usage(format!(
            "--speed {asked}: your own workers know no clock but the real one; leave --speed away, or make it 1"
        )));
    }
    if let Jobs::Fixed(asked) = jobs
        && asked.get() > 1
    {
        return Err(Failure::usage(format!(
            "--jobs {asked}: your own workers take part in one drill at a time; leave --jobs away"
        )));
    }
    let plans: Vec<&Plan> = plans.into_iter().collect();
    for plan in &plans {
        needs_none_of_ours(plan)?;
    }
    let theirs = Theirs {
        command: (PathBuf::from(&command.program), command.args.clone()),
        env: target
            .worker_env
            .iter()
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect(),
        metrics: pages(&target.metrics, &plans)?,
    };
    Ok((Workers::Theirs(theirs), Speed::Fixed(1.0)))
}

/// Refuses a scenario that only workers of ours can play.
fn needs_none_of_ours(plan: &Plan) -> Result<(), Failure> {
    let needs = plan.needs_our_workers();
    if needs.is_empty() {
        return Ok(());
    }
    let lines = needs
        .iter()
        .map(|of| format!("\n    {}: {}; instead: {}", of.what, of.why, of.instead));
    Err(Failure::usage(format!(
        "{}: this scenario needs workers of firedrill's, and --worker-cmd brings your own:{}",
        plan.name,
        lines.collect::<String>()
    )))
}

/// Where the metrics of each process are.
fn pages(asked: &[Template], plans: &[&Plan]) -> Result<Vec<Url>, Failure> {
    let processes = plans.iter().map(|plan| plan.processes().len());
    let most = processes.max().unwrap_or(0);
    let wrong = |why: String| Failure::usage(format!("--metrics: {why}"));
    let texts: Vec<String> = match asked {
        [] => return Ok(Vec::new()),
        [one] if one.is_numbered() => (0..most)
            .map(|index| one.numbered(index))
            .collect::<Result<_, _>>(),
        many => many.iter().map(|one| one.numbered(0)).collect(),
    }
    .map_err(|error| wrong(error.to_string()))?;
    if texts.len() != most {
        return Err(wrong(format!(
            "there are {most} processes, and pages for {}; give one for each, in their order, or one with {{index}} in it",
            texts.len()
        )));
    }
    let urls = texts.iter().map(|text| {
        let url: Url = text
            .parse()
            .map_err(|error| wrong(format!("{text}: {error}")))?;
        Ok(match url.is_bare() {
            true => url.below("/metrics"),
            false => url,
        })
    });
    urls.collect()
}
