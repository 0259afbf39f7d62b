use super::*;
use crate::alerts::Notice;
use crate::builtin;
use crate::drill::{self, Event, Rules, Seen, What};
use crate::engine::virtual_time::VirtualOptions;
use crate::plan::Plan;
use crate::rehearsal::{Desk, Runbook};
use crate::scenario::{PlanOptions, Scenario};
use firedrill_detector::{Compat, Labels, RuleFile, RuleSet};
use firedrill_reports::Record;
use firedrill_reports::load::{Brief, Counts, Row, Stage as Measured};
use firedrill_reports::record::{Action, Deed, Line as Recorded, Phase, Rehearsed, RuleText};
use std::sync::{Arc, LazyLock};

/// All workers crash at minute 30, and are there again at minute 55.
static DRILL: LazyLock<(Plan, Record)> = LazyLock::new(|| {
    let scenario = builtin::scenario("worker-crash-all").unwrap();
    let scenario = Scenario::parse("s.yaml", scenario.text).unwrap();
    let plan = Plan::resolve(&scenario, &PlanOptions { seed: None }).unwrap();
    let text = builtin::rules("firedrill").unwrap().text.to_owned();
    let name = "firedrill.yml".to_owned();
    let file = RuleFile {
        name: name.clone(),
        text: text.clone(),
    };
    let rules = Rules {
        set: RuleSet::load(&[file], Compat::default()).unwrap(),
        texts: vec![RuleText { name, text }],
        reading: Default::default(),
        delivery: Default::default(),
        alertmanager: None,
    };
    let record = drill::simulate(&plan, &rules, VirtualOptions::default(), true);
    (plan, record)
});

const MINUTE_MS: i64 = 60_000;

/// Tells a view all that was recorded until a time, as a live drill tells it.
fn tell(view: &mut View, until_ms: i64) {
    view.begin(60.0, Arc::default());
    for line in &DRILL.1.lines {
        match line {
            Recorded::Series { id, labels } => {
                let labels = labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
                view.series(*id, &Labels::from_pairs(labels));
            }
            Recorded::Scrape { at_ms, values, .. } if *at_ms <= until_ms => {
                let samples: Vec<_> = values.iter().map(|(id, value)| (*id, value.0)).collect();
                view.scrape(*at_ms, &samples);
            }
            Recorded::Mark(mark) if mark.at_ms <= until_ms => {
                view.saw(Seen::Line(line));
                view.happened(&Event {
                    at_ms: mark.at_ms,
                    what: What::Step {
                        what: mark.what.clone(),
                        targets: mark.targets.clone(),
                        phase: mark.phase,
                    },
                });
            }
            Recorded::Transition(of) if of.at_ms <= until_ms => view.saw(Seen::Line(line)),
            _ => {}
        }
    }
}

/// A board ten minutes after the crash.
pub(crate) fn board() -> Board {
    let board = Board::new([About::of_drill(&DRILL.0)]);
    board.tell(0, |view| tell(view, 40 * MINUTE_MS));
    board
}

fn tile<'s>(snapshot: &'s Snapshot, name: &str) -> (&'s str, Level) {
    let mut tiles = snapshot.tiles.iter();
    let tile = tiles.find(|tile| tile.name == name);
    let tile = tile.unwrap_or_else(|| panic!("{name}: {:#?}", snapshot.tiles));
    (&tile.value, tile.level)
}

#[test]
fn a_crash_is_seen_as_it_goes() {
    let snapshot = board().snapshot(None).unwrap();
    assert_eq!(snapshot.title, "worker-crash-all");
    assert_eq!(snapshot.stage, Stage::Running);
    let workers = DRILL.0.processes().len();
    assert_eq!(
        tile(&snapshot, "Workers up"),
        (&*format!("0 of {workers}"), Level::Bad)
    );
    assert_eq!(tile(&snapshot, "Redis"), ("up", Level::Good));
    assert_eq!(tile(&snapshot, "Done"), ("0.0/s", Level::Plain));
    let pending: f64 = tile(&snapshot, "Pending").0.parse().unwrap();
    assert!(pending > 100.0, "{pending}");
    let incident = snapshot.incident.as_ref().unwrap();
    assert!(incident.what.starts_with("worker.kill on "), "{incident:?}");
    assert_eq!(incident.until_ms, None);
    assert_eq!(incident.since_ms / MINUTE_MS, 30);
    let firing: Vec<_> = snapshot
        .lanes
        .iter()
        .filter(|lane| lane.state == "firing")
        .collect();
    assert!(!firing.is_empty(), "{:?}", snapshot.lanes);
    assert_eq!(tile(&snapshot, "Alerts firing").0, firing.len().to_string());
    // The queue grows, and the last point of the chart is what the tile says.
    let tasks = &snapshot.charts[0];
    let line = tasks
        .lines
        .iter()
        .find(|line| line.name == "pending")
        .unwrap();
    assert_eq!(line.points.len(), snapshot.times_ms.len());
    assert_eq!(line.points.last(), Some(&Some(pending)));
    assert!(snapshot.times_ms.is_sorted());
    assert_eq!(snapshot.queues.len(), DRILL.0.queues.len());
}

