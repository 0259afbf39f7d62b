use super::*;
use firedrill_detector::Labels;
use firedrill_reports::record::AlertState::{Firing, Inactive, Pending};
use firedrill_reports::record::{Action, Deed, Rehearsed};
use firedrill_sim::alerts::Notice;
use firedrill_sim::rehearsal::Desk;
use firedrill_sim::view::{About, Board};
use firedrill_sim::world::World;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::Arc;

/// A quarter of an hour of a queue that nobody works on any more, whose names are what a terminal would obey.
fn board() -> Board {
    let about = About::of_watch("redis\u{1b}[2J:6379", &World::default(), "worker", 15_000);
    let board = Board::new([about]);
    board.tell(0, |view| {
        view.begin(60.0, Arc::default());
        let queue = ("queue", "default");
        for (id, labels) in [
            Labels::metric("asynq_tasks_enqueued_total", [queue, ("state", "pending")]),
            Labels::metric("asynq_tasks_enqueued_total", [queue, ("state", "active")]),
            Labels::metric("asynq_tasks_processed_total", [queue]),
            Labels::metric("asynq_tasks_failed_total", [queue]),
            Labels::metric("up", [("job", "worker"), ("instance", "w-0")]),
            Labels::metric("redis_up", []),
        ]
        .iter()
        .enumerate()
        {
            view.series(id as u32, labels);
        }
        for step in 0..60_i32 {
            let worked = step.min(20);
            let waiting = f64::from((step - 20).max(0) * 30);
            let samples = [
                waiting,
                f64::from(worked % 5),
                f64::from(worked * 150),
                f64::from(worked * 3),
                f64::from(u8::from(step < 20)),
                1.0,
            ];
            let samples: Vec<_> = (0..).zip(samples).collect();
            view.scrape(i64::from(step) * 15_000, &samples);
        }
        let hostile = "\u{1b}]0;mine\u{7}<script>";
        view.changed("JobQueueBacklog", 400_000, (Inactive, Pending));
        view.changed("JobQueueBacklog", 600_000, (Pending, Firing));
        view.delivered("JobQueueBacklog", 630_000);
        view.changed(hostile, 300_000, (Inactive, Pending));
        view.changed(hostile, 420_000, (Pending, Inactive));
        view.told(600_000, "firing: JobQueueBacklog {queue=\"default\"}");
    });
    board.note("somebody \u{9b}31m looks");
    board
}

const RUNBOOK: &str = "\
# Runbook: workers\n\nFor those on call. [The wiki](https://wiki.example/workers) says more.\n\n\
## Checklist\n- [ ] **Acknowledge** the alert\n- [ ] Tell the team, and say in the channel which queue it is and since when it is so\n\n\
## JobQueueBacklog\n\n1. Look at the workers:\n\n   ```bash\n   # all of them \u{1b}[31m\n   docker ps --filter label=worker\n   ```\n\
2. Start those that are gone.\n\n| State | Means |\n| --- | --- |\n| `T` | stopped |\n\n> Ask before you delete <b>anything</b>.\n";

/// The same where people rehearse: one was paged, and is on it.
fn room() -> (Board, Runbook) {
    let board = board();
    let runbook = Runbook::read("ops/workers.md", RUNBOOK);
    let terms = Rehearsed {
        respond_within_ms: 60_000,
        escalate_after_ms: 3_600_000,
        blind: false,
    };
    let mut desk = Desk::new(terms, 0, Some(runbook.clone()));
    let texts = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()));
        pairs.collect()
    };
    let notice = Notice {
        source: "webhook".to_owned(),
        labels: texts(&[("severity", "page")]),
        annotations: texts(&[
            (
                "summary",
                "Queue default has 900 tasks pending and nobody works on them \u{1b}]0;mine\u{7}",
            ),
            (
                "runbook_url",
                "https://wiki.example/runbooks/workers#JobQueueBacklog",
            ),
        ]),
    };
    desk.fires(630_000, "JobQueueBacklog", &notice);
    desk.delivered(630_000);
    for (at_ms, what, subject) in [
        (637_000, Deed::Acknowledged, ""),
        (640_000, Deed::Ticked, "1"),
    ] {
        desk.did(&Action {
            at_ms,
            what,
            subject: subject.to_owned(),
            text: String::new(),
            step: None,
        });
    }
    board.tell(0, |view| view.lies(desk));
    (board, runbook)
}

