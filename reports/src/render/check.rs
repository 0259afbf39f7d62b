//! What was found in files: in lines for people, and as SARIF.

mod sarif;
#[cfg(test)]
mod tests;

pub use sarif::sarif;

use crate::alertmanager::Reach;
use crate::check::{Finding, RoutedAlert, Severity};
use firedrill_detector::text::{printable, printable_lines};

/// Whom an alert is sent to, in a line.
#[must_use]
pub fn route(routed: &RoutedAlert) -> String {
    let of = |is_certain: bool| {
        let own = routed.receivers.iter();
        let own = own.filter(move |one| one.is_certain == is_certain);
        let named = own.map(|one| {
            let what = match one.reach {
                Reach::Person => " (pages)",
                Reach::Channel => "",
                Reach::Nobody => " (sends nothing)",
            };
            format!("{}{what}", printable(&one.receiver))
        });
        named.collect::<Vec<String>>().join(", ")
    };
    let (always, perhaps) = (of(true), of(false));
    let whom = match (always.as_str(), perhaps.as_str()) {
        (always, "") => always.to_owned(),
        ("", perhaps) => format!("one or more of {perhaps}, by labels of its series"),
        (always, perhaps) => format!("{always}, and by labels of its series perhaps to {perhaps}"),
    };
    let (file, alert) = (printable(&routed.file), printable(&routed.alert));
    format!("{file}:{}: {alert} is sent to {whom}", routed.line)
}

/// A finding in a line or two, as problems are told. Names and quotes come from files, and neither steer a terminal nor look
/// like another finding.
#[must_use]
pub fn line(found: &Finding) -> String {
    let mut text = match found.severity {
        Severity::Error => String::new(),
        severity => format!("{}: ", severity.name()),
    };
    if let Some(place) = &found.place {
        text.push_str(&printable(&place.file));
        for number in [place.line, place.column].into_iter().flatten() {
            text.push_str(&format!(":{number}"));
        }
        text.push_str(": ");
    }
    if let Some((_, name)) = &found.rule {
        text.push_str(&format!("{}: ", printable(name)));
    }
    if let Some(part) = &found.part {
        text.push_str(&format!("`{}` ", printable(part)));
    }
    text.push_str(&printable(&found.message));
    if let Some(hint) = &found.hint {
        text.push_str(&format!("\n    {}", printable_lines(hint)));
    }
    text
}
