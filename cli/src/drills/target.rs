//! Whose workers take part in live drills: what was asked for, held against what the scenarios need, before anything starts.

use crate::args::{Jobs, Speed, Target, ToxiproxyName};
use crate::failure::Failure;
use crate::inputs::{self, Source};
use firedrill_detector::text::counted;
use firedrill_sim::cleanup::owed_to_others;
use firedrill_sim::drill;
use firedrill_sim::engine::live::{Crew, How, Started, Template, Theirs, Workers};
use firedrill_sim::http::get::Url;
use firedrill_sim::kubernetes::{self, Deployment, KubeError, Named};
use firedrill_sim::plan::{Ours, Plan};
use firedrill_sim::program;
use firedrill_sim::redis_server::docker;
use firedrill_sim::redis_server::docker::guest::{Guest, GuestError, GuestId};
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::toxiproxy::{Proxy, ProxyError};
use firedrill_sim::undo::Undo;
use std::fmt::Display;
use std::path::PathBuf;

/// Who works in the drills of `plans`, which were read from `sources`, on `redis`, and how fast they go. Workers of the team's own know no clock but the real one,
/// and one drill at a time has them.
///
/// # Errors
/// When a scenario needs workers of ours, a speed or a number of drills was asked for that workers of others cannot keep, there
/// are not as many containers, pods or pages of metrics as processes, or the owner of a container or a deployment has not agreed.
pub(crate) fn workers<'p>(
    target: &Target,
    (plans, sources): (impl IntoIterator<Item = &'p Plan>, &[Source]),
    (speed, jobs): (Speed, Jobs),
    redis: &RedisSource,
) -> Result<(Workers, Speed), Failure> {
    let Some(own) = target.own() else {
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
        let of = (*plan, sources);
        refuse(of, "workers of firedrill's", &plan.needs_our_workers(own))?;
        let started = plan.needs_started_workers(own, target.toxiproxy.is_some());
        refuse(of, "workers that firedrill has started", &started)?;
    }
    let how = if let Some(command) = &target.worker_cmd {
        How::Command(Started {
            command: (PathBuf::from(&command.program), command.args.clone()),
            env: target
                .worker_env
                .iter()
                .map(|variable| (variable.name.clone(), variable.value.clone()))
                .collect(),
        })
    } else if let Some(named) = &target.worker_kube {
        is_on_given(redis, "--worker-kube: pods")?;
        How::Pods(pods(named, &plans, sources)?)
    } else {
        is_on_given(redis, "--worker-docker: containers")?;
        How::Containers(containers(&target.worker_docker, &plans)?)
    };
    let metrics = pages(&target.metrics, &plans)?;
    if let Some(command) = &target.worker_cmd {
        let there = program::is_there(&command.program);
        there.map_err(|error| Failure::environment(format!("--worker-cmd: {error}")))?;
    }
    let proxy = target.toxiproxy.as_ref().map(proxy).transpose()?;
    let theirs = Box::new(Theirs {
        how,
        metrics,
        proxy,
    });
    Ok((Workers::Theirs(theirs), Speed::Fixed(1.0)))
}

/// Whether the workers that were asked for can play a scenario.
pub(crate) fn can_play(target: &Target, plan: &Plan) -> bool {
    target.own().is_none_or(|own| {
        plan.needs_our_workers(own).is_empty()
            && plan
                .needs_started_workers(own, target.toxiproxy.is_some())
                .is_empty()
    })
}

/// Refuses a scenario that only certain workers can play.
fn refuse((plan, sources): (&Plan, &[Source]), whose: &str, needs: &[Ours]) -> Result<(), Failure> {
    if needs.is_empty() {
        return Ok(());
    }
    let lines = needs.iter().map(|need| {
        let place = inputs::place(sources, plan, &need.of);
        let Ours {
            what, why, instead, ..
        } = need;
        format!("\n    {place}{what}: {why}; instead: {instead}")
    });
    Err(Failure::usage(format!(
        "{}: this scenario needs {whose}, and these are your own:{}",
        plan.name,
        lines.collect::<String>()
    )))
}

/// Workers that run already, `what`, have a Redis.
fn is_on_given(redis: &RedisSource, what: &str) -> Result<(), Failure> {
    match redis {
        RedisSource::Given(_) => Ok(()),
        _ => Err(Failure::usage(format!(
            "{what} that run already work on a Redis of yours; name it with --redis, a database with nothing in it but what they say of \
             themselves"
        ))),
    }
}

