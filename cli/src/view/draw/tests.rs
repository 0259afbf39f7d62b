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

fn drawn((width, height): (u16, u16), said: &str) -> String {
    let snapshot = board().snapshot(None).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &snapshot, said)).unwrap();
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
    }
}
