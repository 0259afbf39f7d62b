//! When two answers are the same.

use serde_json::Value;

/// What either side says: an answer, or an error's text.
pub(super) type Said = Result<Value, String>;

/// Whether Go says at least what we say.
pub(super) fn agree(go: &Said, ours: &Said) -> bool {
    match (go, ours) {
        (Ok(go), Ok(ours)) => says_as_much(go, ours),
        (Err(go), Err(ours)) => meaning(go) == meaning(ours),
        _ => false,
    }
}

/// An error without the code that asynq puts before some, and in one wording where its layers have several.
fn meaning(text: &str) -> &str {
    let text = text.strip_prefix("asynq: ").unwrap_or(text);
    let text = match text.split_once(": ") {
        Some((code, rest)) if code.chars().all(|c| c.is_ascii_uppercase() || c == '_') => rest,
        _ => text,
    };
    let wordings: [(&str, &[&str]); 4] = [
        ("no such queue", &["queue not found", "does not exist"]),
        ("no such task", &["task not found", "cannot find task"]),
        ("not empty", &["is not empty"]),
        (
            "not listed",
            &[
                "task id not found in",
                "task is not found in",
                "where its state says it is",
            ],
        ),
    ];
    let worded = wordings
        .iter()
        .find(|(_, words)| words.iter().any(|word| text.contains(word)));
    worded.map_or(text, |(meaning, _)| meaning)
}

fn says_as_much(go: &Value, ours: &Value) -> bool {
    match (go, ours) {
        (Value::Object(go), Value::Object(ours)) => ours
            .iter()
            .all(|(name, ours)| go.get(name).is_some_and(|go| says_as_much(go, ours))),
        (Value::Array(go), Value::Array(ours)) => {
            go.len() == ours.len() && go.iter().zip(ours).all(|(go, ours)| says_as_much(go, ours))
        }
        (go, ours) => go == ours,
    }
}
