//! A command of a runbook, judged: each of its programs tried, and what comes out of the last of them.

use super::finding::{Finding, Verdict};
use super::programs::{self, Filtered, Shown};
use super::shell::{self, Errors, Pipeline};
use super::stand::Stand;
use super::trial::Output;
use firedrill_detector::yaml::closest;
use firedrill_sim::metrics::exposition;
use regex::Regex;
use std::collections::BTreeSet;

/// Judges a command as it is written.
pub(super) async fn judged(text: &str, stand: &Stand) -> Finding {
    let (text, filled) = match filled(text, stand).await {
        Ok(filled) => filled,
        Err(finding) => return finding,
    };
    let pipelines = match shell::read(&text) {
        Ok(pipelines) => pipelines,
        Err(reason) => {
            return Finding::not_tried(format!(
                "{reason}: that takes a shell, and none is started"
            ));
        }
    };
    let mut finding: Option<Finding> = None;
    for pipeline in &pipelines {
        let one = judged_alone(pipeline, stand).await;
        finding = Some(match finding {
            None => one,
            Some(before) => before.and(one),
        });
    }
    let finding = finding.unwrap_or_else(|| Finding::not_tried("there is no program in it"));
    match filled.is_empty() {
        true => finding,
        false => emptied(finding, &filled),
    }
}

/// What was found of a command that something was filled into, in the words of the runbook.
fn emptied(mut finding: Finding, filled: &[(String, String)]) -> Finding {
    for (placeholder, value) in filled {
        let texts = finding.typed.iter_mut().chain(&mut finding.notes);
        for text in texts.chain([&mut finding.what]) {
            *text = text.replace(value, placeholder);
        }
    }
    let with: Vec<String> = filled
        .iter()
        .map(|(placeholder, value)| format!("{placeholder} = {value}"))
        .collect();
    finding.note(format!("with {}", with.join(", ")))
}

/// A command with what is to be filled in (`<task_id>`, `<queue>`), and what was.
async fn filled(text: &str, stand: &Stand) -> Result<(String, Vec<(String, String)>), Finding> {
    let placeholder = Regex::new(r"<([A-Za-z][A-Za-z0-9_ -]*)>").expect("held by a test");
    let mut filled = Vec::new();
    let mut result = text.to_owned();
    let in_line = Regex::new(r"(?:--queue[= ]|-q )([^\s<>]+)").expect("held by a test");
    let mut queue = in_line.captures(text).map(|found| found[1].to_owned());
    for found in placeholder.captures_iter(text) {
        let (whole, name) = (&found[0], found[1].to_lowercase().replace([' ', '-'], "_"));
        let queues = stand.redis.as_ref();
        let value = match name.as_str() {
            "queue" | "queue_name" | "qname" => {
                queue = queues.and_then(|queues| queues.names.first().cloned());
                queue.clone()
            }
            "id" | "task_id" | "taskid" => match queues {
                Some(queues) => {
                    let queue = queue.as_ref().or(queues.names.first());
                    match queue {
                        Some(queue) => queues.any_task(queue).await,
                        None => None,
                    }
                }
                None => None,
            },
            _ => None,
        };
        let Some(value) = value else {
            return Err(Finding::not_tried(format!(
                "{whole} is to be filled in, and nothing here says with what"
            )));
        };
        result = result.replace(whole, &value);
        filled.push((whole.to_owned(), value));
    }
    Ok((result, filled))
}

async fn judged_alone(pipeline: &Pipeline, stand: &Stand) -> Finding {
    let Some((source, filters)) = pipeline.stages.split_first() else {
        return Finding::not_tried("there is no program in it");
    };
    let tried = match programs::tried(&source.words, stand).await {
        Ok(tried) => tried,
        // What goes around the pipe does so in every container.
        Err(finding)
            if finding.verdict == Verdict::NotTried
                && !filters.is_empty()
                && source.errors == Errors::Shown
                && programs::are_logs_of_docker(&source.words) =>
        {
            return unseen_errors("what the process says on standard error").and(finding);
        }
        Err(finding) => return finding,
    };
    let mut finding = tried
        .odd
        .clone()
        .unwrap_or_else(|| Finding::new(Verdict::Works, ""));
    finding.notes.extend(tried.notes);
    let whole = tried.output;
    let mut input = whole.out.clone();
    if source.errors == Errors::Merged {
        input.extend(&whole.err);
    }
    if source.is_silent {
        input.clear();
    }
    let mut last = Output {
        out: input,
        ..Output::default()
    };
    for filter in filters {
        let before = last.out.clone();
        match programs::filter(&filter.words, &before).await {
            Ok(Filtered {
                output,
                looked_for: Some(looked),
            }) if !looked.is_inverted => {
                let pattern = &looked.pattern;
                if let Some(nothing) = nothing_found(&tried.shown, pattern, &before, &output, stand)
                {
                    return finding.and(nothing);
                }
                last = output;
                if last.out.is_empty() && !looked.is_counted {
                    let unseen = source.errors == Errors::Shown
                        && !whole.err.is_empty()
                        && tried.shown == Shown::Logs;
                    return finding.and(match unseen {
                        true => unseen_errors("it has said something on standard error, which"),
                        false => Finding::new(Verdict::Works, "")
                            .note(format!("nothing with {pattern:?} in it at the moment")),
                    });
                }
            }
            Ok(Filtered { output, .. }) => last = output,
            Err(failed) => return finding.and(failed),
        }
    }
    if finding.verdict == Verdict::Works && finding.what.is_empty() {
        let lines = String::from_utf8_lossy(&last.out);
        let sample = lines.lines().find(|line| !line.starts_with('#'));
        finding.what = match (&tried.shown, sample) {
            (Shown::Metrics, Some(sample)) => sample.to_owned(),
            _ => last.first_line(),
        };
    }
    finding
}

