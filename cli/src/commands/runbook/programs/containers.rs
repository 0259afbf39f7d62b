//! `docker` and `kubectl`: tried on the engine or cluster that is part of the stand; elsewhere their words and options are read
//! by the programs themselves, which are sent where nobody answers.

mod known;

use super::{Shown, Tried, name, redis_cli};
use crate::commands::runbook::finding::{Finding, Verdict};
use crate::commands::runbook::stand::Stand;
use crate::commands::runbook::trial::{self, Output, TrialError};
use known::{DOCKER, Effect, KUBECTL};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Docker,
    Kubernetes,
}

impl Engine {
    const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Kubernetes => "kubectl",
        }
    }

    /// The option that makes it part of the stand.
    const fn option(self) -> &'static str {
        match self {
            Self::Docker => "--docker",
            Self::Kubernetes => "--kube",
        }
    }

    const fn is_in(self, stand: &Stand) -> bool {
        match self {
            Self::Docker => stand.docker,
            Self::Kubernetes => stand.kube,
        }
    }

    const fn commands(self) -> &'static [(&'static str, Effect)] {
        match self {
            Self::Docker => &DOCKER,
            Self::Kubernetes => &KUBECTL,
        }
    }

    /// Options with a value that may stand before the command, or that lead to another engine or cluster.
    const fn global(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Docker => (
                &["-l", "--log-level"],
                &[
                    "-H",
                    "--host",
                    "-c",
                    "--context",
                    "--config",
                    "--tlscacert",
                    "--tlscert",
                    "--tlskey",
                ],
            ),
            Self::Kubernetes => (
                &["-n", "--namespace", "--request-timeout", "-v", "--as"],
                &[
                    "-s",
                    "--server",
                    "--context",
                    "--cluster",
                    "--kubeconfig",
                    "--user",
                    "--token",
                ],
            ),
        }
    }

    /// Words that send the program where nobody answers, whatever it is asked.
    const fn nowhere(self) -> &'static [&'static str] {
        match self {
            // There is no file below a device, and nobody can listen on port 0.
            Self::Docker => &["--host", "unix:///dev/null/docker.sock"],
            Self::Kubernetes => &["--kubeconfig=/dev/null", "--server=http://127.0.0.1:0"],
        }
    }

    /// Whether a program that failed has understood what it was asked, and only found nobody.
    fn found_nobody(self, output: &Output) -> bool {
        let said = String::from_utf8_lossy(&output.err);
        match self {
            Self::Docker => said.contains("/dev/null/docker.sock"),
            Self::Kubernetes => said.contains("127.0.0.1:0"),
        }
    }
}

/// A command line of docker or kubectl, read.
struct Read<'w> {
    /// Such as `ps` or `rollout restart`.
    command: &'static str,
    effect: Effect,
    /// What follows the command.
    rest: &'w [String],
}

/// Tries the words after `docker` or `kubectl`.
pub(super) async fn tried(
    engine: Engine,
    words: &[String],
    stand: &Stand,
) -> Result<Tried, Finding> {
    let read = read(engine, words)?;
    match read.effect {
        Effect::Looks if engine.is_in(stand) => looked(engine, words, read.command).await,
        Effect::Looks => {
            understood(engine, words).await?;
            let finding = Finding::not_tried(format!(
                "its words and options are right; this stand has nothing for {} to look at ({} takes what it asks for by itself)",
                engine.program(),
                engine.option()
            ));
            Err(match words.iter().any(|word| goes_on(read.command, word)) {
                true => finding.note(GOES_ON),
                false => finding,
            })
        }
        Effect::Changes => {
            understood(engine, words).await?;
            Err(Finding::new(
                Verdict::ChangesSomething,
                format!(
                    "changes something: not tried; {} takes its words and options",
                    engine.program()
                ),
            ))
        }
        Effect::Starts => started(engine, words, read.rest, stand).await,
    }
}

