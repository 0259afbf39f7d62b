//! `curl`: tried where it only gets, from this machine or the stand.

use super::{Shown, Tried};
use crate::commands::runbook::finding::{Finding, Verdict};
use crate::commands::runbook::stand::Stand;
use crate::commands::runbook::trial::{self, TrialError};
use firedrill_sim::http::get::Url;
use firedrill_sim::metrics::exposition;

/// Options that only say how to get, and take no value.
const ALONE: [&str; 28] = [
    "-s",
    "--silent",
    "-S",
    "--show-error",
    "-f",
    "--fail",
    "--fail-with-body",
    "-i",
    "--include",
    "-I",
    "--head",
    "-v",
    "--verbose",
    "-k",
    "--insecure",
    "-4",
    "--ipv4",
    "-6",
    "--ipv6",
    "--compressed",
    "-L",
    "--location",
    "-G",
    "--get",
    "-N",
    "--no-buffer",
    "-g",
    "--globoff",
];
/// The same, with a value.
const WITH_VALUE: [&str; 14] = [
    "-m",
    "--max-time",
    "--connect-timeout",
    "-H",
    "--header",
    "-A",
    "--user-agent",
    "--retry",
    "--retry-delay",
    "-w",
    "--write-out",
    "--url",
    "-u",
    "--user",
];
/// Options that send something, unless `-G` makes a query of it.
const SEND: [&str; 5] = [
    "-d",
    "--data",
    "--data-raw",
    "--data-urlencode",
    "--data-binary",
];

/// What is known of a command line.
#[derive(Debug, Default)]
struct Read {
    options: Vec<String>,
    urls: Vec<String>,
    sends: bool,
    is_get: bool,
}

/// Tries the words after `curl`.
pub(super) async fn tried(words: &[String], stand: &Stand) -> Result<Tried, Finding> {
    let read = read(words)?;
    if read.sends && !read.is_get {
        return Err(Finding::new(
            Verdict::ChangesSomething,
            "it sends something: not tried",
        ));
    }
    let [typed] = &read.urls[..] else {
        return Err(Finding::not_tried("it does not get exactly one page"));
    };
    let whole = match typed.contains("://") {
        true => typed.clone(),
        false => format!("http://{typed}"),
    };
    let url: Url = whole
        .parse()
        .map_err(|error| Finding::not_tried(format!("{typed}: {error}")))?;
    let place = stand.place_of(&url).map_err(Finding::not_tried)?;
    // No redirection leads elsewhere, no file says otherwise, and no proxy stands between.
    let first = [
        "-q",
        "--show-error",
        "--noproxy",
        "*",
        "--proto",
        "=http,https",
        "--max-redirs",
        "0",
        "--max-time",
        "10",
    ];
    let words: Vec<String> = first.iter().map(|word| (*word).to_owned()).collect();
    let words = [&words[..], &read.options, &[place.to_string()]].concat();
    let output = trial::run("curl", &words, &[], &[])
        .await
        .map_err(|error| match error {
            TrialError::NotStarted { .. } => Finding::not_tried(error.to_string()),
            TrialError::Slow { .. } => Finding::fails(error.to_string()),
        })?;
    let asked = if place == url {
        String::new()
    } else {
        format!(" (asked: {place})")
    };
    if output.code != Some(0) {
        let hides = hides_errors(&read.options);
        let failed = Finding::fails(format!(
            "curl ends with exit code {}{asked}: {}",
            output.code.unwrap_or(-1),
            output.complaint()
        ));
        return Err(match hides {
            true => failed.note("`-s` hides why, `-sS` tells"),
            false => failed,
        });
    }
    let text = String::from_utf8_lossy(&output.out).into_owned();
    let is_metrics = exposition::decode(&text).is_ok_and(|values| !values.is_empty());
    let shown = if is_metrics {
        Shown::Metrics
    } else {
        Shown::Other
    };
    let tried = Tried::new(output, shown);
    Ok(match place == url {
        true => tried,
        false => tried.note(format!("asked at {place}, the stand's own")),
    })
}

