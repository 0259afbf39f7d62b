use super::*;
use crate::lever::{
    Eviction, HandlerLever, Lever, LinkLever, ProcessLever, QueueLever, RedisLever, Ways,
};
use crate::redis_server::directory;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};

fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

fn some() -> Vec<Undo> {
    let process = owner("7.8.9.0000000a");
    vec![
        Undo::End {
            process: process.clone(),
        },
        Undo::Continue { process },
        Undo::Unpause {
            redis: Where::Given("token".into()),
            queue: "default".into(),
        },
        Undo::Setting {
            redis: Where::Own,
            setting: Setting::Maxmemory,
            value: "0".into(),
        },
        Undo::TargetsFile {
            path: "/runs/targets.json".into(),
        },
        Undo::Container {
            name: "firedrill-0123456789abcdef0123456789abcdef"
                .to_owned()
                .try_into()
                .unwrap(),
        },
    ]
}

fn undos(open: Vec<Open>) -> Vec<Undo> {
    open.into_iter().map(|open| open.undo).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn what_is_written_is_read_the_newest_first_and_marks_take_it_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("undo.jsonl");
    assert_eq!(read(&path).unwrap(), []);
    let journal = Journal::create(&path).unwrap();
    journal.note(Some("f1"), &some()).unwrap();
    // What is owed already is not owed twice, and a setting is set back to what it was first.
    let mut again = some();
    again[3] = Undo::Setting {
        redis: Where::Own,
        setting: Setting::Maxmemory,
        value: "5".into(),
    };
    journal.note(None, &again).unwrap();
    let newest_first: Vec<Undo> = some().into_iter().rev().collect();
    assert_eq!(undos(read(&path).unwrap()), newest_first);
    assert_eq!(read(&path).unwrap(), journal.open());
    journal.settle(&again[2..4]).unwrap();
    journal.settle(&again[2..4]).unwrap();
    let rest = [5, 4, 1, 0].map(|index: usize| some()[index].clone());
    assert_eq!(undos(read(&path).unwrap()), rest);

    let journal = Journal::go_on(&path).unwrap();
    journal.note(None, &some()[2..3]).unwrap();
    assert_eq!(undos(read(&path).unwrap())[0], some()[2]);
    insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
    {"owed":{"id":1,"step":"f1","undo":{"end":{"process":"7.8.9.0000000a"}}}}
    {"owed":{"id":2,"step":"f1","undo":{"continue":{"process":"7.8.9.0000000a"}}}}
    {"owed":{"id":3,"step":"f1","undo":{"unpause":{"redis":{"given":"token"},"queue":"default"}}}}
    {"owed":{"id":4,"step":"f1","undo":{"setting":{"redis":"own","setting":"maxmemory","value":"0"}}}}
    {"owed":{"id":5,"step":"f1","undo":{"targets-file":{"path":"/runs/targets.json"}}}}
    {"owed":{"id":6,"step":"f1","undo":{"container":{"name":"firedrill-0123456789abcdef0123456789abcdef"}}}}
    {"undone":{"id":3}}
    {"undone":{"id":4}}
    {"owed":{"id":7,"undo":{"unpause":{"redis":{"given":"token"},"queue":"default"}}}}
    "#);
}

