//! What a killed firedrill has left of a team's containers and pods: given back by its reaper or by `firedrill clean`, unless others have
//! changed it since.

use super::containers::{self, folder};
use super::peer::need_peers;
use super::pods;
use crate::docker::{docker, program};
use crate::support::{firedrill, kill_with_its_reaper, need, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// What `firedrill clean` says of what is left in a directory.
fn cleaned(dir: &Path, words: &[&str], variable: Option<(&str, String)>) -> String {
    let cleaned = firedrill()
        .env("TMPDIR", dir)
        .env("XDG_STATE_HOME", dir)
        .envs(variable)
        .arg("clean")
        .args(words)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    assert_eq!(cleaned.status.code(), Some(0), "{told}");
    told
}

/// One of the team's two containers is ended and the other frozen, at the same time.
fn one_ended_one_frozen() -> String {
    containers::SCENARIO
        .replace(
            "worker.kill, select: all, until: { at: 12s",
            "worker.kill, select: [w-0], until: { at: 15s",
        )
        .replace(
            "{ at: 20s, fault: worker.stop, select: [w-1], until: { at: 24s } }",
            "{ at: 6s, fault: worker.stop, select: [w-1], until: { at: 15s } }",
        )
}

#[test]
fn containers_that_a_killed_firedrill_has_ended_or_frozen_go_on() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = containers::Team::start("killed");
    let dir = folder(&one_ended_one_frozen());
    let mut run = firedrill()
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(team.args())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("both to be hit", || team.states() == ["exited", "paused"]);
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    run.wait().unwrap();
    wait_until("both to go on", || team.states() == ["running", "running"]);
}

#[test]
fn clean_says_what_it_gives_back_and_leaves_what_others_have_started_since() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = containers::Team::start("cleaned");
    let dir = folder(&one_ended_one_frozen());
    let mut run = firedrill()
        .current_dir(dir.path())
        .env("TMPDIR", dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(team.args())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("both to be hit", || team.states() == ["exited", "paused"]);
    kill_with_its_reaper(&mut run);
    let args = team.args();
    let again = firedrill()
        .current_dir(dir.path())
        .env("TMPDIR", dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(&args)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(4), "{told}");
    let why = "is as a firedrill left it that was ended before it could clean up (to do: ";
    assert!(
        told.contains(why) && told.contains("type: firedrill clean"),
        "{told}"
    );
    // Whoever owns it has started it, and ended it again, for a reason of his own.
    docker(&["start", &team.container("0")], &[]);
    docker(&["kill", &team.container("0")], &[]);
    let id = |number: &str| {
        let of = ["inspect", "--format", "{{.Id}}", &team.container(number)];
        docker(&of, &[])[..12].to_owned()
    };
    let clean = |words: &[&str]| cleaned(dir.path(), words, None);
    let listed = clean(&["--list"]);
    for order in [
        format!("    to do: start container {}\n", id("0")),
        format!("    to do: let container {} go on\n", id("1")),
    ] {
        assert!(listed.contains(&order), "{listed}");
    }
    assert_eq!(team.states(), ["exited", "paused"]);
    let told = clean(&[]);
    for said in [
        format!("    did: let container {} go on\n", id("1")),
        format!(
            "    left alone: container {} was started again since the drill had done something to it; it is exited now\n",
            id("0")
        ),
    ] {
        assert!(told.contains(&said), "{told}");
    }
    assert_eq!(team.states(), ["exited", "running"]);
}

