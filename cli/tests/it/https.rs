//! A Prometheus behind TLS, a password and a certificate of ours: a real one, asked as `--http-config` says.

use crate::support::{need, said, wait_until};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `s3cret`, as Prometheus keeps it (bcrypt).
const HASHED: &str = "$2a$04$XjUWcuv7wcrpbRBXO0QlMu2qFV6MxvZxw39IqXnHoe7GuWlWN4Vf2";

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a certificate that nobody signed but itself, `NAME.pem`, and its key, `NAME.key`. `signs`: it says that it signs
/// others, as those of `openssl req -x509` do.
fn certificate(dir: &Path, name: &str, signs: bool) {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    if signs {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    fs::write(dir.join(format!("{name}.pem")), made.pem()).unwrap();
    fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// A Prometheus that speaks TLS only, in `dir`, and its address. `more`: what else is asked of those who come.
fn prometheus(dir: &Path, more: &str) -> (Ends, String) {
    let web = format!(
        "tls_server_config:\n  cert_file: localhost.pem\n  key_file: localhost.key\n{more}"
    );
    fs::write(dir.join("web.yml"), web).unwrap();
    fs::write(dir.join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let log = File::create(dir.join("prometheus.log")).unwrap();
    let child = Command::new("prometheus")
        .current_dir(dir)
        .args(["--config.file=prometheus.yml", "--web.config.file=web.yml"])
        .arg(format!("--storage.tsdb.path=data-{}", address.port()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let child = Ends(child.unwrap());
    wait_until("Prometheus listens", || TcpStream::connect(address).is_ok());
    (child, format!("https://localhost:{}", address.port()))
}

#[test]
fn a_prometheus_behind_tls_and_a_password_is_asked() {
    need!("prometheus");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    certificate(dir, "localhost", false);
    fs::write(dir.join("password"), "s3cret\n").unwrap();
    let basic = "basic_auth: { username: me, password_file: password }\n";
    for (name, text) in [
        (
            "all.yml",
            format!("{basic}tls_config: {{ ca_file: localhost.pem }}\n"),
        ),
        (
            "nobody.yml",
            "tls_config: { ca_file: localhost.pem }\n".into(),
        ),
        (
            "anybody.yml",
            format!("{basic}tls_config: {{ insecure_skip_verify: true }}\n"),
        ),
        (
            "elsewhere.yml",
            format!("{basic}tls_config: {{ ca_file: localhost.pem, server_name: other }}\n"),
        ),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
    let users = format!("basic_auth_users:\n  me: {HASHED}\n");
    let (_prometheus, url) = prometheus(dir, &users);
    let ask = |more: &[&str]| said(dir, &[&["diagnose", "--prometheus", &url], more].concat());

    let (code, _, told) = ask(&[]);
    assert_eq!(code, Some(7), "{told}");
    assert!(
        told.contains("name the signer's in a file with --http-config"),
        "{told}"
    );
    let (code, _, told) = ask(&["--http-config", "nobody.yml"]);
    assert_eq!(code, Some(7), "{told}");
    assert!(
        told.contains("answered 401") && told.contains("name a user or a token"),
        "{told}"
    );
    let (code, _, told) = ask(&["--http-config", "elsewhere.yml"]);
    assert_eq!(code, Some(7), "{told}");
    assert!(told.contains("not valid for name \"other\""), "{told}");
    // It scrapes nothing, so that nothing can be said; but it is asked.
    for option in [
        ["--http-config", "all.yml"],
        ["--http.config.file", "all.yml"],
        ["--http-config", "anybody.yml"],
    ] {
        let (code, out, told) = ask(&option);
        assert_eq!(code, Some(3), "{option:?}: {told}");
        assert!(
            out.contains(&format!("{url}/ answers; of ")),
            "{option:?}: {out}"
        );
    }
    let login = url.replace("//", "//me:s3cret@");
    let (code, out, told) = said(
        dir,
        &[
            "diagnose",
            "--prometheus",
            &login,
            "--http-config",
            "nobody.yml",
        ],
    );
    assert_eq!(code, Some(3), "{told}");
    assert!(!format!("{out}{told}").contains("s3cret"), "{out}{told}");
    // It has nothing to learn from.
    let (code, _, told) = said(
        dir,
        &["learn", "--prometheus", &url, "--http-config", "all.yml"],
    );
    assert_eq!(code, Some(2), "{told}");
    let plain = url.replace("https", "http");
    let (code, _, told) = said(dir, &["learn", "--prometheus", &plain]);
    assert!(code == Some(7) && told.contains("answered 400"), "{told}");
}

#[test]
fn a_prometheus_that_asks_for_a_certificate_is_shown_ours() {
    need!("prometheus");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    certificate(dir, "localhost", true);
    certificate(dir, "ours", false);
    fs::write(
        dir.join("all.yml"),
        "tls_config: { ca_file: localhost.pem, cert_file: ours.pem, key_file: ours.key, min_version: TLS13 }\n",
    )
    .unwrap();
    fs::write(
        dir.join("none.yml"),
        "tls_config: { ca_file: localhost.pem }\n",
    )
    .unwrap();
    let clients = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ours.pem\n";
    let (_prometheus, url) = prometheus(dir, clients);
    let ask = |file: &str| {
        said(
            dir,
            &["diagnose", "--prometheus", &url, "--http-config", file],
        )
    };
    let (code, out, told) = ask("all.yml");
    assert_eq!(code, Some(3), "{told}");
    assert!(out.contains("answers; of "), "{out}");
    let (code, _, told) = ask("none.yml");
    assert_eq!(code, Some(7), "{told}");
}
