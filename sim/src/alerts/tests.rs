//! Sources that are none, that are hostile, or that go away, on real sockets.

use super::*;
use crate::http::{self, page_of};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use firedrill_asynq::clock::Time;
use firedrill_detector::{Compat, RuleFile};
use firedrill_reports::record::{Hearing, Told, ToldState};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: &str = "application/json";
const NO_ALERTS: &str = r#"{"status":"success","data":{"groups":[]}}"#;

fn rules() -> RuleSet {
    let text = "groups:\n- name: g\n  rules:\n  - { alert: Down, expr: up == 0 }\n";
    let file = RuleFile {
        name: "r.yml".into(),
        text: text.into(),
    };
    RuleSet::load(&[file], Compat::V3).unwrap()
}

/// A server that answers so, one answer after the other; the last goes on.
async fn server(path: &'static str, answers: Vec<String>) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let turn = Arc::new(AtomicUsize::new(0));
    let answer = move || {
        let turn = turn.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        std::future::ready(Some(answers[turn].clone()))
    };
    tokio::spawn(http::serve(listener, page_of(path, JSON, answer)));
    format!("http://{address}").parse().unwrap()
}

async fn opened(asked: Asked) -> Result<Sources, SourceError> {
    Sources::open(&asked, &rules()).await
}

fn prometheus(url: Url) -> Asked {
    Asked {
        prometheus: Some(url),
        ..Asked::default()
    }
}

const RULES: &str = "/api/v1/rules";

/// A clock by which the drill begins now.
fn clock() -> ClockOrigin {
    ClockOrigin::start(Time::from_millis(1_800_000_000_000), 1.0)
}

/// What was told until so many words had come, and how well the only source was heard.
async fn told(sources: &Sources, words: usize) -> (Vec<Told>, Hearing) {
    let nowhere = Path::new("/nonexistent/targets.json");
    let mut listening = sources.listen(clock(), nowhere).unwrap();
    let mut told = Vec::new();
    while told.len() < words {
        if let Said::Heard(Heard::Told(word)) = listening.next().await.unwrap() {
            told.push(word);
        }
    }
    let listener = listening.listeners[0].clone();
    listening.tasks.iter().for_each(JoinHandle::abort);
    (told, listener.finished(listener.now_ms()))
}

#[tokio::test]
async fn who_answers_otherwise_is_no_source() {
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(33 << 20));
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "<html>",
        "{}",
        "[]",
        "{\"data\":{\"groups\":[{\"name\":3}]}}",
        &deep,
    ] {
        let url = server(RULES, vec![body.to_owned()]).await;
        let error = opened(prometheus(url)).await.unwrap_err();
        assert!(matches!(error, SourceError::Foreign { .. }), "{error}");
        let told = error.to_string();
        assert!(
            told.starts_with("--prometheus: http://127.0.0.1:"),
            "{told}"
        );
        assert!(told.len() < 1_000, "{told}");
    }
    let error = opened(prometheus(server(RULES, vec![large]).await)).await;
    assert!(
        matches!(
            error,
            Err(SourceError::Get {
                error: GetError::Broken { .. },
                ..
            })
        ),
        "{error:?}"
    );
    let refused = r#"{"status":"error","error":"no such thing"}"#;
    let error = opened(prometheus(server(RULES, vec![refused.to_owned()]).await)).await;
    assert!(error.unwrap_err().to_string().contains("no such thing"));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let no = get(|| async { StatusCode::UNAUTHORIZED });
    let pages = Router::new().route("/api/v2/alerts", no);
    tokio::spawn(http::serve(listener, pages));
    let asked = Asked {
        alertmanager: Some(format!("http://{address}").parse().unwrap()),
        ..Asked::default()
    };
    let error = opened(asked).await.unwrap_err().to_string();
    assert!(
        error.contains("401") && error.contains("--http-config"),
        "{error}"
    );
}

