//! Where alerts of firedrill's own packs lead those who read them.

use std::str::FromStr;

/// What stands for the page in the packs, before the anchor of an alert: a place in this repository, which is no link elsewhere.
pub const PAGE: &str = "scenarios/rules/README.md#";

/// Where a team keeps the page that says of each alert what it means and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runbooks(String);

/// What was typed is no address of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a page: write http:// or https:// with a host, such as https://wiki.example.com/alerts; with a `/` at \
     the end it is a folder with a page for each alert"
)]
pub struct NoAddress(String);

impl FromStr for Runbooks {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        // What ends a word of YAML, begins a template or an anchor.
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"'`\\<>{}#^|".contains(c);
        let host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['));
        if host.is_none() || !text.chars().all(is_plain) {
            return Err(NoAddress(text.to_owned()));
        }
        let is_folder = text.ends_with('/') && host.is_some_and(|rest| rest.contains('/'));
        Ok(Self(match is_folder {
            true => text.to_owned(),
            false => format!("{text}#"),
        }))
    }
}

impl Runbooks {
    /// Rules whose alerts lead there.
    #[must_use]
    pub fn linked(&self, rules: &str) -> String {
        rules.replace(PAGE, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_lead_to_the_page_or_to_one_of_their_own() {
        let linked = |base: &str| {
            let base: Runbooks = base.parse().unwrap();
            base.linked(&format!("runbook_url: {PAGE}asynqqueueold"))
        };
        for (base, link) in [
            (
                "https://wiki.example.com/alerts",
                "https://wiki.example.com/alerts#asynqqueueold",
            ),
            (
                "http://[::1]:80/a?b=c",
                "http://[::1]:80/a?b=c#asynqqueueold",
            ),
            ("https://h/alerts/", "https://h/alerts/asynqqueueold"),
        ] {
            assert_eq!(linked(base), format!("runbook_url: {link}"));
        }
        for text in [
            "",
            "wiki",
            "ftp://h",
            "https://",
            "https:///a",
            "https://h/ a",
            "https://h/{{ $labels.a }}",
            "https://h/#a",
            "https://h/\"",
        ] {
            assert!(text.parse::<Runbooks>().is_err(), "{text}");
        }
    }
}
