//! Kubernetes' own API server and its controllers of deployments, as `.ci/kube` builds them.

use crate::support::{has, project, skip, wait_until};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Kubernetes' own API server with everything it keeps in a folder of its own; it ends with the test.
pub(crate) struct ApiServer {
    child: Child,
    folder: tempfile::TempDir,
}

impl ApiServer {
    /// Starts it; `None`: what it takes is not here, and that was said.
    pub(crate) fn start() -> Option<Self> {
        if !has("kubectl") {
            skip("kubectl");
            return None;
        }
        let program = project("target/kube-apiserver");
        if !program.is_file() {
            skip("target/kube-apiserver (.ci/kube builds it)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { child, folder };
        wait_until("the API server serves", || server.config().is_file());
        Some(server)
    }

    /// How it is asked.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// What kubectl prints when it is asked this, with that on its standard input.
    pub(crate) fn kubectl(&self, words: &[&str], input: &Value) -> String {
        self.tried(words, input)
            .unwrap_or_else(|said| panic!("kubectl {words:?}: {input}: {said}"))
    }

    /// The same, or what it says when it fails.
    pub(crate) fn tried(&self, words: &[&str], input: &Value) -> Result<String, String> {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(self.config()).args(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err(text(output.stderr)),
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