/// What misleads about a pipe behind a program that says what matters on standard error.
fn unseen_errors(what: &str) -> Finding {
    Finding::misleads(format!(
        "{what} goes around the pipe, and what is behind it does not see it"
    ))
    .note("write 2>&1 before the |")
}

/// What misleads about a grep that finds nothing, where something should be there to be found.
fn nothing_found(
    shown: &Shown,
    pattern: &str,
    before: &[u8],
    output: &Output,
    stand: &Stand,
) -> Option<Finding> {
    // With `-c` a grep prints 0 then.
    let found_nothing = output.code == Some(1);
    let before = String::from_utf8_lossy(before);
    let out = String::from_utf8_lossy(&output.out);
    match shown {
        Shown::Metrics => {
            let comments_alone = !out.is_empty() && out.lines().all(|line| line.starts_with('#'));
            if !found_nothing && !comments_alone {
                return None;
            }
            let values = exposition::decode(&before).unwrap_or_default();
            let names: BTreeSet<&str> = values.iter().map(|(labels, _)| labels.name()).collect();
            let what = match found_nothing {
                true => format!("nothing on the page has {pattern:?} in it"),
                false => {
                    format!("only comments on the page have {pattern:?} in them, and no sample")
                }
            };
            // The metric is there, and what is wrong is behind its name.
            if let Some((name, _)) = pattern.split_once('{')
                && names.contains(name)
            {
                const SHOWN: usize = 3;
                let head = format!("{name}{{");
                let there = before.lines().filter(|line| line.starts_with(&head));
                let there = there.take(SHOWN).map(|line| format!("there is {line}"));
                let mut finding = Finding::misleads(what);
                finding.notes.extend(there);
                return Some(finding);
            }
            Some(near(
                Finding::misleads(what),
                pattern,
                &names,
                "metrics there",
            ))
        }
        Shown::Fields if found_nothing => {
            let names: BTreeSet<&str> = before
                .lines()
                .filter_map(|line| Some(line.split_once(':')?.0))
                .collect();
            let what = format!("no field has {pattern:?} in it");
            Some(near(
                Finding::misleads(what),
                pattern,
                &names,
                "fields there",
            ))
        }
        Shown::Listing if found_nothing => {
            let there = before.lines().count().saturating_sub(1);
            Some(Finding::misleads(format!(
                "none of the {there} listed has {pattern:?} in it"
            )))
        }
        Shown::Tasks if found_nothing && stand.is_ours() => Some(Finding::not_tried(format!(
            "the tasks of this stand have no {pattern:?}; name your own Redis with --redis"
        ))),
        _ => None,
    }
}

/// Adds the nearest of what is there.
pub(super) fn near(finding: Finding, wanted: &str, names: &BTreeSet<&str>, what: &str) -> Finding {
    const SHOWN: usize = 8;
    let word = wanted.trim_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
    if let Some(close) = closest(word, names.iter().copied()) {
        return finding.note(format!("did you mean {close}?"));
    }
    let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    match shown.is_empty() {
        true => finding,
        false => finding.note(format!("{what}: {}{more}", shown.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_named() {
        let names = BTreeSet::from(["job_duration_seconds", "job_processed_total"]);
        let near = |wanted| near(Finding::misleads(""), wanted, &names, "metrics there").notes;
        assert_eq!(
            near("job_procesed_total"),
            ["did you mean job_processed_total?"]
        );
        assert_eq!(
            near("'^job_processed_totl'"),
            ["did you mean job_processed_total?"]
        );
        assert_eq!(
            near("x"),
            ["metrics there: job_duration_seconds, job_processed_total"]
        );
    }
}