fn read(engine: Engine, words: &[String]) -> Result<Read<'_>, Finding> {
    let program = engine.program();
    let (with_value, elsewhere) = engine.global();
    let leads_elsewhere = |word: &&String| {
        let name = word.split('=').next().unwrap_or(word);
        elsewhere.contains(&name)
    };
    // Behind the command, `-c` and the like mean something else.
    let before = words.iter().take_while(|word| *word != "--");
    let (mut at, mut own) = (0, Vec::new());
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        own.push(word);
        at += 1 + usize::from(with_value.contains(&word.as_str()));
    }
    let long = before
        .filter(|word| word.starts_with("--") || engine == Engine::Kubernetes && *word == "-s");
    if let Some(word) = own.into_iter().chain(long).find(leads_elsewhere) {
        return Err(Finding::not_tried(format!(
            "{word} leads to another place than the stand"
        )));
    }
    let Some(first) = words.get(at) else {
        return Err(Finding::not_tried(format!(
            "{program} without a command prints its help"
        )));
    };
    let second = words.get(at + 1).map_or("", String::as_str);
    let two = format!("{first} {second}");
    let commands = engine.commands().iter();
    let found = commands.clone().find(|(name, _)| *name == two);
    let found = found.map(|found| (found, 2)).or_else(|| {
        let mut commands = commands;
        commands
            .find(|(name, _)| name == first)
            .map(|found| (found, 1))
    });
    let Some(((command, effect), length)) = found else {
        let finding = Finding::not_tried(format!(
            "`{program} {first}` is none of the commands that are known to look, or to do nothing but by {}",
            match engine {
                Engine::Docker => "the engine",
                Engine::Kubernetes => "the cluster",
            }
        ));
        // One letter less than a command that there is, such as `log`.
        let mut names = engine.commands().iter().map(|(name, _)| *name);
        let close = names.find(|name| {
            name.strip_prefix(first.as_str())
                .is_some_and(|rest| rest.len() == 1)
        });
        return Err(match close {
            Some(close) => finding.note(format!("did you mean {close}?")),
            None => finding,
        });
    };
    Ok(Read {
        command,
        effect: *effect,
        rest: &words[at + length..],
    })
}

/// Has the program read its words where nobody answers.
///
/// # Errors
/// What the program says is wrong with them, or why it cannot be asked.
async fn understood(engine: Engine, words: &[String]) -> Result<(), Finding> {
    let nowhere = engine.nowhere().iter().map(|word| (*word).to_owned());
    let words: Vec<String> = nowhere.chain(words.iter().cloned()).collect();
    let output = run(engine, &words).await?;
    match engine.found_nobody(&output) {
        true => Ok(()),
        false if output.code == Some(0) => Err(Finding::not_tried(format!(
            "{} answers it without asking anybody",
            engine.program()
        ))),
        false => Err(Finding::fails(format!(
            "{}: {}",
            engine.program(),
            output.complaint()
        ))),
    }
}

async fn run(engine: Engine, words: &[String]) -> Result<Output, Finding> {
    let nothing_else = [("DOCKER_CONTEXT", "default"), ("DOCKER_CLI_HINTS", "false")];
    let settings = match engine {
        Engine::Docker if words.first().is_some_and(|word| word == "--host") => &nothing_else[..],
        _ => &[],
    };
    let output = trial::run(engine.program(), words, settings, &[]).await;
    output.map_err(|error| match error {
        TrialError::NotStarted { .. } => Finding::not_tried(error.to_string()),
        TrialError::Slow { .. } => Finding::fails(error.to_string()),
    })
}

/// What is said of a command that does not end by itself.
const GOES_ON: &str = "it goes on until somebody stops it";

/// Whether an option makes a command go on.
fn goes_on(command: &str, word: &str) -> bool {
    let in_logs = command.ends_with("logs") && matches!(word, "-f" | "--follow");
    let in_get = command == "get" && matches!(word, "-w" | "--watch" | "--watch-only");
    in_logs || in_get
}

