//! Certificates, and servers that have one.

use super::nodes::{Node, free_port};
use std::path::PathBuf;
use tempfile::TempDir;

/// A certificate of its own authority for 127.0.0.1 and `redis.test`: paths of authority, certificate and key.
pub(super) struct Certificates {
    dir: TempDir,
}

impl Certificates {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut of_authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        of_authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        of_authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "authority of a test");
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let authority = of_authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(of_authority, authority_key);
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca.pem", authority.pem());
        for (file, name) in [("ip", "127.0.0.1"), ("name", "redis.test")] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut of_server = rcgen::CertificateParams::new(vec![name.into()]).unwrap();
            of_server
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            let certificate = of_server.signed_by(&key, &issuer).unwrap();
            write(&format!("{file}.pem"), certificate.pem());
            write(&format!("{file}.key"), key.serialize_pem());
        }
        Self { dir }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A server that speaks TLS on a port of its own, beside its plain one. The certificate is for `file`; `clients` says
    /// whether ours is asked for.
    pub(super) fn server(&self, file: &str, clients: &str, more: &[&str]) -> (Node, u16) {
        let port = free_port();
        let path = |name: String| self.path(&name).display().to_string();
        let node = Node::start(
            &[
                &[
                    "--tls-port",
                    &port.to_string(),
                    "--tls-ca-cert-file",
                    &path("ca.pem".into()),
                    "--tls-cert-file",
                    &path(format!("{file}.pem")),
                    "--tls-key-file",
                    &path(format!("{file}.key")),
                    "--tls-auth-clients",
                    clients,
                ][..],
                more,
            ]
            .concat(),
        );
        (node, port)
    }
}