#[test]
fn it_ends_well_and_what_was_scraped_is_let_go() {
    let board = Board::new([About::of_drill(&DRILL.0)]);
    board.tell(0, |view| tell(view, i64::MAX));
    assert!(board.metrics(None).is_some());
    board.tell(0, View::over);
    let snapshot = board.snapshot(None).unwrap();
    assert_eq!(snapshot.stage, Stage::Over);
    let incident = snapshot.incident.unwrap();
    let end = DRILL.1.lines.iter().find_map(|line| match line {
        Recorded::Mark(mark) if mark.phase == Some(Phase::End) => Some(mark.at_ms),
        _ => None,
    });
    assert_eq!(incident.until_ms, end);
    assert_eq!(board.metrics(None), None);
    assert!(
        !snapshot.charts[0].lines.is_empty(),
        "how it went is still there"
    );
}

#[test]
fn a_blind_view_names_nothing() {
    let board = Board::new([About::of_drill(&DRILL.0).blind()]);
    board.tell(0, |view| tell(view, 40 * MINUTE_MS));
    let snapshot = board.snapshot(None).unwrap();
    assert_eq!(snapshot.incident, None);
    let shown = serde_json::to_string(&snapshot).unwrap();
    let metrics = board.metrics(None).unwrap();
    let steps = DRILL.0.timeline.iter();
    let names = steps.flat_map(|step| [step.id.clone(), step.fault.name().to_owned()]);
    let incidents = DRILL
        .0
        .incidents
        .iter()
        .map(|incident| incident.cause.clone());
    let scenario = [DRILL.0.name.clone(), DRILL.0.summary.clone()];
    for name in names.chain(incidents).chain(scenario) {
        assert!(!shown.contains(&name), "{name}: {shown}");
        assert!(!metrics.contains(&name), "{name}");
    }
    // What a team has itself is there.
    assert!(shown.contains("firing"), "{shown}");
}

/// What lies on the desk of a team that is paged when somebody is told of the first alert, and acknowledges a minute later.
pub(crate) fn desk() -> Desk {
    let terms = Rehearsed {
        respond_within_ms: 5 * MINUTE_MS,
        escalate_after_ms: 60 * MINUTE_MS,
        blind: true,
    };
    let text = "# Workers\n\n- [ ] Ack\n- [ ] Tell <b>all</b>\n\n## Down\n\nRestart.\n";
    let mut desk = Desk::new(terms, 0, Some(Runbook::read("r.md", text)));
    let labels = [("severity".to_owned(), "page".to_owned())].into();
    let annotations = [("summary".to_owned(), "é".repeat(1_000))].into();
    let notice = Notice {
        source: "webhook".to_owned(),
        labels,
        annotations,
    };
    desk.fires(33 * MINUTE_MS, "Down", &notice);
    desk.delivered(33 * MINUTE_MS);
    for (at_ms, what, subject) in [
        (34 * MINUTE_MS, Deed::Acknowledged, ""),
        (35 * MINUTE_MS, Deed::Ticked, "2"),
    ] {
        desk.did(&Action {
            at_ms,
            what,
            subject: subject.to_owned(),
            text: String::new(),
            step: None,
        });
    }
    desk
}

