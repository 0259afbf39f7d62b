//! The real Alertmanager and its tool.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Later than this, an alert may come on the other side of a flush.
pub(super) const LATE: Duration = Duration::from_millis(400);

/// Whether a program is there. In continuous integration it must be.
pub(super) fn need(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{program} is needed in continuous integration"
        );
        println!("skipped: needs {program}");
    }
    found
}

/// An Alertmanager on loopback, and what it sends to its only receiver.
pub(super) struct Alertmanager {
    process: Child,
    _dir: tempfile::TempDir,
    address: SocketAddr,
    pub(super) sent: Receiver<(Instant, Value)>,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Alertmanager {
    /// With this configuration, in which `URL` stands for what is listened on.
    pub(super) fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", receiver.local_addr().unwrap());
        let config = config.replace("URL", &url);
        fs::write(dir.path().join("c.yml"), config).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new("prometheus-alertmanager")
            .current_dir(dir.path())
            .args(["--config.file=c.yml", "--storage.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let (tx, sent) = channel();
        std::thread::spawn(move || {
            for stream in receiver.incoming() {
                let body = body(stream.unwrap());
                if tx.send((Instant::now(), body)).is_err() {
                    return;
                }
            }
        });
        let manager = Self {
            process,
            _dir: dir,
            address,
            sent,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !manager
            .ask("GET", "/-/ready", "")
            .is_ok_and(|code| code == 200)
        {
            assert!(Instant::now() < deadline, "Alertmanager is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        manager
    }

    /// The status it answers with.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<u16> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.ok_or_else(|| std::io::Error::other(line))
    }
}

/// Reads a request, answers it, and gives its body.
fn body(stream: TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    reader.get_mut().write_all(answer).unwrap();
    serde_json::from_slice(&body).unwrap()
}
