//! What the table of causes makes of every shipped scenario when somebody is told first.

use crate::rule_pack::SCORES;
use crate::virtual_drills::RECORDS;
use firedrill_reports::Record;
use firedrill_reports::cause::{findings, seen_in};
use std::fmt::Write;

#[test]
fn causes_are_named_when_somebody_is_told() {
    let mut told = String::new();
    for (name, score) in SCORES.iter() {
        let record = Record::read(&*RECORDS[name]).unwrap();
        for incident in &score.incidents {
            let Some(detection) = &incident.detection else {
                continue;
            };
            let at_ms = detection.delivered_ms;
            let seen = seen_in(&record, &[at_ms]).remove(0);
            let found = findings(&seen);
            let _ = writeln!(
                told,
                "{name} #{}: {} at +{} s",
                incident.truth.id,
                incident.truth.cause,
                (at_ms - incident.truth.fault_ms) / 1_000
            );
            for finding in &found {
                let queues = finding.queues.join(", ");
                let _ = writeln!(
                    told,
                    "    {} ({}) {queues}",
                    finding.cause.id, finding.cause.family
                );
            }
            if std::env::var_os("SYMPTOMS").is_some() {
                for one in &seen {
                    let _ = writeln!(told, "        {}: {}", one.symptom.id, one.sentence());
                }
            }
        }
    }
    insta::assert_snapshot!(told);
}