#[test]
fn a_container_that_a_killed_firedrill_has_left_with_less_memory_has_it_back() {
    need_peers!();
    if program().is_none() {
        return;
    }
    let team = containers::Team::start_as("less", &["-leaks", "1048576"]);
    let dir = folder(&containers::leaking());
    let mut run = firedrill()
        .current_dir(dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .args(team.args())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("both to have less", || !team.memory().contains(&0));
    let less = team.memory();
    kill_process(Pid::from_child(&run), Signal::KILL).unwrap();
    run.wait().unwrap();
    wait_until("both to have more", || {
        let more = team.memory();
        more.iter().zip(&less).all(|(more, less)| more > less)
            && team.states() == ["running", "running"]
    });
}

#[test]
fn a_deployment_that_a_killed_firedrill_has_scaled_or_broken_is_as_it_was() {
    need_peers!();
    need!("unshare");
    let Some(team) = pods::Team::start(true) else {
        return;
    };
    let steps = |first: &str| {
        let is_old = |line: &&str| line.contains("{ at: ") || line.contains("of: worker.deploy");
        let lines: Vec<&str> = pods::SCENARIO
            .lines()
            .filter(|line| !is_old(line))
            .collect();
        lines
            .join("\n")
            .replace("timeline:", &format!("timeline:\n{first}"))
            .replace("of: worker.kill", "of: hit")
    };
    let killed = "  - { id: hit, at: 6s, fault: worker.kill, select: all, until: { at: 70s, remedy: worker.restart } }";
    let broken = "  - { id: hit, at: 6s, fault: worker.deploy-broken, select: all, until: { at: 70s, remedy: worker.rollback } }";
    let hit = [
        (0, pods::IMAGE.to_owned()),
        (2, "firedrill.invalid/does-not-start:1".to_owned()),
    ];
    for (step, hit) in [killed, broken].into_iter().zip(hit) {
        wait_until("two pods", || team.has_settled());
        let dir = folder(&steps(step));
        let told = dir.path().join("told");
        let mut run = team
            .command(dir.path())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&told).unwrap())
            .spawn()
            .unwrap();
        wait_until("it to be hit", || {
            let ended = run.try_wait().unwrap();
            assert_eq!(ended, None, "{}", fs::read_to_string(&told).unwrap());
            team.wants() == hit
        });
        let pid = Pid::from_child(&run);
        kill_process(pid, Signal::KILL).unwrap();
        run.wait().unwrap();
        wait_until("it to be as it was", || {
            team.wants() == (2, pods::IMAGE.to_owned())
        });
    }
}

#[test]
fn what_others_have_scaled_since_firedrill_was_killed_is_theirs() {
    need_peers!();
    need!("unshare");
    let Some(team) = pods::Team::start(true) else {
        return;
    };
    let is_old = |line: &&str| line.contains("{ at: ") || line.contains("of: worker.deploy");
    let lines: Vec<&str> = pods::SCENARIO
        .lines()
        .filter(|line| !is_old(line))
        .collect();
    let step = "  - { id: hit, at: 6s, fault: worker.kill, select: [w-0], until: { at: 70s, remedy: worker.restart } }";
    let steps = lines
        .join("\n")
        .replace("timeline:", &format!("timeline:\n{step}"))
        .replace("of: worker.kill", "of: hit");
    for (scaled, left) in [(None, 2), (Some("--replicas=3"), 3)] {
        wait_until("two pods", || team.has_settled());
        let dir = folder(&steps);
        let mut run = team
            .command(dir.path())
            .env("TMPDIR", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("one to be gone", || team.wants().0 == 1);
        kill_with_its_reaper(&mut run);
        let clean = |words: &[&str]| cleaned(dir.path(), words, Some(team.environment()));
        let back = "scale deployment default/mail back to 2";
        let listed = clean(&["--list"]);
        assert!(listed.contains(&format!("    to do: {back}")), "{listed}");
        let again = team
            .command(dir.path())
            .env("TMPDIR", dir.path())
            .output()
            .unwrap();
        let refused = String::from_utf8_lossy(&again.stderr).into_owned();
        assert_eq!(again.status.code(), Some(4), "{refused}");
        let why = format!(
            "deployment default/mail is as a firedrill left it that was ended before it could clean up (to do: {back})\n    type: firedrill clean"
        );
        assert!(refused.contains(&why), "{refused}");
        if let Some(scaled) = scaled {
            team.kubectl(&["scale", "deployment/mail", scaled]);
        }
        let told = clean(&[]);
        let expected = match scaled {
            None => format!("    did: {back}"),
            Some(_) => "    left alone: deployment default/mail wants 3 pods, which is not what the drill left; before the drill it wanted 2".to_owned(),
        };
        assert!(told.contains(&expected), "{told}");
        assert_eq!(team.wants().0, left);
    }
}
