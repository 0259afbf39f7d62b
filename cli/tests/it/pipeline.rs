//! `action.yml` and `gitlab-ci.yml`, as a runner runs them, in a repository that has only `alerts/` and `drills/`.

use crate::support::{firedrill, project};
use firedrill_detector::yaml::{self, Node, Problems, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Words = BTreeMap<String, String>;

fn read(file: &str) -> Node {
    let text = fs::read_to_string(project(file)).unwrap();
    let mut problems = Problems::new(file);
    let node = yaml::parse(&text, &mut problems);
    assert!(problems.is_empty(), "{:?}", problems.into_vec());
    node.unwrap()
}

fn get<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| {
        let Value::Mapping(entries) = &node.value else {
            return None;
        };
        let found = entries.iter().find(|(name, _)| name.text() == Some(key));
        found.map(|(_, value)| value)
    })
}

fn text(node: &Node, path: &[&str]) -> Option<String> {
    get(node, path)?.text().map(str::to_owned)
}

fn entries(node: Option<&Node>) -> Words {
    let Some(Value::Mapping(entries)) = node.map(|node| &node.value) else {
        return Words::new();
    };
    let entries = entries.iter();
    let texts =
        entries.map(|(name, value)| (name.text().unwrap(), value.text().unwrap_or_default()));
    texts
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What a runner does with an action, as far as this one asks for it.
struct Runner {
    action: Node,
    /// What `${{ ... }}` may say.
    expressions: Words,
    dir: tempfile::TempDir,
}

/// How a job ended.
struct Ended {
    code: i32,
    said: String,
    summary: String,
    outputs: Words,
    /// Files that were kept.
    kept: Vec<PathBuf>,
}

impl Runner {
    /// In a new repository, with these inputs.
    fn new(inputs: &[(&str, &str)]) -> Self {
        let action = read("action.yml");
        let mut expressions = Words::new();
        let Some(Value::Mapping(declared)) = get(&action, &["inputs"]).map(|node| &node.value)
        else {
            panic!("an action has inputs");
        };
        for (name, input) in declared {
            let default = text(input, &["default"]).unwrap();
            expressions.insert(format!("inputs.{}", name.text().unwrap()), default);
            assert!(text(input, &["description"]).is_some());
        }
        let binary = firedrill().get_program().to_str().unwrap().to_owned();
        for (name, value) in inputs.iter().copied().chain([("binary", binary.as_str())]) {
            let known = expressions.insert(format!("inputs.{name}"), value.to_owned());
            assert!(known.is_some(), "the action has no input {name}");
        }
        let source = fs::canonicalize(project("")).unwrap();
        expressions.insert("github.action_path".into(), source.to_str().unwrap().into());
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("repository")).unwrap();
        fs::create_dir(dir.path().join("temporary")).unwrap();
        let init = firedrill()
            .current_dir(dir.path().join("repository"))
            .args(["init", "-q"])
            .status();
        assert!(init.unwrap().success());
        let runner = Self {
            action,
            expressions,
            dir,
        };
        fs::remove_dir_all(runner.repository().join(".github")).unwrap();
        runner
    }

    fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// A text with every `${{ ... }}` replaced; an expression that this runner does not know is a mistake in the action.
    fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (expression, after) = after.split_once("}}").unwrap();
            filled.push_str(before);
            let value = self.expressions.get(expression.trim());
            filled.push_str(value.unwrap_or_else(|| panic!("unknown: {expression}")));
            rest = after;
        }
        filled + rest
    }

    /// Whether a step's condition holds, after steps before it succeeded or not.
    fn holds(&self, condition: &str, so_far: bool) -> bool {
        let mut always = false;
        let holds = condition.split("&&").map(str::trim).all(|part| {
            if part == "always()" {
                always = true;
                return true;
            }
            let (equal, sides) = match part.split_once("==") {
                Some(sides) => (true, sides),
                None => (false, part.split_once("!=").unwrap()),
            };
            let value = &self.expressions[sides.0.trim()];
            (value == sides.1.trim().trim_matches('\'')) == equal
        });
        holds && (always || so_far)
    }

    fn run(&self) -> Ended {
        let temporary = self.dir.path().join("temporary");
        let file = |name: &str| temporary.join(name);
        let content = |name: &str| fs::read_to_string(file(name)).unwrap_or_default();
        let mut ended = Ended {
            code: 0,
            said: String::new(),
            summary: String::new(),
            outputs: Words::new(),
            kept: Vec::new(),
        };
        let Some(Value::Sequence(steps)) =
            get(&self.action, &["runs", "steps"]).map(|node| &node.value)
        else {
            panic!("an action has steps");
        };
        for step in steps {
            let condition = text(step, &["if"]);
            let wanted = condition.map_or(ended.code == 0, |condition| {
                self.holds(&condition, ended.code == 0)
            });
            if !wanted {
                continue;
            }
            if let Some(action) = text(step, &["uses"]) {
                assert_eq!(action, "actions/upload-artifact@v4");
                let paths = self.filled(&text(step, &["with", "path"]).unwrap());
                let paths = paths.lines().map(|path| self.repository().join(path));
                ended.kept.extend(paths.filter(|path| path.exists()));
                continue;
            }
            assert_eq!(text(step, &["shell"]).as_deref(), Some("bash"));
            let script = file("step.sh");
            let own = text(step, &["run"]).unwrap();
            // What others wrote is never part of a script.
            assert!(!own.contains("${{"), "{own}");
            fs::write(&script, own).unwrap();
            let mut command = Command::new("bash");
            command
                .args(["--noprofile", "--norc", "-eo", "pipefail"])
                .arg(&script)
                .current_dir(self.repository());
            for (name, value) in entries(get(step, &["env"])) {
                command.env(name, self.filled(&value));
            }
            let path = std::env::var("PATH").unwrap();
            let added = content("path");
            let added = added.lines().collect::<Vec<_>>().join(":");
            command
                .env("PATH", format!("{added}:{path}"))
                .env("RUNNER_TEMP", &temporary)
                .env("GITHUB_PATH", file("path"))
                .env("GITHUB_OUTPUT", file("output"))
                .env("GITHUB_STEP_SUMMARY", file("summary"));
            let output = command.output().unwrap();
            ended
                .said
                .push_str(&String::from_utf8_lossy(&output.stdout));
            ended
                .said
                .push_str(&String::from_utf8_lossy(&output.stderr));
            if !output.status.success() {
                ended.code = output.status.code().unwrap();
            }
        }
        ended.summary = content("summary");
        let outputs = content("output");
        let outputs = outputs.lines().filter_map(|line| line.split_once('='));
        ended.outputs = outputs
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        ended
    }
}