/// Looks at the stand's own engine or cluster.
async fn looked(engine: Engine, words: &[String], command: &str) -> Result<Tried, Finding> {
    let ends: Vec<String> = words
        .iter()
        .filter(|word| !goes_on(command, word))
        .cloned()
        .collect();
    if command.ends_with("stats") && !words.iter().any(|word| word.starts_with("--no-stream")) {
        return Err(Finding::misleads(
            "it goes on until somebody stops it, and a pipe behind it never ends",
        )
        .typed(format!(
            "{} {} --no-stream",
            engine.program(),
            words.join(" ")
        )));
    }
    let output = run(engine, &ends).await?;
    if output.code != Some(0) {
        return Err(Finding::fails(format!(
            "{}: {}",
            engine.program(),
            output.complaint()
        )));
    }
    let is_logs = command.ends_with("logs");
    let shown = if is_logs { Shown::Logs } else { Shown::Listing };
    let odd = (!is_logs)
        .then(|| nothing_listed(engine, &output))
        .flatten();
    let tried = Tried::new(output, shown).odd(odd);
    Ok(match ends.len() < words.len() {
        true => tried.note(format!("{GOES_ON}; tried without that")),
        false => tried,
    })
}

/// What misleads about a listing of nothing.
fn nothing_listed(engine: Engine, output: &Output) -> Option<Finding> {
    let lines = String::from_utf8_lossy(&output.out);
    let lines: Vec<&str> = lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let is_heading = |line: &str| {
        ["CONTAINER ID", "NAME", "REPOSITORY", "NETWORK ID", "DRIVER"]
            .iter()
            .any(|first| line.starts_with(first))
    };
    let nothing = match lines[..] {
        [] => true,
        [only] => engine == Engine::Docker && is_heading(only),
        _ => false,
    };
    nothing.then(|| {
        let said = output.complaint();
        Finding::misleads(format!("it ends well and lists nothing ({said})"))
    })
}

/// A program in a container: judged as if it were typed by itself, and started there if the container is part of the stand.
async fn started(
    engine: Engine,
    words: &[String],
    rest: &[String],
    stand: &Stand,
) -> Result<Tried, Finding> {
    let at = inner(engine, rest)?;
    let program = &rest[at..];
    let without_terminal = |words: &[String]| -> Vec<String> {
        let head = words.len() - program.len();
        let kept = words[..head].iter().filter(|word| {
            let letters = word.strip_prefix('-').unwrap_or_default();
            let is_terminal =
                !letters.is_empty() && letters.chars().all(|letter| matches!(letter, 'i' | 't'));
            !(is_terminal || matches!(word.as_str(), "--tty" | "--interactive"))
        });
        kept.chain(program).cloned().collect()
    };
    let words = without_terminal(words);
    if !engine.is_in(stand) {
        understood(engine, &words).await?;
        let head = words[..words.len() - program.len()].join(" ");
        let tried = super::tried(program, stand)
            .await
            .map_err(|finding| finding.typed_after(&format!("{} {head}", engine.program())))?;
        return Ok(tried.note(format!(
            "tried on the stand itself, in no container ({} takes those there are)",
            engine.option()
        )));
    }
    let (looks, shown) = looks(program, stand).await?;
    if !looks {
        return Err(Finding::not_tried(format!(
            "`{}` is not started in a container",
            program.join(" ")
        )));
    }
    let output = run(engine, &words).await?;
    if name(&program[0]) == "redis-cli" {
        let misread = crate::commands::asynq::redis_line::misread(program);
        redis_cli::judged(&output, misread.as_ref())?;
        let odd = misread.map(|misread| redis_cli::explained(Finding::misleads(""), &misread));
        return Ok(Tried::new(output, shown).odd(odd));
    }
    match output.code {
        Some(0) => Ok(Tried::new(output, shown)),
        _ => Err(Finding::fails(format!(
            "{}: {}",
            engine.program(),
            output.complaint()
        ))),
    }
}