/// Whether curl says nothing of what goes wrong.
fn hides_errors(options: &[String]) -> bool {
    let is_given = |letter: char, long: &str| {
        let mut options = options.iter();
        options.any(|option| {
            option == long
                || !option.starts_with("--") && option.starts_with('-') && option.contains(letter)
        })
    };
    is_given('s', "--silent") && !is_given('S', "--show-error")
}

fn read(words: &[String]) -> Result<Read, Finding> {
    let mut read = Read::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !word.starts_with('-') || word == "-" {
            read.urls.push(word.clone());
            continue;
        }
        // `-sSf` is three options, and `-m5` one with its value.
        let letters = word
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with('-') && rest.len() > 1);
        if let Some(letters) = letters
            && letters
                .chars()
                .all(|letter| ALONE.contains(&format!("-{letter}").as_str()))
        {
            read.is_get |= letters.contains('G');
            read.options.push(word.clone());
            continue;
        }
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        if ALONE.contains(&name) {
            read.is_get |= matches!(name, "-G" | "--get");
            read.options.push(word.clone());
            continue;
        }
        let mut value = || {
            joined
                .clone()
                .or_else(|| words.next().cloned())
                .unwrap_or_default()
        };
        match name {
            "--url" => read.urls.push(value()),
            "-X" | "--request" => {
                let method = value();
                if !matches!(method.as_str(), "GET" | "HEAD") {
                    return Err(Finding::new(
                        Verdict::ChangesSomething,
                        format!("{method} may change something: not tried"),
                    ));
                }
            }
            "-o" | "--output" if value() == "/dev/null" => {}
            _ if WITH_VALUE.contains(&name) => {
                let value = value();
                // `@file` would be read, and `%output{file}` written.
                if value.starts_with('@') || value.contains("%output") {
                    return Err(Finding::not_tried(format!("{name} uses a file: not tried")));
                }
                read.options.extend([name.to_owned(), value]);
            }
            _ if SEND.contains(&name) => {
                let value = value();
                if value.starts_with('@') {
                    return Err(Finding::not_tried(format!("{name} reads a file")));
                }
                read.sends = true;
                read.options.extend([name.to_owned(), value]);
            }
            _ => {
                return Err(Finding::not_tried(format!(
                    "{name} is not on the list of options that only get: not tried"
                )));
            }
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match read(&words) {
            Ok(read) => format!(
                "{} <- {}, sends {}",
                read.options.join(" "),
                read.urls.join(" "),
                read.sends && !read.is_get
            ),
            Err(finding) => finding.what,
        }
    }

    #[test]
    fn options_that_only_get_are_kept_and_no_others() {
        for (line, expected) in [
            ("-s http://h/metrics", "-s <- http://h/metrics, sends false"),
            ("-sSf -m 5 http://h", "-sSf -m 5 <- http://h, sends false"),
            (
                "-G --data-urlencode query=up http://h",
                "-G --data-urlencode query=up <- http://h, sends false",
            ),
            ("-d x http://h", "-d x <- http://h, sends true"),
            (
                "-X DELETE http://h",
                "DELETE may change something: not tried",
            ),
            ("-X GET http://h", " <- http://h, sends false"),
            ("-o /dev/null http://h", " <- http://h, sends false"),
            (
                "-o out http://h",
                "-o is not on the list of options that only get: not tried",
            ),
            (
                "-T file http://h",
                "-T is not on the list of options that only get: not tried",
            ),
            (
                "-K config",
                "-K is not on the list of options that only get: not tried",
            ),
            ("-H @secret http://h", "-H uses a file: not tried"),
            ("-w %output{x} http://h", "-w uses a file: not tried"),
            ("-G -d @secret http://h", "-d reads a file"),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }
}
