//! One server behind each kind of address, and what people are told when it is the wrong one.

use super::certificates::Certificates;
use super::nodes::{Node, free_port};
use super::{connect, enqueue, runtime};
use crate::support::need;
use crate::wait::until;
use firedrill_asynq::op::Reply;
use std::time::Duration;

/// Connects and works.
fn works(address: &str) {
    let runtime = runtime();
    let broker = connect(&runtime, address).unwrap_or_else(|text| panic!("{text}"));
    let answer = enqueue(&runtime, &broker, address);
    assert_eq!(
        answer,
        Ok(Reply::Enqueued(firedrill_asynq::op::Accepted::New))
    );
}

/// Does not connect, and says why.
fn says(address: &str, words: &str) {
    let Err(text) = connect(&runtime(), address) else {
        panic!("{address} connects");
    };
    assert!(text.contains(words), "{address}: {text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_unix_socket() {
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("r.sock");
    let socket = socket.display();
    let _node = Node::start(&["--unixsocket", &socket.to_string()]);
    works(&format!("unix://{socket}"));
    works(&format!("unix://{socket}?db=3"));
    says(&format!("unix://{socket}?db=99"), "has no database 99");
    says(&format!("unix://{socket}.gone"), "there is no such socket");
}

#[test]
fn databases_users_and_hosts() {
    need!("redis-server");
    let node = Node::start(&[]);
    redis::cmd("ACL")
        .arg(&["SETUSER", "ann", "on", ">hunter2", "~asynq:*", "&asynq:*"])
        .arg("+@all")
        .exec(&mut node.connection())
        .unwrap();
    let port = node.port;
    works(&format!("127.0.0.1:{port}"));
    works(&format!("redis://127.0.0.1:{port}/5"));
    works(&format!("redis://ann:hunter2@127.0.0.1:{port}"));
    says(
        &format!("redis://127.0.0.1:{port}/99"),
        "has no database 99",
    );
    says(
        &format!("redis://bob:hunter2@127.0.0.1:{port}"),
        "refuses this user or password",
    );
    says(
        &format!("redis://127.0.0.1:{}", free_port()),
        "nobody listens there",
    );
    says("redis://no-such-host.invalid:1", "no such host is known");
    says("redis://:hunter2@127.0.0.1:0", "is not a port");
}

#[test]
fn a_password_is_asked_for() {
    need!("redis-server");
    let node = Node::start(&[]);
    let mut connection = node.connection();
    redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "hunter2"])
        .exec(&mut connection)
        .unwrap();
    let port = node.port;
    says(&format!("redis://127.0.0.1:{port}"), "asks for a password");
    says(
        &format!("redis://:wrong@127.0.0.1:{port}"),
        "refuses this user or password",
    );
    works(&format!("redis://:hunter2@127.0.0.1:{port}"));
}

#[test]
fn tls_believes_whom_it_is_told_to() {
    need!("redis-server");
    let certificates = Certificates::new();
    let others = Certificates::new();
    let (node, port) = certificates.server("ip", "no", &[]);
    let ca = certificates.path("ca.pem");
    let ca = ca.display();
    let at = format!("127.0.0.1:{port}");
    works(&format!("rediss://{at}?cacert={ca}"));
    works(&format!("rediss://{at}/2?insecure=true"));
    works(&format!("rediss://{at}#insecure"));
    says(
        &format!("rediss://{at}"),
        "signed by nobody this machine believes",
    );
    let wrong = others.path("ca.pem");
    says(
        &format!("rediss://:hunter2@{at}?cacert={}", wrong.display()),
        "signed by nobody this machine believes",
    );
    says(
        &format!("rediss://{at}?cacert={ca}.gone"),
        "cannot read cacert=",
    );
    says(
        &format!("rediss://{at}?cacert={ca}&sni=redis.test"),
        "its certificate is for another name",
    );
    says(&format!("redis://{at}"), "write rediss instead of redis");
    says(
        &format!("rediss://127.0.0.1:{}?cacert={ca}", node.port),
        "write redis instead of rediss",
    );
}

#[test]
fn tls_by_name_and_with_a_certificate_of_ours() {
    need!("redis-server");
    let certificates = Certificates::new();
    let path = |file: &str| certificates.path(file).display().to_string();
    let (_node, port) = certificates.server("name", "yes", &[]);
    let with = format!(
        "rediss://127.0.0.1:{port}?cacert={}&cert={}&key={}",
        path("ca.pem"),
        path("ip.pem"),
        path("ip.key")
    );
    works(&format!("{with}&sni=redis.test"));
    says(&with, "its certificate is for another name");
    says(
        &format!(
            "rediss://127.0.0.1:{port}?cacert={}&sni=redis.test",
            path("ca.pem")
        ),
        "asks for a certificate of ours",
    );
}

#[test]
fn tls_to_a_cluster() {
    need!("redis-server");
    let certificates = Certificates::new();
    let (node, port) = certificates.server(
        "ip",
        "no",
        &["--cluster-enabled", "yes", "--tls-cluster", "yes"],
    );
    redis::cmd("CLUSTER")
        .arg(&["ADDSLOTSRANGE", "0", "16383"])
        .exec(&mut node.connection())
        .unwrap();
    until("the cluster is whole", Duration::from_secs(10), || {
        let mut connection = node.connection();
        let info: String = redis::cmd("CLUSTER")
            .arg("INFO")
            .query(&mut connection)
            .unwrap();
        info.contains("cluster_state:ok")
    });
    let ca = certificates.path("ca.pem");
    let at = format!("rediss-cluster://127.0.0.1:{port}");
    works(&format!("{at}?cacert={}", ca.display()));
    says(&at, "signed by nobody this machine believes");
    says(
        &format!("redis-cluster://127.0.0.1:{port}"),
        "write rediss instead of redis",
    );
}