const SAID: [&str; 4] = [
    "   10:00  JobQueueBacklog fires",
    "   10:30  PAGE: JobQueueBacklog fires  runbook: ops/workers.md:9 \"JobQueueBacklog\"",
    "   10:37  acknowledged",
    "   10:40  done: 1: Acknowledge the alert",
];

/// Rows as they are drawn.
fn rows((width, height): (u16, u16), scene: &Scene<'_>) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            draw(frame, scene);
        })
        .unwrap();
    let shown = terminal.backend().to_string();
    let rows = shown.lines().map(|row| {
        let bare = row.strip_prefix('"').and_then(|row| row.strip_suffix('"'));
        bare.unwrap_or(row).trim_end().to_owned()
    });
    rows.collect()
}

/// Where nobody rehearses.
fn drawn(size: (u16, u16), said: &str) -> String {
    let said: Vec<String> = said.lines().map(str::to_owned).collect();
    let scene = Scene {
        snapshot: &board().snapshot(None).unwrap(),
        runbook: None,
        pane: Pane::Figures,
        place: Place::Section,
        said: &said,
        prompt: Prompt::Keys(None),
    };
    rows(size, &scene).join("\n")
}

/// Where people do.
fn in_room(size: (u16, u16), pane: Pane, place: Place, prompt: Prompt<'_>) -> Vec<String> {
    let (board, runbook) = room();
    let said = SAID.map(str::to_owned);
    let scene = Scene {
        snapshot: &board.snapshot(None).unwrap(),
        runbook: Some(&runbook),
        pane,
        place,
        said: &said,
        prompt,
    };
    rows(size, &scene)
}

const KEYS: Prompt<'_> = Prompt::Keys(None);

#[test]
fn a_terminal_shows_all_that_fits() {
    insta::assert_snapshot!(drawn((100, 30), "stopping"));
}

#[test]
fn a_small_one_shows_what_matters_most() {
    insta::assert_snapshot!(drawn((60, 12), ""));
}

#[test]
fn where_nobody_rehearses_nothing_of_a_rehearsal_is_shown() {
    let shown = drawn((80, 40), "stopping").to_lowercase();
    for word in [
        "paged",
        "page:",
        "checklist",
        "runbook",
        "type",
        "acknowledge",
    ] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
}