/// Whether a program in a container only looks, and what it shows.
async fn looks(program: &[String], stand: &Stand) -> Result<(bool, Shown), Finding> {
    if name(&program[0]) != "redis-cli" {
        return Ok((false, Shown::Other));
    }
    let queues = stand.redis.as_ref();
    let queues = queues.ok_or_else(|| {
        Finding::not_tried("no Redis says what its commands do; name one with --redis")
    })?;
    redis_cli::looks(program, stand, queues).await?;
    let is_info = program.iter().any(|word| word.eq_ignore_ascii_case("INFO"));
    Ok((true, if is_info { Shown::Fields } else { Shown::Other }))
}

/// Where the words of the program in the container begin.
fn inner(engine: Engine, rest: &[String]) -> Result<usize, Finding> {
    const WITH_VALUE: [&str; 12] = [
        "-e",
        "--env",
        "--env-file",
        "-u",
        "--user",
        "-w",
        "--workdir",
        "--detach-keys",
        "-n",
        "--namespace",
        "-c",
        "--container",
    ];
    let nothing = || Finding::fails("no program is named that would be started in the container");
    if engine == Engine::Kubernetes {
        let dashes = rest
            .iter()
            .position(|word| word == "--")
            .ok_or_else(nothing)?;
        return (dashes + 1 < rest.len())
            .then_some(dashes + 1)
            .ok_or_else(nothing);
    }
    let mut at = 0;
    while rest.get(at).is_some_and(|word| word.starts_with('-')) {
        at += 1 + usize::from(WITH_VALUE.contains(&rest[at].as_str()));
    }
    (at + 1 < rest.len()).then_some(at + 1).ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(engine: Engine, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match read(engine, &words) {
            Ok(read) => format!(
                "{} {:?}, then {}",
                read.command,
                read.effect,
                read.rest.join(" ")
            ),
            Err(finding) => finding.what,
        }
    }

    #[test]
    fn commands_that_look_are_told_from_those_that_change() {
        for (engine, line, expected) in [
            (Engine::Docker, "ps -a", "ps Looks, then -a"),
            (
                Engine::Docker,
                "logs -f worker",
                "logs Looks, then -f worker",
            ),
            (
                Engine::Docker,
                "restart worker",
                "restart Changes, then worker",
            ),
            (Engine::Docker, "container ls", "container ls Looks, then "),
            (
                Engine::Docker,
                "exec -it redis redis-cli ping",
                "exec Starts, then -it redis redis-cli ping",
            ),
            (
                Engine::Docker,
                "-H tcp://prod ps",
                "-H leads to another place than the stand",
            ),
            (
                Engine::Docker,
                "--context=prod ps",
                "--context=prod leads to another place than the stand",
            ),
            (
                Engine::Kubernetes,
                "-n prod get pods -l app=worker",
                "get Looks, then pods -l app=worker",
            ),
            (
                Engine::Kubernetes,
                "rollout restart deployment/worker",
                "rollout restart Changes, then deployment/worker",
            ),
            (
                Engine::Kubernetes,
                "logs pod -c worker",
                "logs Looks, then pod -c worker",
            ),
            (
                Engine::Kubernetes,
                "get pods --context prod",
                "--context leads to another place than the stand",
            ),
        ] {
            assert_eq!(said(engine, line), expected, "{line}");
        }
        for line in ["run image", "system prune", "volume rm x", "build ."] {
            assert!(
                said(Engine::Docker, line).contains("none of the commands"),
                "{line}"
            );
        }
        for line in [
            "apply -f x",
            "edit deployment/x",
            "port-forward x 1:1",
            "config use-context x",
        ] {
            assert!(
                said(Engine::Kubernetes, line).contains("none of the commands"),
                "{line}"
            );
        }
    }
}
