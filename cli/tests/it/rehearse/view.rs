//! What a room sees: on a page in a real browser, and on a terminal of the usual size. Who may tick, and what letters do.

use super::{KILLED, Rehearsed, record, scenario, written};
use crate::browser::Browser;
use crate::live_view::{TOO_WIDE, got, on_a_terminal_of, posted, snapshot};
use crate::support::{need, project, wait_until};
use firedrill_reports::record::{Action, Deed};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const TOKEN: &str = "a-token-for-a-room";

const RULES: &str = r#"
# firedrill: cause worker-crashed expects WorkerDown
groups:
- name: jobs
  rules:
  - alert: WorkerDown
    expr: sum(up{job="worker"}) == 0
    for: 10s
    labels: { severity: page }
    annotations:
      summary: "{{ $value }} workers answer, so nobody works on the queues"
      runbook_url: https://wiki.example/runbooks/workers
"#;

/// A runbook with all that pages are made of, and what a browser would obey.
const RUNBOOK: &str = "\
# Runbook: workers

Who is on call does this. *All* of it is in [the wiki](https://wiki.example/workers),
and nothing [here](javascript:document.title='mine').

## Checklist

- [ ] **Acknowledge** the alert
- [ ] Tell the team

## WorkerDown

1. Look who is there:

   ```bash
   docker ps --all --filter label=com.example.component=worker --format 'table {{.Names}} {{.Status}} {{.RunningFor}}'
   ```

2. Restart them, `w-0` first.

| State | What it means, and what to do about it |
| --- | --- |
| `T` | stopped: `kill -CONT` lets it go on |
| `Z` | gone, and nobody has asked after it |

> Ask before you delete anything.

## RedisDown

1. `redis-cli PING` says whether it answers.
2. Start it, and look whether the workers are back: they come by themselves.

## Afterwards

- Write down what was done, and when.
- Look whether the alert came soon enough.

---

<script>document.title='mine'</script>
<img src=x onerror=\"document.title='mine'\">

![a picture](https://elsewhere.example/p.png)
";

/// A directory with a scenario, rules and a runbook.
fn stand() -> TempDir {
    let dir = written(&scenario(KILLED), RULES);
    fs::write(dir.path().join("book.md"), RUNBOOK).unwrap();
    dir
}

/// Whether the pictures in the book are to be made anew.
fn shots() -> bool {
    std::env::var_os("UPDATE_SHOTS").is_some()
}

/// What people did, by the record.
fn deeds(run: &Path, what: Deed) -> Vec<(String, String)> {
    let record = record(run);
    let of = |action: &&Action| action.what == what;
    let deeds = record.actions().filter(of);
    deeds
        .map(|action| (action.subject.clone(), action.text.clone()))
        .collect()
}

#[test]
fn a_browser_shows_the_page_the_clock_and_the_runbook_and_ticks_for_those_who_may() {
    need!("redis-server");
    need!("chromium");
    // The book has it in real time.
    let speed = if shots() { "1" } else { "2" };
    let args = ["--speed", speed, "--group-wait", "5s", "--http=0"];
    let token = ("FIREDRILL_HTTP_TOKEN", TOKEN.to_owned());
    let mut room = Rehearsed::begin_as(stand(), &args, Some(token));
    let told = room.hears("live view: ");
    let address: SocketAddr = told
        .split_once("http://")
        .and_then(|(_, place)| place.trim_end_matches('/').parse().ok())
        .unwrap();
    let mut browser = Browser::start(&room.dir.path().join("profile"));
    browser.is_seen(1280, "light");
    browser.open(&format!("http://{address}/"));
    wait_until("the checklist is shown", || {
        browser.value("document.querySelectorAll('#checklist input').length") == 2
    });
    let shows = |browser: &mut Browser, what: &str, expression: &str| {
        wait_until(what, || browser.value(expression) == json!(true));
    };
    let text = |id: &str| format!("document.getElementById('{id}').textContent");
    shows(
        &mut browser,
        "its text is",
        &format!("{}.includes('Ask before you delete')", text("says")),
    );
    assert_eq!(
        browser.value("document.getElementById('no-page').hidden"),
        json!(false)
    );
    room.hears("PAGE: WorkerDown");
    shows(
        &mut browser,
        "the page is",
        &format!(
            "{}.includes('0 workers answer, so nobody works on the queues')",
            text("pages")
        ),
    );
    let page = browser.value(&text("pages"));
    for told in [
        "WorkerDown",
        "severity page",
        "told by firedrill",
        "https://wiki.example/runbooks/workers",
        "book.md:11 \"WorkerDown\"",
    ] {
        assert!(page.as_str().unwrap().contains(told), "{told}: {page}");
    }
    shows(
        &mut browser,
        "the clock goes",
        &format!("{}.includes('First responsedue in 29:')", text("hands")),
    );
    let clock = browser.value(&text("hands"));
    for told in [
        "Since the page0:",
        "Acknowledgedopen",
        "First responsedue in 29:",
        "Escalationdue in 59:",
    ] {
        assert!(clock.as_str().unwrap().contains(told), "{told}: {clock}");
    }

    // Nothing in a runbook is obeyed, and what leads elsewhere is one link.
    assert_eq!(browser.value("document.title"), "quiet-monday – firedrill");
    assert_eq!(
        browser
            .value("document.querySelectorAll('#says script, #says img, #says [onerror]').length"),
        0
    );
    let links = browser.value("[...document.querySelectorAll('#says a')].map((a) => a.href)");
    assert_eq!(links, json!(["https://wiki.example/workers"]));
    let made = "['h3', 'h4', 'pre code', 'ol', 'table th', 'blockquote', 'em', 'strong'].filter((of) => !document.querySelector('#says ' + of))";
    assert_eq!(browser.value(made), json!([]));
    // Its section about the page is a click away.
    browser.value(
        "document.getElementById('whole').open = false; document.querySelector('.lead').click()",
    );
    assert_eq!(
        browser.value("document.activeElement.textContent"),
        "WorkerDown"
    );
    for width in [360, 768, 1280] {
        for scheme in ["light", "dark"] {
            browser.is_seen(width, scheme);
            assert_eq!(browser.value(TOO_WIDE), json!([]), "{width}, {scheme}");
        }
    }
    let unnamed = "[...document.querySelectorAll('input, select, button, svg, th')].filter((e) => \
        !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label') || e.scope)).length";
    assert_eq!(browser.value(unnamed), 0);

    // Without the token nobody ticks, neither here nor beside the page.
    assert_eq!(
        browser.value(
            "[...document.querySelectorAll('#checklist input')].every((box) => box.disabled)"
        ),
        json!(true)
    );
    let tick = json!({ "act": "done", "entry": 2 });
    for token in [None, Some("a-token-of-another")] {
        let refused = posted(address, token, &tick);
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
    let beyond = posted(address, Some(TOKEN), &json!({ "act": "done", "entry": 3 }));
    assert!(
        beyond.contains("the checklist has entries 1 to 2"),
        "{beyond}"
    );
    // Another hash is no other page.
    browser.open("about:blank");
    browser.is_seen(1280, "light");
    browser.open(&format!("http://{address}/#token={TOKEN}"));
    shows(
        &mut browser,
        "the boxes can be ticked",
        "document.querySelectorAll('#checklist input:enabled').length === 2",
    );
    browser.value("document.querySelector('#checklist input').click()");
    shows(
        &mut browser,
        "it is ticked",
        "document.querySelectorAll('#checklist input:disabled:checked').length === 1",
    );
    room.hears("done: 1: Acknowledge the alert");
    shows(
        &mut browser,
        "it is counted, and ticked in the text",
        &format!(
            "{}.includes('1 of 2 done') && document.querySelectorAll('#says .ticked').length === 1",
            text("checklist")
        ),
    );
    shows(
        &mut browser,
        "that was a response",
        &format!("/First responseafter 0:/.test({})", text("hands")),
    );
    if shots() {
        let all = ["ack", "note no process answers", "cause worker-crashed"];
        all.iter().for_each(|word| room.says(word));
        wait_until("it is on the page", || {
            snapshot(address)["notes"].to_string().contains("suspected")
        });
        // The page has it a second later.
        std::thread::sleep(Duration::from_secs(2));
        let to = |name: &str| project(&format!("docs/live-view/{name}.png"));
        browser.shot(&to("rehearsal"), 1440, 940);
        browser.shot(&to("rehearsal-telephone"), 390, 1000);
    }
    browser.value("document.getElementById('text').value = 'the one on call'; document.getElementById('escalate').click()");
    room.hears("escalated: the one on call");
    let shown = snapshot(address);
    assert_eq!(
        shown["room"]["checklist"][1]["done_at"],
        Value::Null,
        "{shown:#}"
    );
    assert!(got(address, "/runbook").contains("Ask before you delete anything."));
    room.says("abort");
    let complaints = std::mem::take(&mut browser.complaints);
    let own = complaints.iter().filter(|said| !said.contains("net::ERR_"));
    assert_eq!(own.collect::<Vec<_>>(), Vec::<&String>::new());
    let (code, text, run, _dir) = room.ends();
    assert_eq!(code, Some(5), "{text}");
    let ticked = [("1".to_owned(), "Acknowledge the alert".to_owned())];
    assert_eq!(deeds(&run, Deed::Ticked), ticked);
    assert_eq!(deeds(&run, Deed::Escalated)[0].0, "the one on call");
}

/// What stands on a terminal to which all this was written.
fn screen(written: &str, (rows, columns): (usize, usize)) -> String {
    let mut cells = vec![vec![' '; columns]; rows];
    let (mut row, mut column) = (0, 0);
    let mut letters = written.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' if letters.next_if_eq(&'[').is_some() => {
                let mut given = String::new();
                let what = loop {
                    match letters.next() {
                        Some(of @ ('0'..='9' | ';' | '?')) => given.push(of),
                        of => break of,
                    }
                };
                match what {
                    Some('H') => {
                        let mut place = given.split(';').map(|of| of.parse().unwrap_or(1_usize));
                        row = place.next().unwrap_or(1) - 1;
                        column = place.next().unwrap_or(1) - 1;
                    }
                    Some('J') => cells.iter_mut().for_each(|row| row.fill(' ')),
                    Some('h') if given == "?1049" => {
                        cells.iter_mut().for_each(|row| row.fill(' '));
                    }
                    _ => {}
                }
            }
            '\r' => column = 0,
            '\n' => row += 1,
            letter => {
                if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                    *cell = letter;
                }
                column += 1;
            }
        }
    }
    let rows = cells
        .into_iter()
        .map(|row| row.into_iter().collect::<String>());
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_terminal_takes_lines_and_keys_and_takes_neither_for_the_other() {
    need!("redis-server");
    need!("script");
    let dir = stand();
    let words = "rehearse quiet-monday.yaml --rules r.yml --runbook book.md --speed 4 --tui";
    let (mut room, shows) = on_a_terminal_of(dir.path(), words, (24, 80));
    let mut types = |keys: &str| {
        let stdin = room.0.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
    };
    let seen = |text: &str| wait_until(text, || screen(&shows(), (24, 80)).contains(text));
    seen("1-9 tick an entry");
    seen("Nobody was paged yet.");
    // A word without its sign says nothing, and stops nothing.
    types("quiet");
    seen("`t` is no key here");
    types(":quiet\r");
    seen("no word `quiet`");
    types(":note quiet queue\r");
    seen("note: quiet queue");
    types("2\r");
    seen("done: 2: Tell the team");
    types("2\r");
    seen("entry 2 is done already");
    types("r");
    seen("Who is on call does this.");
    types("G");
    seen("Look whether the alert came soon enough.");
    types("\u{1b}");
    seen("1-9 tick an entry");
    types("q");
    seen("Stop all of it and heal?");
    types("n");
    types(":note it goes on\r");
    seen("note: it goes on");
    types("qy");
    let ended = room.0.wait().unwrap();
    assert_eq!(ended.code(), Some(5), "{}", shows());
    let run = dir.path().join("runs/rehearsals/latest");
    let noted = deeds(&run, Deed::Noted);
    let noted: Vec<&str> = noted.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(noted, ["quiet queue", "it goes on"]);
    assert_eq!(deeds(&run, Deed::Ticked)[0].0, "2");
    assert_eq!(deeds(&run, Deed::Stopped)[0].1, "`abort` was typed");
}
