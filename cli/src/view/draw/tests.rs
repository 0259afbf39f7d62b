use super::*;
use firedrill_detector::Labels;
use firedrill_reports::record::AlertState::{Firing, Inactive, Pending};
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

fn drawn(size: (u16, u16), said: &str) -> String {
    let said: Vec<String> = said.lines().map(str::to_owned).collect();
    let (said, line) = (&said[..], None);
    drawn_with(size, Foot { said, line })
}

fn drawn_with((width, height): (u16, u16), foot: Foot<'_>) -> String {
    let snapshot = board().snapshot(None).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &snapshot, foot)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn a_terminal_shows_all_that_fits() {
    insta::assert_snapshot!(drawn((100, 30), "stopping"));
}

#[test]
fn a_small_one_shows_what_matters_most() {
    insta::assert_snapshot!(drawn((60, 12), ""));
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_it() {
    let shown = drawn((100, 30), "said \u{1b}[31m");
    assert!(shown.contains("<script>"), "{shown}");
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{shown:?}"
    );
    // Not even where there is no room for anything.
    for size in [(1, 1), (3, 2), (20, 1)] {
        drawn(size, "said");
        let said = ["said".to_owned(), "more".to_owned()];
        let line = Some("note \u{1b}[31m");
        drawn_with(size, Foot { said: &said, line });
    }
}

#[test]
fn a_room_shows_answers_and_the_line_that_is_typed() {
    let said: Vec<String> = (1..9)
        .map(|number| format!("    1:0{number}  said"))
        .collect();
    let foot = |line| Foot {
        said: &said,
        line: Some(line),
    };
    let shown = drawn_with((80, 24), foot("cause work"));
    let rows: Vec<&str> = shown
        .lines()
        .map(|row| row.trim_matches('"').trim_end())
        .collect();
    let (above, below) = rows.split_at(rows.len() - 7);
    assert_eq!(below[0], "> cause work_", "{shown}");
    let last: Vec<&str> = said[2..].iter().map(String::as_str).collect();
    assert_eq!(below[1..], last, "{shown}");
    assert!(
        above.iter().any(|row| row.contains("What happened")),
        "{shown}"
    );
    let long = "x".repeat(100);
    let typed = format!("note {long}");
    let shown = drawn_with((80, 24), foot(&typed));
    assert!(shown.contains(&format!("> {}_", &long[..77])), "{shown}");
    let waits = drawn_with((80, 24), foot(""));
    assert!(waits.contains("q: stop   type a word"), "{waits}");
}