#[test]
fn the_action_judges_a_repository_that_has_only_rules_and_drills() {
    let runner = Runner::new(&[]);
    let ended = runner.run();
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(ended.outputs["exit-code"], "0");
    let report = runner.repository().join(&ended.outputs["report"]);
    assert!(report.join("report.html").is_file() && report.join("figures.jsonl").is_file());
    assert!(
        ended.summary.starts_with("## firedrill report: passed"),
        "{}",
        ended.summary
    );
    let kept: Vec<_> = ended
        .kept
        .iter()
        .map(|path| path.file_name().unwrap())
        .collect();
    assert_eq!(kept, ["junit.xml", "firedrill.sarif", "sets"]);
}

#[test]
fn the_action_says_at_which_rule_a_gate_failed_and_keeps_the_reports() {
    let runner = Runner::new(&[
        ("scenarios", "drills\nworker-crash-all"),
        ("gate", "gate.yml"),
        ("baseline", "before"),
        ("trials", "5"),
    ]);
    let repository = runner.repository();
    fs::write(
        repository.join("gate.yml"),
        "gates:\n  jobs_lost: count == 1\n  alert_recall: value >= baseline\n",
    )
    .unwrap();
    // Before the change, the rule was quicker.
    let words = "run --engine virtual --no-gate --trials 5 --rules alerts --out before drills worker-crash-all";
    let before = firedrill()
        .current_dir(&repository)
        .args(words.split(' '))
        .status();
    assert!(before.unwrap().success());
    fs::rename(repository.join("before"), repository.join("all")).unwrap();
    fs::rename(
        fs::canonicalize(repository.join("all/trials/latest")).unwrap(),
        repository.join("before"),
    )
    .unwrap();
    let rules = repository.join("alerts/job-queue.yml");
    let slower = fs::read_to_string(&rules)
        .unwrap()
        .replacen("for: 1m", "for: 10m", 1);
    assert!(slower.contains("for: 10m"));
    fs::write(&rules, slower).unwrap();

    let ended = runner.run();
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert_eq!(ended.outputs["exit-code"], "1");
    assert!(
        ended.said.contains(
            "::error file=gate.yml,line=2,title=firedrill: gate::jobs_lost: count == 1: 0"
        ),
        "{}",
        ended.said
    );
    assert!(
        ended
            .said
            .contains("::error file=alerts/job-queue.yml,line="),
        "{}",
        ended.said
    );
    assert!(
        ended
            .said
            .contains("title=firedrill: worse than the baseline::"),
        "{}",
        ended.said
    );
    assert!(
        ended
            .summary
            .contains("✗ jobs\\_lost: count == 1** | **0**"),
        "{}",
        ended.summary
    );
    let junit = fs::read_to_string(repository.join("runs/junit.xml")).unwrap();
    assert!(
        junit.contains("<failure message=\"jobs_lost: count == 1: 0\""),
        "{junit}"
    );
    let sarif = fs::read_to_string(repository.join("runs/firedrill.sarif")).unwrap();
    let log: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    let first = &log["runs"][0]["results"][0];
    let place = &first["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"]["uri"], "alerts/job-queue.yml",
        "{log:#}"
    );
    assert!(place["region"]["startLine"].as_u64() > Some(1), "{log:#}");
    assert!(ended.kept.iter().any(|path| path.ends_with("runs/trials")));
}

