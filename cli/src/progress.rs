//! How drills are coming along: bars on a terminal, a plain line now and then elsewhere. Always on standard error.

use firedrill_detector::text::{printable, printable_lines};
use firedrill_sim::drill::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Pause between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// One drill on the display.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) duration_ms: i64,
    /// Virtual milliseconds reached; written by the engine.
    pub(crate) reached_ms: Arc<AtomicI64>,
    pub(crate) state: State,
}

/// Where a drill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

/// What a terminal shows.
struct Bars {
    all: MultiProgress,
    /// One for each drill.
    drills: Vec<ProgressBar>,
    /// How long it still takes, below them.
    left: ProgressBar,
}

/// The display.
pub(crate) struct Display {
    bars: Option<Bars>,
    quiet: bool,
    started: Instant,
    last_line: Instant,
}

impl Display {
    /// `interactive`: bars; else plain lines, unless `quiet`.
    pub(crate) fn new(rows: &[Row], interactive: bool, quiet: bool) -> Self {
        let bars = interactive.then(|| {
            let all = MultiProgress::new();
            let style =
                ProgressStyle::with_template("{prefix:30} {bar:30} {pos:>4}/{len} min {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bars = rows
                .iter()
                .map(|row| {
                    let bar =
                        ProgressBar::new(u64::try_from(row.duration_ms / 60_000).unwrap_or(0));
                    all.add(
                        bar.with_style(style.clone())
                            .with_prefix(printable(&row.name).into_owned()),
                    )
                })
                .collect();
            let below = ProgressStyle::with_template("{msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let left = all.add(ProgressBar::new_spinner().with_style(below));
            Bars {
                drills: bars,
                left,
                all,
            }
        });
        let now = Instant::now();
        Self {
            bars,
            quiet,
            started: now,
            last_line: now,
        }
    }

    /// Tells something in between, once.
    pub(crate) fn say(&self, text: &str) {
        let text = printable_lines(text);
        match &self.bars {
            _ if self.quiet => {}
            // Nobody is left to be told where the terminal is gone.
            Some(bars) => {
                let _ = bars.all.println(text);
            }
            None => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    /// Tells what happened in a drill, and when in it.
    pub(crate) fn happened(&self, row: &Row, event: &Event) {
        let seconds = event.at_ms.max(0) / 1_000;
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        self.say(&format!(
            "{:<24} {minutes:>3}:{seconds:02}  {}",
            row.name, event.what
        ));
    }

    /// Shows where things are, and for how many seconds they still go on.
    pub(crate) fn update(&mut self, rows: &[Row], left_s: f64) {
        let left = format!("about {} left", about(left_s));
        if let Some(bars) = &self.bars {
            let is_over = |row: &Row| matches!(row.state, State::Done | State::Failed);
            match rows.iter().all(is_over) {
                true => bars.left.finish_and_clear(),
                false => bars.left.set_message(left),
            }
            for (row, bar) in rows.iter().zip(&bars.drills) {
                bar.set_position(
                    u64::try_from(row.reached_ms.load(Ordering::Relaxed) / 60_000).unwrap_or(0),
                );
                match row.state {
                    State::Waiting | State::Running => {}
                    State::Done => bar.finish_with_message("done"),
                    State::Failed => bar.abandon_with_message("failed"),
                }
            }
        } else if !self.quiet && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let count = |state| rows.iter().filter(|row| row.state == state).count();
            let running: Vec<String> = rows
                .iter()
                .filter(|row| row.state == State::Running)
                .map(|row| {
                    let percent =
                        row.reached_ms.load(Ordering::Relaxed) * 100 / row.duration_ms.max(1);
                    format!("{} {percent}%", printable(&row.name))
                })
                .collect();
            let _ = writeln!(
                std::io::stderr(),
                "[{:>3}s] {} done, {} waiting, {left}; {}",
                self.started.elapsed().as_secs(),
                count(State::Done) + count(State::Failed),
                count(State::Waiting),
                running.join(", "),
            );
        }
    }
}

/// A length of time as people tell it beforehand.
pub(crate) fn about(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{:.0} s", seconds.max(1.0))
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}
