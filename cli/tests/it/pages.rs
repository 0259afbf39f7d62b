//! Pages as a browser shows them: whole at every width and on paper, to be read without a mouse and without colours, and silent.

use crate::fidelity::fidelity;
use crate::support::{need, said};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A telephone, a tablet, a desk, the same at night, and A4 between its margins: width, and the medium that is asked for.
const VIEWS: [(u32, &str); 5] = [
    (360, "screen"),
    (768, "screen"),
    (1280, "screen"),
    (1280, "(prefers-color-scheme: dark)"),
    (703, "print"),
];

/// Measures a page in a frame for each view, and writes what it found as the document's text.
const MEASURE: &str = include_str!("pages/measure.html");

/// What a real browser says of a page, view by view.
fn shown(dir: &Path, page: &str) -> Vec<Value> {
    let frames: Vec<Value> = VIEWS
        .iter()
        .map(|(width, medium)| {
            // A frame is a screen: what is for paper is as if for all, and what is for screens as if for none.
            let page = match *medium {
                "print" => page
                    .replace("@media screen and", "@media speech and")
                    .replace("break-before: page", "break-before: column"),
                _ => page.to_owned(),
            };
            let page = page.replace(&format!("@media {medium}"), "@media all");
            json!({ "width": width, "print": *medium == "print", "page": page })
        })
        .collect();
    // A script's text ends with the first such tag in it.
    let frames = Value::from(frames).to_string().replace("</", "<\\/");
    let harness = dir.join("measure.html");
    fs::write(&harness, MEASURE.replace("FRAMES", &frames)).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--enable-logging=stderr", "--window-size=1400,900"])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg(format!("file://{}", harness.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("CONSOLE"), "{told}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let found = dom.split("<pre id=\"found\">").nth(1);
    let found = found.and_then(|rest| rest.split("</pre>").next());
    let found = found.unwrap_or_else(|| panic!("{told}\n{dom:.2000}"));
    let found = found
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}"))
}

/// Holds a page against what every page must be; answers of how many elements it is made.
#[track_caller]
fn is_a_good_page(dir: &Path, path: &Path) -> u64 {
    let page = fs::read_to_string(path).unwrap();
    assert!(!page.contains("://"), "it needs something from elsewhere");
    // Of two attributes of one name browsers know the first.
    let tags = page.split('<').filter_map(|tag| tag.split('>').next());
    for tag in tags {
        assert!(tag.matches(" class=\"").count() < 2, "{tag}");
    }
    let found = shown(dir, &page);
    assert_eq!(found.len(), VIEWS.len());
    let nodes = found[0]["nodes"].as_u64().unwrap();
    for ((width, medium), found) in VIEWS.iter().zip(found) {
        let what = format!("{} at {width}, {medium}: {found:#}", path.display());
        assert_eq!(found["overflowing"], json!([]), "{what}");
        assert_eq!(found["dead_links"], json!([]), "{what}");
        assert_eq!(found["unreachable"], json!([]), "{what}");
        assert_eq!(found["without_text"], json!([]), "{what}");
        assert_eq!(found["faint"], json!([]), "{what}");
        assert_eq!(found["titles"], 1, "{what}");
        assert!(found["charts"].as_u64() > Some(0), "{what}");
        assert_eq!(found["small_letters"], json!([]), "{what}");
        assert_eq!(found["scrolled"], 0, "{what}");
        assert_eq!(found["empty_cards"], json!([]), "{what}");
        if *medium == "print" {
            assert_eq!(found["parted"], json!([]), "{what}");
        }
    }
    nodes
}

#[test]
fn a_browser_shows_all_of_a_report_at_every_width_and_on_paper() {
    need!("chromium");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = [
        "run",
        "--engine",
        "virtual",
        "--rules",
        "runbook",
        "--no-gate",
        "--quiet",
    ];
    let names = ["worker-crash-all", "benign-night-zero-traffic"];
    let (code, _, err) = said(dir, &[&run[..], &names].concat());
    assert_eq!(code, Some(0), "{err}");
    let report = dir.join("runs/sets/latest/report.html");
    let nodes = is_a_good_page(dir, &report);
    let page = fs::read_to_string(report).unwrap();
    assert!(page.len() < names.len() * DRILL_BYTES_MAX, "{}", page.len());
    assert!(nodes < names.len() as u64 * DRILL_NODES_MAX, "{nodes}");
    // The alert that is to see it and does not is told of, with its rule and its values.
    assert!(page.contains("1 missed"), "{page:.3000}");
    assert!(page.contains("Why JobProcessingStalled was not there in time"));
    assert!(page.contains("firedrill run --engine virtual --seed"));
}

/// A report of 32 drills is below 5 MB, and of no more elements than a browser lays out at once.
const DRILL_BYTES_MAX: usize = 5_000_000 / 32;
const DRILL_NODES_MAX: u64 = 48_000 / 32;

#[test]
fn a_browser_shows_all_of_how_the_engines_agree() {
    need!("chromium");
    need!("redis-server");
    let dir = tempfile::tempdir().unwrap();
    let output = fidelity(dir.path(), &["--quiet"]);
    let page = dir.path().join("runs/fidelity/latest/report.html");
    assert!(page.is_file(), "{output:?}");
    is_a_good_page(dir.path(), &page);
}

#[test]
fn a_browser_shows_all_of_what_got_worse() {
    need!("chromium");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let words =
        "run --engine virtual --trials 5 --rules firedrill --no-gate --quiet worker-crash-all";
    let trials: Vec<&str> = words.split(' ').collect();
    let (code, _, err) = said(dir, &trials);
    assert_eq!(code, Some(0), "{err}");
    let base = fs::canonicalize(dir.join("runs/trials/latest")).unwrap();
    let worse = ["--baseline", base.to_str().unwrap(), "--group-wait", "5m"];
    let (code, _, err) = said(dir, &[&trials[..], &worse].concat());
    assert_eq!(code, Some(1), "{err}");
    let page = dir.join("runs/trials/latest/report.html");
    assert!(fs::read_to_string(&page).unwrap().contains("WORSE"));
    is_a_good_page(dir, &page);
}

#[test]
fn a_browser_shows_all_of_trials_and_of_a_search() {
    need!("chromium");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let trials = [
        "run",
        "--engine",
        "virtual",
        "--trials",
        "3",
        "--rules",
        "runbook",
        "--no-gate",
        "--quiet",
        "deadlock-all-slots",
    ];
    let (code, _, err) = said(dir, &trials);
    assert_eq!(code, Some(0), "{err}");
    let tune = [
        "tune",
        "--trials",
        "3",
        "--rules",
        "runbook",
        "--vary",
        "JobProcessingStalled.for=0s..10m/5m",
        "--quiet",
        "deadlock-all-slots",
    ];
    let (_, _, err) = said(dir, &tune);
    let mut pages: Vec<_> = walk(dir)
        .into_iter()
        .filter(|path| path.ends_with("report.html"))
        .collect();
    pages.sort();
    assert_eq!(pages.len(), 2, "{err} {pages:?}");
    for page in pages {
        is_a_good_page(dir, &page);
    }
}

/// All files under a directory, without those behind links.
fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let found = entries.flat_map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => walk(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    found.collect()
}
