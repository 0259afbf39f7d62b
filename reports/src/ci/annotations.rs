//! Workflow commands that GitHub shows beside the lines they are about.

use super::Finding;
use firedrill_detector::text::printable;

/// So many of one step are shown; the last one says how many more there are.
const MOST: usize = 10;

/// One command a line.
#[must_use]
pub fn github(findings: &[Finding]) -> String {
    let shown = match findings.len() {
        all if all > MOST => MOST - 1,
        all => all,
    };
    let mut text: String = findings[..shown].iter().map(command).collect();
    let more = findings.len() - shown;
    if more > 0 {
        let fails = findings[shown..].iter().any(|finding| finding.fails);
        text.push_str(&format!(
            "::{} title=firedrill::and {more} more: see the summary\n",
            level(fails)
        ));
    }
    text
}

fn level(fails: bool) -> &'static str {
    if fails { "error" } else { "warning" }
}

fn command(finding: &Finding) -> String {
    let place = finding
        .place
        .as_ref()
        .map_or(String::new(), |(file, line)| {
            format!("file={},line={line},", property(file))
        });
    format!(
        "::{} {place}title=firedrill: {}::{}\n",
        level(finding.fails),
        property(finding.kind),
        data(&finding.message)
    )
}

/// What stands behind the colons: on one line.
fn data(text: &str) -> String {
    let text = printable(text);
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// What stands before them, where colons and commas mean something.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
