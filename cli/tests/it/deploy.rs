//! What `deploy/` holds: it fits the schemas of those who read it, and its shards are run as they stand there, as processes and as
//! containers.

use crate::as_json::as_json;
use crate::support::{firedrill, project, skip};
use firedrill_detector::yaml::{self, Problems};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Every file of the folder, by name.
fn shipped() -> Vec<(String, Value)> {
    let entries = fs::read_dir(project("deploy")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, Value)> = paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let node = yaml::parse(&text, &mut Problems::new(&name));
            (name, as_json(&node.unwrap()))
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

fn file(name: &str) -> Value {
    let mut files = shipped().into_iter();
    files.find(|(known, _)| known == name).unwrap().1
}

/// What a schema has against a file.
fn problems(name: &str, found: &Value) -> Vec<String> {
    let read = |file: &str| -> Value {
        let path = project("cli/tests/schemas").join(file);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let schema = match name.ends_with(".compose.yaml") {
        true => read("compose.json"),
        false => {
            let kind = match found["kind"].as_str() {
                Some("Job") => "io.k8s.api.batch.v1.Job",
                Some("PersistentVolumeClaim") => "io.k8s.api.core.v1.PersistentVolumeClaim",
                kind => panic!("{name}: {kind:?}"),
            };
            let mut schema = read("kubernetes.json");
            schema["$ref"] = json!(format!("#/definitions/{kind}"));
            // Beside `$ref` drafts before 2019 look at nothing.
            schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            schema
        }
    };
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let refused = schemas.validate(found, index).err();
    refused.iter().map(ToString::to_string).collect()
}

#[test]
fn manifests_fit_the_schemas_of_kubernetes_and_compose() {
    let files = shipped();
    assert_eq!(files.len(), 6);
    for (name, found) in &files {
        let found = problems(name, found);
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn what_kubernetes_or_compose_would_refuse_is_found() {
    let job = file("sweep.job.yaml");
    for (pointer, value) in [
        ("/spec/completions", json!("four")),
        ("/spec/completionmode", json!("Indexed")),
        ("/spec/template/spec/containers/0/args", json!("run")),
        ("/spec/template/spec/containers/0/env/0/value", json!(4)),
        (
            "/spec/template/spec/containers/0/volumeMounts/0/name",
            Value::Null,
        ),
    ] {
        let mut wrong = job.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[key] = value;
        assert!(!problems("sweep.job.yaml", &wrong).is_empty(), "{pointer}");
    }
    let compose = file("load.compose.yaml");
    for (pointer, value) in [
        (
            "/services/merge/depends_on/shard-1/condition",
            json!("done"),
        ),
        ("/services/merge/commands", json!([])),
        ("/services/redis/healthcheck/retry", json!(3)),
    ] {
        let mut wrong = compose.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[key] = value;
        assert!(
            !problems("load.compose.yaml", &wrong).is_empty(),
            "{pointer}"
        );
    }
}

/// The shards of an Indexed Job are as many as its pods, and of a Compose file as many as its services.
#[test]
fn the_numbers_of_shards_agree() {
    for name in ["sweep.job.yaml", "load.job.yaml"] {
        let job = file(name);
        let spec = &job["spec"];
        let shards = env(
            &spec["template"]["spec"]["containers"][0],
            "FIREDRILL_SHARDS",
        );
        for field in ["completions", "parallelism"] {
            assert_eq!(spec[field].to_string(), shards, "{name}: {field}");
        }
        assert_eq!(spec["completionMode"], "Indexed", "{name}");
    }
    for name in ["sweep.compose.yaml", "load.compose.yaml"] {
        let shards = services(&file(name), "shard-");
        for (number, (_, words)) in (1..).zip(&shards) {
            let own = format!("{number}/{}", shards.len());
            assert_eq!(words.last(), Some(&own), "{name}");
            // But for that they are one command.
            let rest = |words: &[String]| words[..words.len() - 1].to_vec();
            assert_eq!(rest(words), rest(&shards[0].1), "{name}");
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    let words = value.as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

/// A variable of a pod's container.
fn env(container: &Value, name: &str) -> String {
    let mut all = container["env"].as_array().unwrap().iter();
    let found = all.find(|variable| variable["name"] == name).unwrap();
    found["value"].as_str().unwrap().to_owned()
}

/// Services whose names begin so, with their commands, by name.
fn services(compose: &Value, begin: &str) -> Vec<(String, Vec<String>)> {
    let all = compose["services"].as_object().unwrap().iter();
    let named = all.filter(|(name, _)| name.starts_with(begin));
    named
        .map(|(name, service)| (name.clone(), strings(&service["command"])))
        .collect()
}

fn text(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The pods of the Job, all at once, as processes with the variables that Kubernetes gives them; then the Job that merges.
#[test]
fn the_job_s_pods_run_as_processes_and_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let here = |word: &str| word.replace("/runs/", &format!("{}/", dir.path().display()));
    let container = |job: &Value| job["spec"]["template"]["spec"]["containers"][0].clone();
    let sweep = file("sweep.job.yaml");
    let pod = container(&sweep);
    // As it stands there, but for fewer scenarios and seeds.
    let fewer = |word: String| match word.as_str() {
        "@flagship" => "worker-crash-all".to_owned(),
        "100" => "4".to_owned(),
        _ => word,
    };
    let args: Vec<String> = strings(&pod["args"]).into_iter().map(fewer).collect();
    assert_ne!(args, strings(&pod["args"]));
    let pods = sweep["spec"]["completions"].as_u64().unwrap();
    let out = here(&env(&pod, "FIREDRILL_OUT"));
    let running: Vec<_> = (0..pods)
        .map(|index| {
            let mut command = firedrill();
            command.args(&args).env("FIREDRILL_OUT", &out);
            command.env("FIREDRILL_SHARDS", env(&pod, "FIREDRILL_SHARDS"));
            command.env("JOB_COMPLETION_INDEX", index.to_string());
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for one in running {
        let (code, _, told) = text(one.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{told}");
    }
    let merge = container(&file("merge.job.yaml"));
    let words = strings(&merge["args"]);
    let mut command = firedrill();
    command.args(words.iter().map(|word| here(word)));
    command.env("FIREDRILL_OUT", here(&env(&merge, "FIREDRILL_OUT")));
    let merged = text(command.output().unwrap());

    let mut command = firedrill();
    command
        .args(&args)
        .env("FIREDRILL_OUT", dir.path().join("whole"));
    let whole = text(command.output().unwrap());
    assert_eq!((merged.0, &merged.1), (whole.0, &whole.1), "{}", merged.2);
    let result = |out: &Path| fs::read(out.join("trials/latest/result.json")).unwrap();
    assert_eq!(result(Path::new(&out)), result(&dir.path().join("whole")));
}

/// A docker daemon, and an image with the binary that is tried and the Redis of this machine; gone with it.
struct Image {
    name: String,
}

impl Image {
    fn make() -> Option<Self> {
        let answers = Command::new("docker").arg("info").output();
        let answers = answers.is_ok_and(|output| output.status.success());
        let redis = ["redis-server", "redis-cli"].map(which);
        let ([Some(server), Some(cli)], true) = (redis, answers) else {
            skip("docker and redis-server");
            return None;
        };
        let root = tempfile::tempdir().unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_firedrill"));
        let programs = [
            ("firedrill", &binary),
            ("redis-server", &server),
            ("redis-cli", &cli),
        ];
        let put = |from: &Path, to: &str| {
            let to = root.path().join(to.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        };
        for (name, program) in programs {
            put(program, &format!("usr/bin/{name}"));
            let output = Command::new("ldd").arg(program).output().unwrap();
            let libraries = String::from_utf8(output.stdout).unwrap();
            let words = libraries.split_whitespace();
            // The loader too: the kernel looks for it where the program says.
            for library in words.filter(|word| word.starts_with('/') && !word.ends_with(':')) {
                put(Path::new(library), library);
            }
        }
        for dir in ["tmp", "runs"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let name = format!("firedrill/shards:{}", std::process::id());
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(root.path())
            .args(["-c", "."])
            .stdout(Stdio::piped());
        let mut tar = tar.spawn().unwrap();
        let mut import = Command::new("docker");
        let changes = ["-c", "ENV PATH=/usr/bin HOME=/tmp", "-c", "WORKDIR /tmp"];
        import.arg("import").args(changes).args(["-", &name]);
        let imported = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(tar.wait().unwrap().success() && imported.status.success());
        Some(Self { name })
    }

    /// A container, run to its end.
    fn run(&self, options: &[&str], words: &[String]) -> Command {
        let mut command = Command::new("docker");
        command.args(["run", "--rm"]).args(options).arg(&self.name);
        command.args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rmi", "-f", &self.name])
            .output();
    }
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join(program));
    let mut found = found.filter(|path| path.is_file());
    found.next().and_then(|path| fs::canonicalize(path).ok())
}

/// A network of containers, and one with Redis in it under the name that the Compose file gives it.
struct Neighbours(String);

impl Neighbours {
    fn start(image: &Image) -> Self {
        let name = format!("firedrill-shards-{}", std::process::id());
        docker(&["network", "create", "--internal", &name]);
        let neighbours = Self(name);
        let name = &neighbours.0;
        let alias = [
            "-d",
            "--name",
            name,
            "--network",
            name,
            "--network-alias",
            "redis",
        ];
        let server = ["redis-server", "--save", "", "--protected-mode", "no"];
        docker(&[&["run"], &alias[..], &[&image.name], &server].concat());
        neighbours
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for args in [["rm", "-f"], ["network", "rm"]] {
            let _ = Command::new("docker").args(args).arg(&self.0).output();
        }
    }
}

fn docker(args: &[&str]) {
    let output = Command::new("docker").args(args).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {told}");
}

/// Both Compose files, service by service, in the order that they say.
#[test]
fn the_shards_run_as_containers_and_are_merged() {
    let Some(image) = Image::make() else { return };
    let neighbours = Neighbours::start(&image);
    for (name, result) in [
        ("sweep.compose.yaml", "trials/latest/result.json"),
        ("load.compose.yaml", "load/latest/result.json"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let runs = format!("{}:/runs", dir.path().display());
        let compose = file(name);
        let options = ["-v", &runs, "--network", &neighbours.0];
        let program = |words: &[String]| [&["firedrill".to_owned()], words].concat();
        let shards = services(&compose, "shard-").into_iter();
        let running: Vec<_> = shards
            .map(|(_, words)| image.run(&options, &program(&words)).spawn().unwrap())
            .collect();
        for shard in running {
            let (code, _, told) = text(shard.wait_with_output().unwrap());
            assert_eq!(code, Some(0), "{name}: {told}");
        }
        let (_, words) = services(&compose, "merge").remove(0);
        let merged = image.run(&options, &program(&words)).output().unwrap();
        let (code, out, told) = text(merged);
        // The sweep's rules miss what happens; a load on a busy machine may prove nothing.
        assert!(matches!(code, Some(0 | 1 | 3)), "{name}: {told}");
        assert!(!out.is_empty(), "{name}: {told}");
        let found = fs::read_to_string(dir.path().join(result)).unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        match name {
            "sweep.compose.yaml" => assert_eq!(found["trials"], 8),
            _ => {
                assert_eq!(found["tasks"]["missing"], 0);
                // All but one of the shards are no load.
                let shards = fs::read_dir(dir.path().join("shards")).unwrap();
                let shards = shards.map(|shard| shard.unwrap().file_name());
                let one_lost = shards
                    .skip(1)
                    .map(|shard| format!("/runs/shards/{}", shard.display()));
                let words: Vec<String> = ["merge".to_owned()].into_iter().chain(one_lost).collect();
                assert_eq!(words.len(), services(&compose, "shard-").len());
                let (code, _, told) = text(image.run(&options, &program(&words)).output().unwrap());
                assert_eq!(code, Some(3), "{told}");
                assert!(told.contains("of 3 shards there is no"), "{told}");
            }
        }
    }
}
