//! Whose workers take part: what `run` asks of them.

use clap::Args;
use firedrill_sim::engine::live::Template;
use firedrill_sim::http::get::Url;
use firedrill_sim::kubernetes::Named;
use firedrill_sim::plan::TeamsOwn;

/// Workers of the team's own, in the place of ours.
#[derive(Debug, Clone, Default, Args)]
#[command(
    next_help_heading = "Your own workers",
    group = clap::ArgGroup::new("their_workers").args(["worker_cmd", "worker_docker", "worker_kube"]),
    group = clap::ArgGroup::new("running_workers").args(["worker_docker", "worker_kube"])
)]
pub struct Target {
    /// The worker that takes part instead of ours, such as './worker -queues default': one process of it for each of the
    /// scenario's, which does what the scenario does to them. In real time, on one drill after the other
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true, value_parser = command)]
    pub worker_cmd: Option<WorkerCommand>,
    /// A variable of its environment, with {redis}, {host}, {port} and {index} filled [default: REDIS_URL={redis} and
    /// REDIS_ADDR={host}:{port}]; may be given several times
    #[arg(long, value_name = "NAME=TEMPLATE", requires = "worker_cmd", value_parser = variable)]
    pub worker_env: Vec<Variable>,
    /// Containers of your workers that run already, one for each process of the scenario, in their order, on the Redis that --redis
    /// names: names or ids, label=KEY=VALUE, or service=NAME of Compose. Each needs the label firedrill.consent=true, and is left
    /// running
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = container)]
    pub worker_docker: Vec<String>,
    /// With --worker-docker or --worker-kube: the proxy of a Toxiproxy that all of them go through to Redis, so that network faults reach them: where its API is, and
    /// what it calls the proxy, such as http://localhost:8474/redis
    #[arg(long, value_name = "URL/PROXY", requires = "running_workers", value_parser = toxiproxy)]
    pub toxiproxy: Option<ToxiproxyName>,
    /// A Deployment whose pods are your workers, one for each process of the scenario, on the Redis that --redis names: deleted, scaled,
    /// rolled out again and released by the plan, in the cluster that `kubectl` asks. It needs the annotation
    /// firedrill.dev/consent=true, and has in the end what it had before
    #[arg(long, value_name = "NAMESPACE/DEPLOYMENT")]
    pub worker_kube: Option<Named>,
    /// Where its metrics are: a URL with {index} in it, or one for each process, in their order; without, nobody scrapes it
    #[arg(
        long = "metrics",
        value_name = "URL",
        requires = "their_workers",
        value_delimiter = ','
    )]
    pub metrics: Vec<Template>,
}

impl Target {
    /// What workers of the team's own take part, if any do.
    #[must_use]
    pub fn own(&self) -> Option<TeamsOwn> {
        if self.worker_cmd.is_some() {
            Some(TeamsOwn::Processes)
        } else if self.worker_kube.is_some() {
            Some(TeamsOwn::Pods)
        } else {
            (!self.worker_docker.is_empty()).then_some(TeamsOwn::Containers)
        }
    }

    /// Whether workers are not ours.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.own().is_some()
    }
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A variable of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, for each process.
    pub value: Template,
}

/// A proxy of a Toxiproxy.
#[derive(Debug, Clone)]
pub struct ToxiproxyName {
    /// Where Toxiproxy is asked.
    pub api: Url,
    /// What it calls the proxy.
    pub name: String,
}

/// Reads `--worker-cmd`: words as a shell has them, and no shell.
fn command(text: &str) -> Result<WorkerCommand, String> {
    let words = shlex::split(text).ok_or("a quote in it is not closed")?;
    let mut words = words.into_iter();
    let program = words.next().ok_or("the program is missing")?;
    Ok(WorkerCommand {
        program,
        args: words.collect(),
    })
}

/// Reads a word of `--worker-docker`.
fn container(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("write names or ids of containers, label=KEY=VALUE, or service=NAME"),
        _ => Ok(text.to_owned()),
    }
}

/// Reads `--worker-env`.
fn variable(text: &str) -> Result<Variable, String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=TEMPLATE")?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(is_letter)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!("`{name}` is no name of a variable"));
    }
    let value: Template = value.parse().map_err(|error| format!("{error}"))?;
    Ok(Variable {
        name: name.to_owned(),
        value,
    })
}

/// Reads `--toxiproxy`.
fn toxiproxy(text: &str) -> Result<ToxiproxyName, String> {
    let parts = text.rsplit_once('/');
    let parts = parts.filter(|(api, name)| !name.is_empty() && !api.ends_with('/'));
    let Some((api, name)) = parts else {
        return Err("write URL/PROXY, such as http://localhost:8474/redis".to_owned());
    };
    let api: Url = api.parse().map_err(|error| format!("{error}"))?;
    match api.has_login() {
        // It would have to stand in the journal, for whoever cleans up.
        true => Err("Toxiproxy knows no users; leave the part before @ away".to_owned()),
        false => Ok(ToxiproxyName {
            api,
            name: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_a_shell_reads_words() {
        let read = command("./worker -n 'two words' \"\"").unwrap();
        assert_eq!(read.program, "./worker");
        assert_eq!(read.args, ["-n", "two words", ""]);
        assert!(command("  ").is_err() && command("./worker 'open").is_err());
    }

    #[test]
    fn a_variable_has_a_name_and_known_places() {
        let read = variable("URL=redis://{host}:{port}/0?a=b").unwrap();
        assert_eq!(read.name, "URL");
        for wrong in ["URL", "=x", "A B=x", "1A=x", "A={nothing}"] {
            assert!(variable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_without_a_user_and_a_name() {
        let read = toxiproxy("http://localhost:8474/redis").unwrap();
        assert_eq!(
            (read.api.to_string().as_str(), read.name.as_str()),
            ("http://localhost:8474/", "redis")
        );
        for wrong in [
            "http://localhost:8474",
            "http://localhost:8474/",
            "localhost:8474/redis",
            "http://me:secret@localhost:8474/redis",
        ] {
            let said = toxiproxy(wrong).unwrap_err();
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
