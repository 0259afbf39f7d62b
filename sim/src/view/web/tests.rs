use super::*;
use crate::view::tests::board;
use std::io::{Read, Write};
use std::net::TcpStream;

const TOKEN: &str = "0123456789abcdef";

/// A page of a board, and what comes of what is done on it.
fn served(token: Option<&str>) -> (Web, mpsc::Receiver<Act>) {
    served_of(&board(), token)
}

fn served_of(board: &Board, token: Option<&str>) -> (Web, mpsc::Receiver<Act>) {
    let (acts, done) = mpsc::channel(2);
    let options = WebOptions {
        address: ([127, 0, 0, 1], 0).into(),
        token: token.map(|token| token.parse().unwrap()),
        causes: &[],
    };
    let web = Web::serve(&options, board, Router::new(), acts).unwrap();
    (web, done)
}

fn host(web: &Web) -> &str {
    web.url()
        .strip_prefix("http://")
        .unwrap()
        .trim_end_matches('/')
}

/// Sends lines of a request with a body, and reads what is answered until the connection ends.
fn asked(web: &Web, lines: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(host(web)).unwrap();
    let lines = lines.join("\r\n");
    let length = body.len();
    let request = format!("{lines}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn got(web: &Web, path: &str) -> String {
    let host = format!("Host: {}", host(web));
    asked(web, &[&format!("GET {path} HTTP/1.1"), &host], "")
}

/// What is answered to whoever does something.
fn acts_on(web: &Web, token: &str, body: &str) -> String {
    let host = format!("Host: {}", host(web));
    let bearer = format!("Authorization: Bearer {token}");
    let kind = "Content-Type: application/json";
    asked(web, &["POST /act HTTP/1.1", &host, &bearer, kind], body)
}

/// The status of that.
fn acted(web: &Web, token: &str, body: &str) -> String {
    let answer = acts_on(web, token, body);
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let (web, _done) = served(None);
    for (path, kind) in [
        ("/", "text/html"),
        ("/live.js", "text/javascript"),
        ("/live.css", "text/css"),
        ("/metrics", "text/plain"),
    ] {
        let answer = got(&web, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer:.200}");
        assert!(
            answer.contains(&format!("content-type: {kind}")),
            "{path}: {answer:.200}"
        );
        assert!(
            answer.contains("content-security-policy: default-src 'none'"),
            "{path}"
        );
        let from_elsewhere = answer.replace("http://www.w3.org/2000/svg", "");
        assert!(!from_elsewhere.contains("://"), "{path}");
    }
    assert!(got(&web, "/metrics").contains("\nasynq_tasks_enqueued_total{"));
    for (query, there) in [("0", true), ("7", false), ("x", false), ("", false)] {
        let answer = got(&web, &format!("/metrics?drill={query}"));
        let status = if there { "200" } else { "404" };
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
        assert_eq!(answer.contains("there is no drill"), !there, "{answer}");
    }
    assert!(got(&web, "/none").starts_with("HTTP/1.1 404"));
}

#[test]
fn snapshots_come_as_events() {
    let (web, _done) = served(None);
    let mut stream = TcpStream::connect(host(&web)).unwrap();
    write!(
        stream,
        "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n",
        host(&web)
    )
    .unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while text.matches("\ndata: {").count() < 2 {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(
        text.contains("content-type: text/event-stream"),
        "{text:.300}"
    );
    assert!(
        text.contains(r#""title":"worker-crash-all""#),
        "{text:.600}"
    );
}

#[test]
fn those_who_do_not_read_hold_up_nobody() {
    let (web, _done) = served(None);
    let streams: Vec<TcpStream> = (0..stream::STREAMS_MOST)
        .map(|_| {
            let mut stuck = TcpStream::connect(host(&web)).unwrap();
            write!(
                stuck,
                "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n",
                host(&web)
            )
            .unwrap();
            // From its first byte on it has its place; nothing more of it is read.
            stuck.read_exact(&mut [0]).unwrap();
            stuck
        })
        .collect();
    let one_more = got(&web, "/events");
    assert!(one_more.starts_with("HTTP/1.1 503"), "{one_more}");
    assert!(got(&web, "/metrics").starts_with("HTTP/1.1 200"));
    drop(streams);
}

#[test]
fn a_page_of_somebody_elses_name_is_told_nothing() {
    let (web, _done) = served(Some(TOKEN));
    for path in ["/", "/metrics", "/events"] {
        let asked = asked(
            &web,
            &[
                &format!("GET {path} HTTP/1.1"),
                "Host: rebound.example:8080",
            ],
            "",
        );
        assert!(asked.starts_with("HTTP/1.1 421"), "{asked}");
        assert!(!asked.contains("asynq_"), "{asked}");
    }
}

#[test]
fn nobody_acts_without_the_token() {
    let (web, mut done) = served(None);
    assert_eq!(acted(&web, TOKEN, r#"{"act":"abort"}"#), "403");
    drop(web);
    assert!(done.try_recv().is_err());

    let (web, mut done) = served(Some(TOKEN));
    for (token, body, status) in [
        ("0123456789abcdeg", r#"{"act":"abort"}"#, "401"),
        ("", r#"{"act":"abort"}"#, "401"),
        (TOKEN, r#"{"act":"explode"}"#, "400"),
        (TOKEN, r#"{"act":"note"}"#, "400"),
        (TOKEN, r#"{"act":"note","text":" "}"#, "400"),
        (TOKEN, "{", "400"),
    ] {
        assert_eq!(acted(&web, token, body), status, "{body}");
    }
    let long = format!(r#"{{"act":"note","text":"{}"}}"#, "x".repeat(501));
    assert_eq!(acted(&web, TOKEN, &long), "400");
    let huge = format!(r#"{{"act":"note","text":"{}"}}"#, "x".repeat(5_000));
    assert_eq!(acted(&web, TOKEN, &huge), "413");
    assert!(done.try_recv().is_err());

    assert_eq!(acted(&web, TOKEN, r#"{"act":"ack"}"#), "202");
    assert_eq!(
        acted(&web, TOKEN, r#"{"act":"cause","text":"Redis?"}"#),
        "202"
    );
    assert_eq!(
        acted(&web, TOKEN, r#"{"act":"abort"}"#),
        "503",
        "two wait already"
    );
    assert_eq!(done.try_recv(), Ok(Act::Ack));
    let cause = done.try_recv().unwrap();
    assert_eq!(cause.as_note(), "suspected cause: Redis?");
    drop(done);
    assert_eq!(acted(&web, TOKEN, r#"{"act":"ack"}"#), "410");
}

#[test]
fn a_runbook_is_given_out_as_values_and_its_entries_are_ticked_by_those_who_may() {
    let (web, mut done) = served(Some(TOKEN));
    assert!(got(&web, "/runbook").starts_with("HTTP/1.1 404"));
    let tick = |entry: usize| format!(r#"{{"act":"done","entry":{entry}}}"#);
    let answer = acts_on(&web, TOKEN, &tick(1));
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("no checklist here"),
        "{answer}"
    );
    drop(web);
    assert!(done.try_recv().is_err());

    let board = board();
    board.tell(0, |view| view.lies(crate::view::tests::desk()));
    let (web, _done) = served_of(&board, None);
    assert_eq!(acted(&web, TOKEN, &tick(1)), "403");
    let (web, mut done) = served_of(&board, Some(TOKEN));
    let answer = got(&web, "/runbook");
    assert!(
        answer.contains("content-type: application/json"),
        "{answer}"
    );
    assert!(answer.contains(r#""text":"<b>""#), "{answer}");
    for (token, entry, status) in [
        ("0123456789abcdeg", 1, "401"),
        (TOKEN, 0, "400"),
        (TOKEN, 3, "400"),
        (TOKEN, 2, "202"),
    ] {
        assert_eq!(acted(&web, token, &tick(entry)), status, "{entry}");
    }
    assert_eq!(done.try_recv().unwrap().as_typed(), "done 2");
    let next = r#"{"act":"escalate","text":"the one on call"}"#;
    assert_eq!(acted(&web, TOKEN, next), "202");
    let next = done.try_recv().unwrap();
    assert_eq!(next.as_typed(), "escalate the one on call");
    assert!(done.try_recv().is_err());
}

#[test]
fn others_than_this_machine_need_the_token_to_look() {
    let (acts, _done) = mpsc::channel(1);
    let options = |token: Option<&str>| WebOptions {
        address: ([0, 0, 0, 0], 0).into(),
        token: token.map(|token| token.parse().unwrap()),
        causes: &[],
    };
    let open = Web::serve(&options(None), &board(), Router::new(), acts);
    assert!(matches!(open, Err(WebError::Open(_))), "{open:?}");
    // Nothing but the refusal is tried beyond loopback; the guard is the same.
    let guard = Guard::new(([192, 0, 2, 1], 80).into(), options(Some(TOKEN)).token);
    let request = |path: &str, token: Option<&str>| {
        let mut request = Request::get(path).header("host", "any.example");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(axum::body::Body::empty()).unwrap()
    };
    assert!(guard.refused(&request("/", None)).is_none());
    for path in ["/metrics", "/events", "/runbook", "/api/v1/alerts", "/act"] {
        let refused = guard.refused(&request(path, None)).unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(
            guard.refused(&request(path, Some(TOKEN))).is_none(),
            "{path}"
        );
    }
}

#[test]
fn the_port_is_free_when_the_page_is_gone() {
    let (web, _done) = served(None);
    let address = host(&web).to_owned();
    let again = Web::serve(
        &WebOptions {
            address: address.parse().unwrap(),
            token: None,
            causes: &[],
        },
        &board(),
        Router::new(),
        mpsc::channel(1).0,
    );
    let error = again.unwrap_err().to_string();
    assert!(
        error.contains(&address) && error.contains("--http="),
        "{error}"
    );
    drop(web);
    TcpListener::bind(address).unwrap();
}

#[test]
fn tokens_are_long_and_never_printed() {
    for bad in ["", "short", "0123456789abcde ", "0123456789abcdé"] {
        assert!(bad.parse::<Token>().is_err(), "{bad}");
    }
    let token: Token = TOKEN.parse().unwrap();
    assert!(!format!("{token:?}").contains("0123"));
    assert!(token.is(TOKEN) && !token.is(&TOKEN[1..]) && !token.is(""));
}

#[test]
fn a_cause_is_one_of_those_that_may_be_named_or_they_are_told() {
    let (acts, mut done) = mpsc::channel(2);
    let options = WebOptions {
        address: ([127, 0, 0, 1], 0).into(),
        token: Some(TOKEN.parse().unwrap()),
        causes: &["deadlock", "slow-jobs"],
    };
    let web = Web::serve(&options, &board(), Router::new(), acts).unwrap();
    let nonsense = r#"{"act":"cause","text":"gremlins"}"#;
    let answer = acts_on(&web, TOKEN, nonsense);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("one of deadlock, slow-jobs"), "{answer}");
    assert!(done.try_recv().is_err());
    let known = r#"{"act":"cause","text":" deadlock "}"#;
    assert_eq!(acted(&web, TOKEN, known), "202");
    assert_eq!(done.try_recv().unwrap().as_typed(), "cause deadlock");
}