#[test]
fn what_cannot_be_read_fails_before_any_drill() {
    let runner = Runner::new(&[]);
    let rules = runner.repository().join("alerts/job-queue.yml");
    fs::write(
        rules,
        "groups: [{ name: g, rules: [{ alert: A, expr: 'up ==' }] }]\n",
    )
    .unwrap();
    let ended = runner.run();
    assert_eq!(ended.code, 2, "{}", ended.said);
    assert!(ended.outputs.is_empty() && ended.summary.is_empty());
    assert!(!runner.repository().join("runs").exists());
}

#[test]
fn the_job_for_gitlab_leaves_its_reports() {
    let job = read("gitlab-ci.yml");
    let runner = Runner::new(&[]);
    let Some(Value::Sequence(script)) =
        get(&job, &[".firedrill", "script"]).map(|node| &node.value)
    else {
        panic!("a job has a script");
    };
    let lines: Vec<&str> = script.iter().map(|line| line.text().unwrap()).collect();
    let binary = firedrill().get_program().to_owned();
    let bin = Path::new(&binary).parent().unwrap().to_owned();
    let variables = entries(get(&job, &[".firedrill", "variables"]));
    let output = Command::new("bash")
        .args(["-eo", "pipefail", "-c", &lines.join("\n")])
        .current_dir(runner.repository())
        .env(
            "PATH",
            format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()),
        )
        .envs(&variables)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    for report in ["junit", "codequality"] {
        let path = text(&job, &[".firedrill", "artifacts", "reports", report]).unwrap();
        let path = path.replace("$FIREDRILL_OUT", &variables["FIREDRILL_OUT"]);
        assert!(runner.repository().join(&path).is_file(), "{path}");
    }
}
