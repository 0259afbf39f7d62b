//! Faults and remedies as Markdown tables.

use crate::fault;
use crate::form::Row;
use crate::remedy;

/// What is done, and why the model cannot have it if it cannot.
fn sentence(summary: &str, live_only: &str) -> String {
    match live_only.is_empty() {
        true => summary.trim().to_owned(),
        false => format!("{} Live only: {live_only}.", summary.trim()),
    }
}

/// Every fault and every remedy, as Markdown tables.
pub(super) fn tables() -> String {
    let keys = |rows: Vec<Row>| {
        let keys = rows.iter().map(|row| format!("`{}`", row.key));
        keys.collect::<Vec<String>>().join(", ")
    };
    let mut text = String::from(
        "| fault | what is done | keys | ends | can be behind |\n| --- | --- | --- | --- | --- |\n",
    );
    for kind in fault::KINDS {
        let by: Vec<String> = kind
            .remedies
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let ends = match kind.ends_by_itself {
            true => std::iter::once("at its time".to_owned())
                .chain(by)
                .collect(),
            false => by,
        };
        let causes: Vec<String> = kind
            .causes
            .iter()
            .map(|cause| format!("`{cause}`"))
            .collect();
        text += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            kind.name,
            sentence(kind.summary, kind.live_only),
            keys((kind.rows)()),
            ends.join(", "),
            causes.join(", ")
        );
    }
    text += "\n| remedy | what is done | keys |\n| --- | --- | --- |\n";
    for kind in remedy::KINDS {
        let (name, summary) = (kind.name, sentence(kind.summary, kind.live_only));
        text += &format!("| `{name}` | {summary} | {} |\n", keys((kind.rows)()));
    }
    text
}