#[test]
fn a_room_has_its_page_clock_and_checklist_on_the_usual_terminal() {
    let shown = in_room((80, 24), Pane::Figures, Place::Section, KEYS);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_small_room_has_all_that_matters() {
    let shown = in_room((60, 20), Pane::Figures, Place::Section, KEYS);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_runbook_takes_the_place_of_the_figures_at_the_section_about_the_page() {
    let shown = in_room((80, 24), Pane::Runbook, Place::Row(0), KEYS);
    insta::assert_snapshot!(shown.join("\n"));
    let shown = in_room((80, 16), Pane::Runbook, Place::Section, KEYS);
    let first = shown
        .iter()
        .position(|row| row.starts_with("JobQueueBacklog"));
    // Under the title, the incident's clock and the page.
    assert!(first.is_some_and(|row| row <= 5), "{shown:#?}");
    let end = in_room((80, 16), Pane::Runbook, Place::Row(usize::MAX), KEYS);
    assert!(
        end.iter()
            .any(|row| row.contains("Ask before you delete <b>anything</b>")),
        "{end:#?}"
    );
}

#[test]
fn on_a_wide_screen_a_runbook_stands_beside_the_figures() {
    let shown = in_room((150, 30), Pane::Figures, Place::Row(0), KEYS);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn the_last_row_is_whole_at_every_size_and_tells_what_keys_do() {
    for width in 14..150 {
        for (prompt, pane) in [
            (KEYS, Pane::Figures),
            (KEYS, Pane::Runbook),
            (KEYS, Pane::Help),
            (Prompt::Keys(Some('x')), Pane::Figures),
            (Prompt::Sure, Pane::Figures),
        ] {
            let shown = in_room((width, 20), pane, Place::Section, prompt);
            let last = shown.last().unwrap().trim_end();
            assert!(last.chars().count() <= usize::from(width), "{last}");
            let says = match prompt {
                Prompt::Keys(None) => "q stop",
                Prompt::Keys(Some(_)) => "`x` is no",
                _ => "Stop all of it",
            };
            let fits = usize::from(width) > says.chars().count();
            assert!(!fits || last.contains(says), "{width}: {last}");
        }
    }
    let keys = in_room((80, 24), Pane::Help, Place::Row(0), KEYS);
    assert!(
        keys.iter()
            .any(|row| row.contains("tick an entry of the checklist")),
        "{keys:#?}"
    );
}

#[test]
fn what_is_longer_than_the_screen_is_moved_and_no_further() {
    let (board, runbook) = room();
    let snapshot = board.snapshot(None).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(80, 16)).unwrap();
    let mut place = Place::Row(0);
    let mut moves = |scroll| {
        let scene = Scene {
            snapshot: &snapshot,
            runbook: Some(&runbook),
            pane: Pane::Runbook,
            place,
            said: &[],
            prompt: KEYS,
        };
        let mut moved = Moved::default();
        terminal.draw(|frame| moved = draw(frame, &scene)).unwrap();
        place = moved.by(scroll);
        place
    };
    assert_eq!(moves(Scroll::Rows(-1)), Place::Row(0));
    assert_eq!(moves(Scroll::Rows(1)), Place::Row(1));
    let Place::Row(end) = moves(Scroll::End) else {
        panic!("an end is a row");
    };
    assert_eq!(moves(Scroll::Halves(2)), Place::Row(end));
    assert_eq!(moves(Scroll::Rows(-1)), Place::Row(end - 1));
    assert_eq!(moves(Scroll::Top), Place::Row(0));
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_it() {
    let hostile = "note \u{1b}[31m";
    for size in [
        (100, 30),
        (150, 40),
        (60, 20),
        (1, 1),
        (3, 2),
        (20, 1),
        (4, 9),
    ] {
        let mut all = drawn(size, "said \u{1b}[31m");
        if size.0 == 100 {
            assert!(all.contains("<script>"), "{all}");
        }
        for pane in [Pane::Figures, Pane::Runbook, Pane::Help] {
            all.push_str(&in_room(size, pane, Place::Row(0), Prompt::Line(hostile)).concat());
            all.push_str(
                &in_room(size, pane, Place::Row(9), Prompt::Keys(Some('\u{9b}'))).concat(),
            );
        }
        let obeyed = all.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(obeyed, None, "{all:?}");
    }
}

#[test]
fn a_room_shows_answers_and_the_line_that_is_typed() {
    let shown = in_room(
        (80, 24),
        Pane::Figures,
        Place::Section,
        Prompt::Line("cause work"),
    );
    let (last, above) = shown.split_last().unwrap();
    assert_eq!(last.trim_end(), ": cause work_", "{shown:#?}");
    let said = above.iter().rev().map(|row| row.trim_end());
    let said: Vec<&str> = said.take(3).collect();
    assert_eq!(
        said,
        [SAID[3], SAID[2], "\"JobQueueBacklog\""],
        "{shown:#?}"
    );
    let typed = format!("note {}", "x".repeat(100));
    let shown = in_room(
        (80, 24),
        Pane::Figures,
        Place::Section,
        Prompt::Line(&typed),
    );
    let expected = format!(": {}_", "x".repeat(77));
    assert_eq!(shown.last(), Some(&expected), "{shown:#?}");
}
