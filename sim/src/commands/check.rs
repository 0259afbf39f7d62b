//! `firedrill check`: scenario and rule files, all problems at once; nothing is started.

use crate::cli::Check;
use crate::commands::{Failure, Terminal, inputs};
use crate::exit::Exit;
use firedrill_reports::record::RuleText;

/// Checks every file and says what it is.
///
/// # Errors
/// With all problems of all files.
pub fn run(args: &Check, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut failure = Failure {
        exit: Exit::Usage,
        messages: Vec::new(),
    };
    for path in &args.files {
        let verdict = inputs::read(path).and_then(|text| {
            if is_rule_file(&text) {
                let (rules, _) = inputs::pack(
                    vec![RuleText {
                        name: path.display().to_string(),
                        text,
                    }],
                    &[],
                )?;
                for warning in rules.set.warnings() {
                    terminal.say(format_args!("warning: {warning}"));
                }
                Ok(format!("{} alerting rules", rules.set.alerts().count()))
            } else {
                let plan = inputs::plan(path, &text, None)
                    .map_err(|problems| Failure::problems(&problems))?;
                let minutes = plan.duration_ms / 60_000;
                Ok(format!(
                    "scenario {}, {minutes} min, {} incident(s)",
                    plan.name,
                    plan.incidents.len()
                ))
            }
        });
        match verdict {
            Ok(what) => terminal.result(&format!("ok {}: {what}", path.display())),
            Err(found) => failure.messages.extend(found.messages),
        }
    }
    if failure.messages.is_empty() {
        Ok(Exit::Passed)
    } else {
        Err(failure)
    }
}

/// A rule file has `groups:` at its top level, a Kubernetes resource `apiVersion:` and `kind:`; a scenario never has.
fn is_rule_file(text: &str) -> bool {
    let begins = ["groups:", "apiVersion:", "kind:"];
    text.lines()
        .any(|line| begins.iter().any(|begin| line.starts_with(begin)))
}
