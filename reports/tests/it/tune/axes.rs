//! What is varied, as people write it.

use super::settings;
use firedrill_reports::tune::{Axis, Grid, JUDGEMENTS_MAX};

#[test]
fn axes_are_read_and_all_that_is_wrong_is_said() {
    let settings = settings();
    let values = |argument: &str| {
        let axes = Axis::parse_all(&settings, &[argument], 15_000).unwrap();
        let values = &axes[0].values;
        let text: Vec<String> = values.iter().map(ToString::to_string).collect();
        (
            text.len(),
            text[..2.min(text.len())].join(" "),
            text.last().unwrap().clone(),
        )
    };
    let shows = |count, first: &str, last: &str| (count, first.to_owned(), last.to_owned());
    assert_eq!(
        values("JobQueueBacklog.threshold=0.5..0.99"),
        shows(50, "0.5 0.51", "0.99")
    );
    assert_eq!(
        values("JobQueueBacklog.threshold=50%..99%/7%"),
        shows(8, "0.5 0.57", "0.99")
    );
    assert_eq!(
        values("JobQueueBacklog.threshold=0.95,0.8,0.95"),
        shows(2, "0.8 0.95", "0.95")
    );
    assert_eq!(
        values("JobQueueBacklog.for=1m..15m"),
        shows(15, "1m 2m", "15m")
    );
    assert_eq!(
        values("JobQueueBacklog.for=1m..15m/30s"),
        shows(29, "1m 1m30s", "15m")
    );
    assert_eq!(
        values("JobProcessingStalled.threshold2=0..1000"),
        shows(51, "0 20", "1000")
    );
    assert_eq!(
        values("job-queue/JobFailureRate.threshold=-1"),
        shows(1, "-1", "-1")
    );
    let wrong = Axis::parse_all(
        &settings,
        &[
            "JobQueueBacklog.treshold=0..1",
            "JobProcessingStalled.threshold=0..1",
            "Nothing.for=1m",
            "JobQueueBacklog.for",
            "JobQueueBacklog.for=1..5",
            "JobQueueBacklog.threshold=0.9..0.5",
            "JobQueueBacklog.threshold=0..1/0",
            "JobQueueBacklog.threshold=0..1/0.000000001",
            "JobFailureRate.for=1m",
            "JobFailureRate.for=2m",
        ],
        15_000,
    );
    let text: Vec<String> = wrong.unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_grid_of_a_billion_is_refused_before_anything_runs() {
    let vary = [
        "JobQueueBacklog.threshold=0.5..0.99/0.0005",
        "JobQueueBacklog.for=1m..20m/1s",
        "JobQueueBacklog.keep_firing_for=0s..15m/1s",
    ];
    let axes = Axis::parse_all(&settings(), &vary, 15_000).unwrap();
    let refused = Grid::new(axes).check(800, JUDGEMENTS_MAX);
    insta::assert_snapshot!(refused.unwrap_err().to_string());
}
