//! What every incident of the shipped scenarios is called when somebody is told of it by firedrill's rules.

use crate::rule_pack::SCORES;
use crate::virtual_drills::RECORDS;
use firedrill_reports::Record;
use firedrill_reports::cause::{Answer, Asked, ask};
use firedrill_reports::render::{Style, cause};

/// The blocks say what is known of each, right or wrong; the sentence at their end is what the README promises.
#[test]
fn causes_are_named_when_somebody_is_told() {
    let asked: Vec<Asked> = SCORES
        .iter()
        .flat_map(|(name, score)| ask(&Record::read(&*RECORDS[name]).unwrap(), score))
        .collect();
    assert!(asked.iter().all(|one| one.alert.is_some()));
    let right = asked.iter().filter(|one| one.answer() == Answer::Right);
    assert!(right.count() * 10 >= asked.len() * 8);
    let style = Style {
        colour: false,
        width: 140,
    };
    insta::assert_snapshot!(cause::terminal(&asked, style));
}
