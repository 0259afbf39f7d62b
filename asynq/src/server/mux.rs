//! Chooses a handler by the type of the task (asynq: `ServeMux`).

use super::context::Context;
use super::handler::{Handler, HandlerError, HandlerFuture, Task};
use std::collections::BTreeMap;

/// Handlers by the beginning of the task types they work on: the longest one that fits is chosen. A task that none fits
/// fails, as in asynq.
#[derive(Default)]
pub struct ServeMux {
    handlers: BTreeMap<String, Box<dyn Handler>>,
}

impl ServeMux {
    /// Without handlers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler of the task types that begin with `pattern`. One that was added with the same pattern before is
    /// replaced.
    #[must_use]
    pub fn handle(mut self, pattern: impl Into<String>, handler: impl Handler) -> Self {
        self.handlers.insert(pattern.into(), Box::new(handler));
        self
    }

    fn of(&self, task_type: &str) -> Option<(&str, &dyn Handler)> {
        self.handlers
            .iter()
            .filter(|(pattern, _)| task_type.starts_with(pattern.as_str()))
            .max_by_key(|(pattern, _)| pattern.len())
            .map(|(pattern, handler)| (pattern.as_str(), &**handler))
    }
}

impl Handler for ServeMux {
    fn process(&self, task: Task, context: Context) -> HandlerFuture {
        match self.of(task.task_type()) {
            Some((_, handler)) => handler.process(task, context),
            None => Box::pin(async move {
                let name = task.task_type();
                let text = format!("handler not found for task {name:?}");
                Err(HandlerError::failure(text))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_that_fits_is_chosen() {
        let nothing = |_: Task, _: Context| async { Ok(()) };
        let mux = ServeMux::new()
            .handle("email:", nothing)
            .handle("email:send", nothing);
        let chosen = |task_type| mux.of(task_type).map(|(pattern, _)| pattern);
        assert_eq!(chosen("email:send:now"), Some("email:send"));
        assert_eq!(chosen("email:digest"), Some("email:"));
        assert_eq!(chosen("sms:send"), None);
    }
}
