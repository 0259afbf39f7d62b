//! What a rehearsal would do, step by step, and what undoes each step; nothing is started.

use crate::args;
use firedrill_detector::text::counted;
use firedrill_sim::agenda::{Agenda, Turn, What};
use firedrill_sim::lever::{Lever, On, ProcessLever};
use firedrill_sim::plan::{Plan, TeamsOwn};
use firedrill_sim::redis_server::private::RedisSource;
use firedrill_sim::rehearsal::clock;

/// All of it, for people.
pub(super) fn told(plan: &Plan, args: &args::Rehearse, redis: &RedisSource) -> String {
    let mut lines = vec![
        format!("{}: {}", plan.name, plan.summary),
        format!("{:>8}  begin: {} and {}", "0:00", redis.describe(), workers(plan, &args.target)),
        format!("          undo: {}, and what was written is removed", left(args.target.own())),
        "          before anything is broken: every target up, queues near their usual depth, no alert firing; otherwise it is refused"
            .to_owned(),
    ];
    let mut agenda = Agenda::new(plan);
    while let Some(turn) = agenda.take(i64::MAX) {
        lines.extend(step(plan, turn, args.target.own()));
        // What goes on, goes on when this is done.
        agenda.done(turn, plan, turn.at_ms);
        if turn.at_ms >= plan.duration_ms {
            break;
        }
    }
    let conditions = args.abort_when.iter();
    lines.extend(conditions.map(|text| format!("    stop: when `{text}` has a result")));
    if let Some(most) = &args.at_most {
        lines.push(format!("    stop: after {}", clock(most.0)));
    }
    lines
        .push("    stop: `abort` or Ctrl-C; each stop undoes all that is on, then ends".to_owned());
    lines.push(format!("{:>8}  end", clock(plan.duration_ms)));
    lines.join("\n") + "\n"
}

/// One turn of the agenda, and its undo.
fn step(plan: &Plan, turn: Turn, own: Option<TeamsOwn>) -> Vec<String> {
    let (name, id) = match turn.what {
        What::Begin(step) | What::Goes(step, _) | What::Prepare(step) => {
            let step = &plan.timeline[step];
            (step.fault.name().to_owned(), &step.id)
        }
        What::End(step) => {
            let step = &plan.timeline[step];
            let remedy = step.until.as_ref().and_then(|until| until.remedy.as_ref());
            let name = remedy.map_or_else(
                || format!("{} ends", step.fault.name()),
                |remedy| remedy.name().to_owned(),
            );
            (name, &step.id)
        }
        What::Remedy(step) | What::RemedyGoes(step, _) => {
            let step = &plan.remedies[step];
            (step.remedy.name().to_owned(), &step.id)
        }
    };
    let what = match turn.what {
        What::Begin(_) => "break",
        What::Goes(..) => "go on",
        What::Prepare(_) => "prepare",
        What::End(_) => "mend, unless people have",
        What::Remedy(_) | What::RemedyGoes(..) => "mend",
    };
    let targets = turn.targets(plan);
    let on = match targets.is_empty() {
        true => String::new(),
        false => format!(" on {}", targets.join(", ")),
    };
    let mut lines = vec![format!(
        "{:>8}  {what}: {name}{on} (step {id})",
        clock(turn.at_ms)
    )];
    let of_pods = turn.lever(plan).filter(|_| own == Some(TeamsOwn::Pods));
    if let Some(how) = of_pods.as_ref().and_then(by_kubectl) {
        lines.push(format!("          by: {how}"));
    }
    if let What::Begin(step) = turn.what {
        lines.push(format!("          undo: {}", undo(plan, step, own)));
    }
    lines
}

/// Who works.
fn workers(plan: &Plan, target: &args::Target) -> String {
    let processes = match plan.processes().len() {
        1 => "1 worker process".to_owned(),
        count => format!("{count} worker processes"),
    };
    match (target.own(), &target.worker_kube) {
        (_, Some(named)) => format!("the pods of {named}"),
        (Some(TeamsOwn::Containers), _) => {
            counted(plan.processes().len(), "container") + " that run already"
        }
        (Some(_), _) => processes + ", started by --worker-cmd",
        (None, _) => processes + ", firedrill's own",
    }
}

/// How they are left.
fn left(own: Option<TeamsOwn>) -> &'static str {
    match own {
        Some(TeamsOwn::Pods) => {
            "the deployment is scaled as it was and has the release that it had"
        }
        Some(TeamsOwn::Containers) => "they run again",
        Some(TeamsOwn::Processes) | None => "they are ended",
    }
}

/// What Kubernetes is asked to do for a lever.
fn by_kubectl(lever: &Lever) -> Option<&'static str> {
    let Lever::Process(lever) = lever else {
        return matches!(lever, Lever::Members { .. }).then_some("kubectl scale");
    };
    Some(match lever {
        ProcessLever::Kill => {
            "kubectl scale, so that none comes for them, and kubectl delete pod --force --grace-period=0"
        }
        ProcessLever::Terminate { .. } => {
            "kubectl scale, so that none comes for them, and kubectl delete pod with a grace period"
        }
        ProcessLever::Restart => {
            "kubectl rollout restart if those are all pods that there are, else kubectl scale, down and up"
        }
        ProcessLever::Deploy { .. } => "kubectl set image",
        // Refused before.
        _ => return None,
    })
}

/// What ends a step, and what becomes of it when the rehearsal is stopped.
fn undo(plan: &Plan, step: usize, own: Option<TeamsOwn>) -> String {
    let step = &plan.timeline[step];
    let kind = step.fault.kind();
    let stopped = match kind.class {
        firedrill_sim::lever::Class::Reversible => "when stopped it is gone at once",
        firedrill_sim::lever::Class::Stored => {
            "its undo is in the journal before it is done, and done when stopped"
        }
        _ if kind.on == On::Workers && own == Some(TeamsOwn::Pods) => {
            "kubectl scale or set image, back to what was, is in the journal before it is done, and done when stopped"
        }
        firedrill_sim::lever::Class::Irreversible
            if kind.on == On::Workers && own == Some(TeamsOwn::Containers) =>
        {
            "that they are started is in the journal before it is done, and done when stopped"
        }
        firedrill_sim::lever::Class::Irreversible => {
            "what it destroys is not brought back; it is done to what firedrill has started itself"
        }
    };
    let ends = step.until.as_ref().map_or_else(
        || "with the rehearsal".to_owned(),
        |until| format!("at {} at the latest", clock(until.at_ms)),
    );
    format!("{ends}; {stopped}")
}