#[test]
fn a_room_has_its_page_and_a_clock_that_begins_with_it() {
    let board = Board::new([About::of_drill(&DRILL.0).blind()]);
    board.tell(0, |view| tell(view, 40 * MINUTE_MS));
    assert_eq!(board.snapshot(None).unwrap().room, None, "of a drill");
    assert_eq!(board.runbook(), None);
    board.tell(0, |view| {
        view.lies(desk());
        view.reach(41 * MINUTE_MS);
    });
    let snapshot = board.snapshot(None).unwrap();
    assert_eq!(snapshot.incident, None, "it is blind");
    let room = snapshot.room.unwrap();
    // The fault was three minutes before.
    assert_eq!(room.since_page.as_deref(), Some("8:00"));
    let clock = room.clock.iter();
    let clock: Vec<_> = clock
        .map(|hand| (hand.name, &*hand.value, hand.level))
        .collect();
    let expected = [
        ("Acknowledged", "after 1:00", Level::Good),
        ("First response", "after 2:00", Level::Good),
        ("Escalation", "due in 52:00", Level::Plain),
    ];
    assert_eq!(clock, expected);
    let page = &room.pages[0];
    assert_eq!(
        (&*page.at, &*page.alert, page.is_on),
        ("33:00", "Down", true)
    );
    assert_eq!(
        (&*page.source, page.severity.as_deref()),
        ("webhook", Some("page"))
    );
    assert!(page.summary.as_ref().unwrap().chars().count() < 400);
    assert_eq!(
        (page.section_line, page.runbook_url.as_deref()),
        (Some(6), None)
    );
    let steps = room.checklist.iter();
    let done: Vec<_> = steps
        .map(|step| (&*step.text, step.done_at.as_deref()))
        .collect();
    assert_eq!(done, [("Ack", None), ("Tell <b>all</b>", Some("35:00"))]);
    assert_eq!(board.runbook().unwrap().path(), "r.md");
}

#[test]
fn metrics_are_those_of_the_teams_world() {
    let board = Board::new([About::of_drill(&DRILL.0)]);
    // While workers are there to be scraped.
    board.tell(0, |view| tell(view, 20 * MINUTE_MS));
    let text = board.metrics(None).unwrap();
    let jobs: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("job_"))
        .collect();
    assert!(!jobs.is_empty(), "{text:.2000}");
    assert!(text.contains("asynq_tasks_enqueued_total{"));
    crate::metrics::exposition::decode(&text).unwrap();
}

#[test]
fn a_second_of_a_load_is_a_point() {
    let about = About::of_watch("load", &crate::world::World::default(), "worker", 1_000);
    let board = Board::new([about]);
    board.tell(0, |view| view.begin(1.0, Arc::default()));
    let row = |at_s: f64| Row {
        at_s,
        width_s: 1.0,
        counts: Counts {
            enqueued: 500,
            succeeded: 400,
            failed: 50,
            archived: 10,
            ..Counts::default()
        },
        backlog: Some(70),
        stages: [(
            Measured::Wait,
            Brief {
                count: 400,
                p50_s: 0.002,
                p99_s: 0.25,
                max_s: 0.3,
            },
        )]
        .into(),
        ..Row::default()
    };
    board.tell(0, |view| {
        (0..3).for_each(|second| view.second(&row(f64::from(second))))
    });
    let snapshot = board.snapshot(None).unwrap();
    assert_eq!(snapshot.times_ms, [1_000, 2_000, 3_000]);
    for (name, value) in [
        ("Arrivals", "500.0/s"),
        ("Done", "400.0/s"),
        ("Failed", "50.0/s"),
        ("Retried", "40.0/s"),
        ("Pending or active", "70"),
        ("Wait p50", "2.0 ms"),
        ("Wait p99", "250.0 ms"),
    ] {
        assert_eq!(tile(&snapshot, name).0, value, "{name}");
    }
    assert_eq!(
        tile(&snapshot, "Redis"),
        ("down", Level::Bad),
        "it could not be asked"
    );
}

#[test]
fn of_several_drills_the_one_that_runs_is_followed_unless_another_is_asked_for() {
    let board = Board::new([&DRILL.0, &DRILL.0, &DRILL.0].map(About::of_drill));
    board.note("nobody has begun");
    assert_eq!(board.snapshot(None).unwrap().shown, 0);
    board.tell(1, |view| view.begin(1.0, Arc::default()));
    assert_eq!(board.snapshot(None).unwrap().shown, 1);
    assert_eq!(board.snapshot(Some(2)).unwrap().shown, 2);
    assert_eq!(board.snapshot(Some(9)).unwrap().shown, 1);
    board.tell(1, View::over);
    let snapshot = board.snapshot(None).unwrap();
    assert_eq!((snapshot.shown, snapshot.drills.len()), (1, 3));
    assert_eq!(snapshot.notes[0].text, "nobody has begun");
    assert_eq!(Board::new([]).snapshot(None), None);
}

#[test]
fn lines_and_texts_are_bounded() {
    let board = board();
    for number in 0..1_000 {
        board.note(&"é".repeat(1_000));
        board.tell(0, |view| view.told(number, "again"));
    }
    let snapshot = board.snapshot(None).unwrap();
    assert_eq!((snapshot.notes.len(), snapshot.events.len()), (100, 100));
    assert!(snapshot.notes[0].text.chars().count() < 400);
}