/// What comes of asking somebody before anything starts.
fn asked<T>(asks: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    Ok(runtime.map_err(Failure::environment)?.block_on(asks))
}

/// The deployment that is meant, with a pod for each process that each scenario begins with.
fn pods(named: &Named, plans: &[&Plan], sources: &[Source]) -> Result<Crew, Failure> {
    let is_left = |undo: &Undo| undo.is_about_deployment(named);
    if let Some(left) = left_behind(is_left)? {
        return Err(to_be_cleaned(named, &left));
    }
    let kubectl = program::on_path(kubernetes::PROGRAM);
    let kubectl =
        kubectl.map_err(|error| Failure::environment(format!("--worker-kube: {error}")))?;
    let found = asked(Deployment::find(&kubectl, named))?;
    let found = found.map_err(|error| match error {
        KubeError::NoConsent { .. } => Failure::refused(error),
        _ => Failure::environment(format!("--worker-kube: {error}")),
    })?;
    for plan in plans {
        let processes = plan.processes().into_iter();
        let first = processes.filter(|(name, _)| plan.is_there_at_start(name));
        let (processes, count) = (first.count(), found.replicas());
        if u32::try_from(processes) != Ok(count) {
            return Err(Failure::usage(format!(
                "--worker-kube: {} begins with {}, and {named} has {}",
                plan.name,
                processes_of(processes),
                counted(count, "pod")
            )));
        }
        if !found.recreates() {
            let whose = "a deployment that replaces all of its pods at once";
            refuse((*plan, sources), whose, &plan.needs_pods_to_go_first())?;
        }
    }
    Ok(Crew::of(found))
}

/// What a firedrill that is gone has still to undo, if it is about what is meant.
fn left_behind(is_meant: impl Fn(&Undo) -> bool) -> Result<Option<Undo>, Failure> {
    let owed = owed_to_others().map_err(Failure::environment)?;
    Ok(owed.into_iter().find(is_meant))
}

/// What is about to take part is as a drill has left it that was ended before it could clean up.
fn to_be_cleaned(what: &dyn Display, left: &Undo) -> Failure {
    Failure::refused(format!(
        "{what} is as a firedrill left it that was ended before it could clean up (to do: {left})\n    type: firedrill clean"
    ))
}

/// A number of worker processes, for people.
fn processes_of(count: usize) -> String {
    match count {
        1 => "1 worker process".to_owned(),
        count => format!("{count} worker processes"),
    }
}

/// The containers that are meant, one for each process of each scenario.
fn containers(words: &[String], plans: &[&Plan]) -> Result<Vec<Guest>, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let docker = docker::find(std::env::split_paths(&path));
    let docker = docker.ok_or_else(|| {
        Failure::environment("--worker-docker: there is no `docker` on PATH that a daemon answers")
    })?;
    let found = asked(Guest::find(&docker, words))?;
    let left = |id: &GuestId| left_behind(|undo| undo.is_about_container(id));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            if let GuestError::NotRunning { id, name, .. } = &error
                && let Some(left) = left(id)?
            {
                return Err(to_be_cleaned(&format_args!("container {name}"), &left));
            }
            return Err(match error {
                GuestError::NoConsent(_) => Failure::refused(error),
                GuestError::Twice(_) => Failure::usage(format!("--worker-docker: {error}")),
                _ => Failure::environment(error),
            });
        }
    };
    for guest in &found {
        if let Some(left) = left(&guest.id)? {
            let what = format_args!("container {}", guest.name);
            return Err(to_be_cleaned(&what, &left));
        }
    }
    for plan in plans {
        let (processes, count) = (plan.processes().len(), found.len());
        if processes != count {
            return Err(Failure::usage(format!(
                "--worker-docker: {} has {}, and {} named",
                plan.name,
                processes_of(processes),
                match count {
                    1 => "1 container is".to_owned(),
                    count => format!("{count} containers are"),
                }
            )));
        }
    }
    Ok(found)
}

/// The proxy that they go through.
fn proxy(asked_for: &ToxiproxyName) -> Result<Proxy, Failure> {
    let found = asked(Proxy::find(&asked_for.api, &asked_for.name))?;
    found.map_err(|error| match error {
        ProxyError::Busy { .. } => Failure::refused(error),
        _ => Failure::environment(error),
    })
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
            "the scenario has {}, and pages are named for {}; give one for each, in their order, or one with {{index}} in it",
            processes_of(most),
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
