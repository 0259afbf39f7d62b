//! A badge: how many incidents somebody was told of by their deadline.

use crate::gate::Gated;
use serde_json::json;

const LABEL: &str = "alerts";
/// Width of a character of the badge's font, tenths of a pixel; wide enough for digits and small letters.
const CHARACTER: usize = 68;
/// Left and right of each text, pixels.
const PADDING: usize = 6;

/// What it says, and its colour: a name that shields.io has, and the same as a number.
fn told(gated: &Gated) -> (String, &'static str, &'static str) {
    let seen = gated.totals.share("alert_recall_by_deadline");
    let seen = seen.map_or("no incidents".to_owned(), |(count, of)| {
        format!("{count} of {of} in time")
    });
    // What `--no-gate` excuses is as wrong as it was.
    let is_excused = gated
        .failings
        .iter()
        .any(|(_, _, known)| !gated.is_excused(*known));
    match gated.passes() {
        Some(true) if is_excused => (seen, "red", "#e05d44"),
        Some(true) => (seen, "brightgreen", "#4c1"),
        Some(false) => (seen, "red", "#e05d44"),
        None => ("inconclusive".to_owned(), "lightgrey", "#9f9f9f"),
    }
}

/// What shields.io reads from an endpoint.
#[must_use]
pub fn shields(gated: &Gated) -> String {
    let (message, color, _) = told(gated);
    let badge = json!({ "schemaVersion": 1, "label": LABEL, "message": message, "color": color });
    format!("{badge:#}\n")
}

/// The badge itself.
#[must_use]
pub fn svg(gated: &Gated) -> String {
    let (message, _, colour) = told(gated);
    let width = |text: &str| text.chars().count() * CHARACTER / 10 + 2 * PADDING;
    let (left, right) = (width(LABEL), width(&message));
    let (all, middle) = (left + right, left / 2);
    let other = left + right / 2;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"{LABEL}: {message}\">\n\
         <title>{LABEL}: {message}</title>\n\
         <rect width=\"{left}\" height=\"20\" fill=\"#555\"/>\n\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\n\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\n\
         <text x=\"{middle}\" y=\"14\">{LABEL}</text>\n\
         <text x=\"{other}\" y=\"14\">{message}</text>\n\
         </g>\n</svg>\n"
    )
}