/// Of what is done again on top, how it was before counts, and how it was left last.
#[test]
fn what_is_done_again_is_undone_from_how_it_was_left_last() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("undo.jsonl");
    let id = r#"{"context": null, "namespace": "shop", "name": "mail", "uid": "0a"}"#;
    let deployment: DeploymentId = serde_json::from_str(id).unwrap();
    let scaled = |replicas, left: &[u32]| Undo::Replicas {
        deployment: deployment.clone(),
        replicas,
        left: left.iter().copied().collect(),
    };
    let container = GuestId::try_from("ab".repeat(32)).unwrap();
    let limit = |bytes: u64| -> MemoryLimit {
        serde_json::from_value(serde_json::json!({ "bytes": bytes, "with_swap": bytes })).unwrap()
    };
    let limited = |before: u64, left: Option<u64>| Undo::Memory {
        container: container.clone(),
        limit: limit(before),
        left: left.map(limit),
    };
    let ended = |started: &str| Undo::StartContainer {
        container: container.clone(),
        started: Some(started.into()),
    };
    let journal = Journal::create(&path).unwrap();
    for undos in [
        [scaled(2, &[2, 1]), limited(9, None), ended("first")],
        [scaled(2, &[1, 0]), limited(9, Some(5)), ended("second")],
        [scaled(2, &[1, 0]), limited(5, None), ended("second")],
        [scaled(4, &[4, 3]), limited(5, Some(3)), ended("second")],
    ] {
        journal.note(None, &undos).unwrap();
    }
    let open = [scaled(4, &[4, 3]), limited(9, Some(3)), ended("second")];
    let mut found = undos(read(&path).unwrap());
    assert_eq!(found, undos(journal.open()));
    found.sort_by_key(|undo| open.iter().position(|one| one == undo));
    assert_eq!(found, open);
    journal
        .settle(&[scaled(2, &[]), limited(0, None), ended("")])
        .unwrap();
    assert_eq!(read(&path).unwrap(), []);
}

#[test]
fn a_line_that_was_not_finished_asks_for_nothing_and_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("undo.jsonl");
    let journal = Journal::create(&path).unwrap();
    journal.note(None, &some()[..1]).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for torn in [
        "{",
        "{\"undone\":{\"id\":1}}",
        "{\"owed\":{\"id\":2,\"undo\":\u{e9}",
    ] {
        append(&path, torn);
        assert_eq!(undos(read(&path).unwrap()), some()[..1]);
        let journal = Journal::go_on(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        assert_eq!(undos(journal.open()), some()[..1]);
    }
}

#[test]
fn a_journal_that_none_of_us_wrote_is_not_gone_by() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("undo.jsonl");
    for (text, why) in [
        ("rubbish\n", "expected value"),
        ("\n", "EOF"),
        (
            "{\"undone\":{\"id\":2}}\n",
            "nothing with the number 2 is open",
        ),
        (
            "{\"owed\":{\"id\":7,\"undo\":{\"end\":{\"process\":\"1.2.3.00000004\"}}}}\n",
            "its number is 7, not 2",
        ),
        (
            "{\"owed\":{\"id\":2,\"undo\":{\"end\":{\"process\":\"1\"}}}}\n",
            "not pid.started.namespace.boot",
        ),
        (
            "{\"owed\":{\"id\":2,\"undo\":{\"setting\":{\"redis\":\"own\",\"setting\":\"dir\",\"value\":\"/\"}}}}\n",
            "unknown variant `dir`",
        ),
        (
            "{\"owed\":{\"id\":2,\"undo\":{\"container\":{\"name\":\"postgres\"}}}}\n",
            "no name of a container of ours",
        ),
        (
            "{\"owed\":{\"id\":2,\"undo\":{\"remove\":\"/\"}}}\n",
            "unknown variant `remove`",
        ),
        (
            "{\"owed\":{\"id\":2,\"undo\":{\"end\":{\"process\":\"1.2.3.00000004\",\"too\":1}}}}\n",
            "unknown field `too`",
        ),
    ] {
        let journal = Journal::create(&path).unwrap();
        journal.note(None, &some()[..1]).unwrap();
        append(&path, text);
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains(":2: not a line of an undo journal"),
            "{error}"
        );
        assert!(error.contains(why), "{error}");
        assert!(Journal::go_on(&path).is_err());
        fs::remove_file(&path).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(read(&path).is_err());
}

struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn owner(&self) -> Owner {
        Owner::of(self.0.id()).unwrap()
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The same with another of its numbers: 0 process, 1 start, 2 namespace, 3 boot.
fn changed(owner: &Owner, part: usize, by: &str) -> Owner {
    let text = owner.to_string();
    let mut parts: Vec<&str> = text.split('.').collect();
    parts[part] = by;
    parts.join(".").parse().unwrap()
}

#[test]
fn only_the_process_that_is_meant_is_ended() {
    let this = Owner::this().unwrap();
    let mut sleeper = Sleeper::start();
    let real = sleeper.owner();
    let end = |process: Owner, of: &Owner| Undo::End { process }.here(of).unwrap();
    // Its number was another's before.
    end(changed(&real, 1, "1"), &this);
    end(changed(&real, 2, "1"), &this);
    end(changed(&real, 3, "00000001"), &this);
    // Older than the firedrill that is said to have started it.
    end(real.clone(), &changed(&this, 1, "99999999999"));
    assert!(sleeper.runs());
    end(real.clone(), &this);
    assert!(!sleeper.runs());
    end(real, &this);
}

#[test]
fn what_a_process_has_started_ends_with_it_and_nobody_else() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    let this = Owner::this().unwrap();
    let mut other = Sleeper::start();
    let start = || {
        let mut leader = Command::new("sh")
            .args(["-c", "sleep 1000 & echo $!; exec sleep 1000"])
            .process_group(0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(leader.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let started = Owner::of(line.trim().parse().unwrap()).unwrap();
        (Owner::of(leader.id()).unwrap(), Sleeper(leader), started)
    };
    let runs = |of: &Owner| of.fate(SystemTime::now()) == Fate::Runs;
    let (leader, mut process, started) = start();
    assert_eq!(leader.group(), std::slice::from_ref(&started));
    let undo = Undo::End { process: leader };
    undo.here(&this).unwrap();
    assert!(!process.runs() && !runs(&started));
    // Also when that has ended before, but not when its number is another's by now.
    let (leader, mut process, started) = start();
    process.0.kill().unwrap();
    process.0.wait().unwrap();
    let undo = Undo::End {
        process: leader.clone(),
    };
    assert!(runs(&started) && other.runs());
    undo.here(&this).unwrap();
    assert!(!runs(&started) && other.runs());
    let reused = changed(&other.owner(), 1, "1");
    assert!(reused.group().is_empty());
}

#[test]
fn no_file_goes_but_one_of_targets() {
    let this = Owner::this().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let [targets, thesis] = ["targets.json", "thesis.tex"].map(|name| dir.path().join(name));
    for path in [&targets, &thesis] {
        fs::write(path, "text").unwrap();
        Undo::TargetsFile { path: path.clone() }
            .here(&this)
            .unwrap();
        Undo::TargetsFile { path: path.clone() }
            .here(&this)
            .unwrap();
    }
    assert!(!targets.exists() && thesis.exists());
}

#[test]
fn a_home_goes_unless_something_could_not_be_undone() {
    let mut sleeper = Sleeper::start();
    let home = Home::make().unwrap();
    let path = home.path().to_path_buf();
    let process = sleeper.owner();
    home.journal().note(None, &[Undo::End { process }]).unwrap();
    home.close().unwrap();
    assert!(!path.exists() && !sleeper.runs());

    let home = Home::make().unwrap();
    let path = home.path().to_path_buf();
    home.journal().note(None, &some()[2..3]).unwrap();
    let error = home.close().unwrap_err();
    assert!(error.contains("cannot unpause queue default: "), "{error}");
    let this = Owner::this().unwrap();
    assert!(clear(&path, &this, &|_| false).removed.is_err());
    assert_eq!(read(&path.join(directory::JOURNAL)).unwrap().len(), 1);
    let cleared = clear(&path, &this, &|token| token == "token");
    cleared.removed.unwrap();
    assert!(cleared.did.is_empty() && cleared.left.is_empty());
    assert!(!path.exists());
    clear(&path, &this, &|_| false).removed.unwrap();
}

#[test]
fn what_a_lever_does_is_owed_before_and_settled_by_what_undoes_it() {
    let account = |lever: Lever| {
        let facts = Facts {
            processes: vec![owner("1.2.3.00000004")],
            guests: Vec::new(),
            proxy: None,
            limits: Vec::new(),
            replicated: None,
            redis: Where::Own,
            server: Some(owner("5.6.7.00000008")),
            maxmemory: "0".into(),
        };
        Account::of(&lever, facts)
    };
    let queue = |what| Lever::Queue {
        queue: "q".into(),
        what,
    };
    for (does, undoes) in [
        (
            Lever::Process(ProcessLever::Stop),
            vec![
                Lever::Process(ProcessLever::Continue),
                Lever::Process(ProcessLever::Kill),
                Lever::Process(ProcessLever::Terminate { grace_ms: None }),
                Lever::Process(ProcessLever::Restart),
                Lever::Process(ProcessLever::Deploy { boots: false }),
                Lever::Members {
                    targets_stay: false,
                },
            ],
        ),
        (
            Lever::Redis(RedisLever::Stop),
            vec![
                Lever::Redis(RedisLever::Continue),
                Lever::Redis(RedisLever::Kill { keep_data: true }),
                Lever::Redis(RedisLever::Start { keep_data: true }),
                Lever::Redis(RedisLever::Restore),
                Lever::Redis(RedisLever::LosePrimary),
            ],
        ),
        (
            Lever::Redis(RedisLever::Fill),
            vec![Lever::Redis(RedisLever::Drain)],
        ),
        (
            Lever::Redis(RedisLever::Limit {
                bytes: 1,
                policy: Eviction::None,
            }),
            vec![Lever::Redis(RedisLever::Drain)],
        ),
        (queue(QueueLever::Pause), vec![queue(QueueLever::Unpause)]),
    ] {
        let owed = account(does.clone()).owes;
        assert!(!owed.is_empty(), "{does:?}");
        for lever in undoes {
            let pays = account(lever.clone()).pays;
            assert!(
                owed.iter().all(|undo| pays.contains(undo)),
                "{does:?}, {lever:?}"
            );
        }
    }
    for lever in [
        Lever::Handler(HandlerLever::Deadlock),
        Lever::Link(LinkLever::Drop { ways: Ways::Both }),
        Lever::Exporters { there: false },
        Lever::SlowScrapes { ms: 1 },
        Lever::Scrape { reachable: false },
    ] {
        assert_eq!(account(lever), Account::default());
    }
}

#[test]
fn a_proxy_of_the_teams_is_healed() {
    let proxy: ProxyId =
        serde_json::from_str(r#"{"api":"http://localhost:8474/","name":"redis"}"#).unwrap();
    let account = |lever| {
        let facts = Facts {
            processes: Vec::new(),
            guests: Vec::new(),
            proxy: Some(proxy.clone()),
            limits: Vec::new(),
            replicated: None,
            redis: Where::Own,
            server: None,
            maxmemory: "0".into(),
        };
        Account::of(&Lever::Link(lever), facts)
    };
    let undo = Undo::Toxics {
        proxy: proxy.clone(),
    };
    assert_eq!(
        undo.to_string(),
        "remove toxics of proxy redis at http://localhost:8474/"
    );
    let cut = account(LinkLever::Drop { ways: Ways::Both });
    assert_eq!((cut.owes, cut.pays), (vec![undo.clone()], vec![]));
    let heal = account(LinkLever::Heal);
    assert_eq!((heal.owes, heal.pays), (vec![], vec![undo]));
}

#[test]
fn a_deployment_of_others_wants_in_the_end_what_it_did() {
    let id = r#"{"context": null, "namespace": "shop", "name": "mail", "uid": "0a"}"#;
    let deployment: DeploymentId = serde_json::from_str(id).unwrap();
    let images = BTreeMap::from([("worker".to_owned(), "w:1".to_owned())]);
    let account = |lever: Lever, is_whole_then| {
        let facts = Facts {
            processes: Vec::new(),
            guests: Vec::new(),
            proxy: None,
            limits: Vec::new(),
            replicated: Some(Replicated {
                deployment: deployment.clone(),
                replicas: 2,
                images: images.clone(),
                is_whole_then,
            }),
            redis: Where::Own,
            server: None,
            maxmemory: "0".into(),
        };
        Account::of(&lever, facts)
    };
    let scaled = || {
        vec![Undo::Replicas {
            deployment: deployment.clone(),
            replicas: 2,
            left: BTreeSet::new(),
        }]
    };
    let released = || {
        vec![Undo::Images {
            deployment: deployment.clone(),
            images: images.clone(),
        }]
    };
    let account_of = |lever, whole| {
        let Account { owes, pays } = account(lever, whole);
        (owes, pays)
    };
    let kill = || Lever::Process(ProcessLever::Kill);
    let deploy = |boots| Lever::Process(ProcessLever::Deploy { boots });
    let members = || Lever::Members {
        targets_stay: false,
    };
    // What is owed is written down by who scales it, and knows the numbers.
    assert_eq!(account_of(kill(), false), (vec![], vec![]));
    let restart = Lever::Process(ProcessLever::Restart);
    assert_eq!(account_of(restart.clone(), false), (vec![], vec![]));
    assert_eq!(account_of(restart, true), (vec![], scaled()));
    assert_eq!(account_of(members(), false), (vec![], vec![]));
    assert_eq!(account_of(members(), true), (vec![], scaled()));
    assert_eq!(account_of(deploy(false), true), (released(), vec![]));
    assert_eq!(account_of(deploy(true), true), (released(), released()));
    let stop = Lever::Process(ProcessLever::Stop);
    assert_eq!(account_of(stop, true), (vec![], vec![]));
    // What is written down is read again.
    for undo in [scaled(), released()].concat() {
        let text = serde_json::to_string(&undo).unwrap();
        assert_eq!(serde_json::from_str::<Undo>(&text).unwrap(), undo);
    }
}

#[test]
fn containers_of_others_run_in_the_end() {
    let id = GuestId::try_from("ab".repeat(32)).unwrap();
    let account = |lever: ProcessLever| {
        let facts = Facts {
            processes: Vec::new(),
            guests: vec![Ran {
                container: id.clone(),
                started: Some("then".into()),
            }],
            proxy: None,
            limits: Vec::new(),
            replicated: None,
            redis: Where::Own,
            server: None,
            maxmemory: "0".into(),
        };
        Account::of(&Lever::Process(lever), facts)
    };
    let thaw = Undo::Thaw {
        container: id.clone(),
        started: Some("then".into()),
    };
    let start = Undo::StartContainer {
        container: id.clone(),
        started: Some("then".into()),
    };
    let terminate = ProcessLever::Terminate { grace_ms: None };
    for (lever, owes, pays) in [
        (ProcessLever::Stop, vec![&thaw], vec![]),
        (ProcessLever::Continue, vec![], vec![&thaw]),
        (ProcessLever::Kill, vec![&start], vec![&thaw]),
        (terminate, vec![&start], vec![&thaw]),
        // It is down for a moment.
        (ProcessLever::Restart, vec![&start], vec![&start, &thaw]),
    ] {
        let found = account(lever);
        assert_eq!(found.owes.iter().collect::<Vec<_>>(), owes, "{lever:?}");
        assert_eq!(found.pays.iter().collect::<Vec<_>>(), pays, "{lever:?}");
    }
    for wrong in [
        "ab".repeat(31),
        "x".repeat(64),
        "--help".to_owned(),
        String::new(),
    ] {
        assert!(GuestId::try_from(wrong).is_err());
    }
}
