//! What people and machines read of a search.

use super::{found, season, tuner};
use firedrill_reports::document::of_tuning;
use firedrill_reports::render::{self, Style};
use firedrill_reports::tune::TuneParams;

#[test]
fn a_search_on_a_terminal() {
    let (_, tuning) = found(TuneParams::default(), 24);
    let style = Style {
        colour: false,
        width: 120,
    };
    insta::assert_snapshot!(render::terminal(&of_tuning(&tuning), style));
    let coloured = Style {
        colour: true,
        ..style
    };
    assert!(render::terminal(&of_tuning(&tuning), coloured).contains("\u{1b}[32m"));
}

#[test]
fn a_search_for_machines_says_the_same() {
    let (_, tuning) = found(TuneParams::default(), 24);
    let value: serde_json::Value = serde_json::from_str(&render::json(&(&tuning).into())).unwrap();
    crate::schema::keeps_to_the_schema(&(&tuning).into(), "tune");
    assert_eq!(value["settings"].as_array().unwrap().len(), 13 * 13);
    let proposal = &value["proposal"];
    let at = proposal["setting"].as_u64().unwrap() as usize;
    assert_eq!(value["settings"][at]["values"], proposal["values"]);
    assert_eq!(
        value["settings"][at]["recall_at_deadline"],
        proposal["figures"]["recall_at_deadline"]
    );
    assert_eq!(value["axes"][1]["now"], 600.0);
    assert_eq!(value["held_out"]["drills"], 8);
}

#[test]
fn the_page_of_a_search_needs_nothing_from_elsewhere() {
    let (_, mut tuning) = found(TuneParams::default(), 24);
    tuning.alerts = vec!["<b>Evil</b>".into()];
    tuning.inconclusive = vec![("<i>".into(), 1, vec!["\"why\"".into()])];
    let page = render::html(&of_tuning(&tuning));
    assert_eq!(page, render::html(&of_tuning(&tuning)));
    crate::render::assert_balanced(&page);
    assert_eq!(page.matches("<svg class=\"desk\"").count(), 3);
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    assert!(!page.contains("<b>") && !page.contains("<i>"));
    assert!(!page.contains("cannot be drawn"));
}

#[test]
fn one_axis_and_three_axes_are_drawn_as_well() {
    for vary in [
        vec!["JobQueueBacklog.for=0s..12m/1m"],
        vec![
            "JobQueueBacklog.threshold=0.7,0.9",
            "JobQueueBacklog.for=0s..4m/1m",
            "JobFailureRate.threshold=0.2..0.4/0.1",
        ],
    ] {
        let tuner = tuner(&vary, TuneParams::default());
        let observed: Vec<_> = season(3)
            .iter()
            .map(|record| tuner.observe(record))
            .collect();
        let page = render::html(&of_tuning(&tuner.search(&observed).unwrap()));
        assert_eq!(page.matches("<svg class=\"desk\"").count(), 3, "{vary:?}");
        assert!(!page.contains("cannot be drawn"));
    }
}