#[tokio::test]
async fn a_source_that_stops_making_sense_was_away() {
    let firing = r#"{"data":{"groups":[{"name":"g","interval":1,"rules":[{"name":"Down","query":"up == 0",
        "health":"err","lastError":"many-to-many","alerts":[{"labels":{"job":"a"},"state":"firing","activeAt":"x"}]}]}]}}"#;
    let answers = [NO_ALERTS, firing, "<html>"].map(str::to_owned);
    let sources = opened(prometheus(server(RULES, answers.into()).await))
        .await
        .unwrap();
    let (told, hearing) = told(&sources, 1).await;
    assert_eq!(
        (told[0].alert(), told[0].state),
        ("Down", ToldState::Firing)
    );
    // Nonsense for a time is none.
    assert_eq!((told[0].active_ms, told[0].since_ms), (None, None));
    assert_eq!(hearing.doubts, ["its rule Down fails: many-to-many"]);
    assert_eq!(hearing.away, []);
    let (least_ms, most_ms) = hearing.ahead_ms.unwrap();
    assert!(least_ms <= 0 && 0 <= most_ms, "it is this machine's clock");

    let nowhere = Path::new("/nonexistent/targets.json");
    let mut listening = sources.listen(clock(), nowhere).unwrap();
    assert!(matches!(
        listening.next().await,
        Some(Said::Heard(Heard::Began(_)))
    ));
    let listener = listening.listeners[0].clone();
    listener.failed("127.0.0.1:1 cannot be reached");
    let hearing = listener.finished(listener.now_ms() + 10_000);
    assert_eq!(hearing.away.len(), 1, "{hearing:?}");
    assert!(hearing.away[0].until_ms - hearing.away[0].from_ms >= 10_000);
}

#[tokio::test]
async fn an_alertmanager_says_what_it_keeps_back() {
    let alert = |state: &str| {
        format!(
            r#"[{{"labels":{{"alertname":"Down"}},"startsAt":"2020-01-01T00:00:00Z","receivers":[{{"name":"phone"}}],
              "status":{{"state":"{state}","silencedBy":["s1"],"inhibitedBy":[]}}}}]"#
        )
    };
    let answers = ["unprocessed", "unprocessed", "suppressed", "active", "?"];
    let mut answers: Vec<String> = answers.map(alert).into();
    answers.push("[]".to_owned());
    let url = server("/api/v2/alerts", answers).await;
    let asked = Asked {
        alertmanager: Some(url),
        ..Asked::default()
    };
    let (told, hearing) = told(&opened(asked).await.unwrap(), 3).await;
    let states: Vec<ToldState> = told.iter().map(|told| told.state).collect();
    use ToldState::{Firing, Inactive, KeptBack};
    assert_eq!(states, [KeptBack, Firing, Inactive]);
    assert_eq!(told[0].kept_back, ["silenced by s1"]);
    assert_eq!(told[1].receivers, ["phone"]);
    // Older than any record goes.
    assert_eq!(told[1].since_ms, Some(-86_400_000));
    assert_eq!(hearing.doubts, ["it has alerts in the state `?`"]);
}

/// The status that a request gets.
async fn posted(address: &str, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Who is refused before the end hears of it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_is_posted_is_taken_or_told() {
    let asked = Asked {
        webhook: Some(([127, 0, 0, 1], 0).into()),
        ..Asked::default()
    };
    let sources = opened(asked).await.unwrap();
    let line = sources.told().remove(0);
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let nowhere = Path::new("/nonexistent/targets.json");
    let listening = sources.listen(clock(), nowhere).unwrap();
    let listener = listening.listeners[0].clone();
    assert_eq!(posted(&address, "GET /", b"").await, "405");
    assert_eq!(
        listener.finished(0),
        Hearing {
            source: "webhook".into(),
            ..Hearing::default()
        }
    );

    assert_eq!(posted(&address, "POST /any/path", b"{").await, "400");
    let huge = vec![b' '; (4 << 20) + 1];
    assert_eq!(posted(&address, "POST /", &huge).await, "413");
    let good = br#"{"version":"4","receiver":"r","alerts":[
        {"status":"firing","labels":{"alertname":"Down"},"startsAt":"2020-01-01T00:00:00Z"},
        {"status":"firing","labels":{"alertname":"Theirs"},"startsAt":"2020-01-01T00:00:00Z"}]}"#;
    assert_eq!(posted(&address, "POST /", good).await, "202");
    assert_eq!(posted(&address, "POST /", good).await, "202");
    let left = listening.finish(listener.now_ms());
    let told = left.iter().filter(|heard| matches!(heard, Heard::Told(_)));
    assert_eq!(told.count(), 1, "{left:?}");
    let Some(Heard::Ended(hearing)) = left.last() else {
        panic!("{left:?}")
    };
    assert_eq!((hearing.heard, hearing.doubts.len()), (2, 2), "{hearing:?}");
    assert_eq!(hearing.foreign, ["Theirs"]);
    assert_eq!(hearing.away, [], "who speaks by himself may be silent");
    // The port is ours alone.
    let asked = Asked {
        webhook: Some(address.parse().unwrap()),
        ..Asked::default()
    };
    assert!(matches!(opened(asked).await, Err(SourceError::Port { .. })));
}
