//! `firedrill runbook check`: every command of a runbook, tried where it only looks, and every metric and alert it names.

mod finding;
mod judge;
mod mentions;
mod page;
mod programs;
mod shell;
mod stand;
mod trial;

use crate::args::RunbookCheck;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inputs::{self, Named, Place};
use crate::terminal::Terminal;
use finding::{Found, Judged};
use firedrill_sim::files::shown;
use page::Page;
use regex::Regex;
use stand::Stand;
use std::collections::BTreeSet;

/// Most queues that a stand of ours has.
const QUEUES_MOST: usize = 20;

/// Checks a runbook.
///
/// # Errors
/// When it cannot be read, or there is nothing to try its commands on.
pub fn check(args: &RunbookCheck, terminal: &Terminal) -> Result<Exit, Failure> {
    let page = Page::read(&inputs::read(&args.file)?);
    if page.commands.is_empty() {
        return Err(Failure::usage(format!(
            "{}: there is no command in it; commands stand in blocks (```bash) or in `code`",
            shown(&args.file)
        )));
    }
    let alerts = alerts(args, terminal)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::environment)?;
    let found = runtime.block_on(tried(args, &page, alerts.as_ref()))?;
    match args.json {
        true => terminal.result(&format!("{:#}\n", found.json())),
        false => terminal.plain_result(&found.told()),
    }
    Ok(Exit::of(found.passes()))
}

async fn tried(
    args: &RunbookCheck,
    page: &Page,
    alerts: Option<&BTreeSet<String>>,
) -> Result<Found, Failure> {
    let stand = Stand::new(args, &queues(page)).await?;
    let mut lines = Vec::new();
    for command in &page.commands {
        lines.push(Judged {
            line: command.line,
            text: command.text.clone(),
            finding: judge::judged(&command.text, &stand).await,
        });
    }
    lines.extend(mentions::judged(&page.mentions, &stand, alerts));
    lines.sort_by_key(|line| line.line);
    let found = Found {
        file: shown(&args.file).to_string(),
        stand: stand.told(),
        lines,
    };
    stand.end().await;
    Ok(found)
}

/// Names of the alerts of the rule files that were given.
fn alerts(args: &RunbookCheck, terminal: &Terminal) -> Result<Option<BTreeSet<String>>, Failure> {
    if args.rules.files.is_empty() {
        return Ok(None);
    }
    let named = Named::new(&[(Place::Rules, &args.rules.files)]).understood()?;
    let rules = inputs::with_alerts(&named, &args.rules.dialect, terminal)?;
    let names = rules.alerts().map(|alert| alert.name.to_owned());
    Ok(Some(names.collect()))
}

/// Queues that the runbook names, `default` among them.
fn queues(page: &Page) -> Vec<String> {
    let named = Regex::new(
        r"asynq:\{([^{}<>$]+)\}:|(?:--queue[= ]|\s-q )([^\s<>$|;&]+)|queue (?:inspect|history) ([^\s<>$|;&-][^\s<>$|;&]*)",
    );
    let named = named.expect("held by a test");
    let mut queues = BTreeSet::from(["default".to_owned()]);
    for command in &page.commands {
        for found in named.captures_iter(&command.text) {
            let name = found.iter().skip(1).flatten().next();
            queues.extend(name.map(|name| name.as_str().trim_matches(['\'', '"']).to_owned()));
        }
    }
    queues.into_iter().take(QUEUES_MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_found_in_commands() {
        let text = "```bash\n\
                    redis-cli LLEN asynq:{emails}:pending\n\
                    asynq task ls --queue=low -s retry\n\
                    asynq task ls -q 'high' -s retry\n\
                    asynq queue inspect reports\n\
                    asynq task inspect --queue=<queue>\n\
                    ```\n";
        let queues = queues(&Page::read(text));
        assert_eq!(queues, ["default", "emails", "high", "low", "reports"]);
    }
}
