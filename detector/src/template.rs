//! Templates of labels and annotations: Go's `text/template` with Prometheus' functions and variables (template/template.go,
//! rules/alerting.go), whole.
//!
//! A template is read when its rule file is: `lex` takes its text apart, `parse` makes a tree (`node`) of it, and refuses what
//! Prometheus refuses. `exec` executes the tree for an element of the alert's result; what goes wrong then becomes the text, in
//! Prometheus' words. Values are Go's (`value`), and so is what `printf` makes of them (`printf`, `pad`).
//!
//! What Prometheus leaves to chance or to a machine (addresses, local time), what it would say of a query that fails, and what
//! takes more than the limits allow comes out as an error that says so: [`Expanded::is_exact`].

mod builtins;
mod call;
mod escape;
mod exec;
mod functions;
mod lex;
mod literal;
mod node;
mod pad;
mod parse;
mod printf;
mod time;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use call::Function;
use exec::Stop;
use node::{Command, Node, Operand, Term};

use crate::LOOKBACK_MS;
use crate::compat::Compat;
use crate::expr::compile::{Reach, compile};
use crate::sample::Labels;

/// Longest template with an action in it, bytes.
const LENGTH_MAX: usize = 64 * 1024;
/// Longest text a template makes, bytes. Labels made from labels, evaluation after evaluation, could double each time.
const TEXT_MAX: usize = 64 * 1024;

/// What Prometheus puts before every template.
const DECLARED: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                        {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// A parsed template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    text: Arc<str>,
    /// None: the text stands for itself.
    program: Option<Arc<Program>>,
    compat: Compat,
    uses: Uses,
}

/// What can be executed.
#[derive(Debug)]
struct Program {
    /// The name messages have, which is that of the definition to begin with.
    name: String,
    /// The text with what Prometheus puts before it.
    text: String,
    definitions: BTreeMap<String, Vec<Node>>,
}

/// What an expansion depends on besides the labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Uses {
    value: bool,
    /// The time of the evaluation, and what other series are there then.
    moment: bool,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template does not parse: {message}")]
pub(crate) struct TemplateError {
    /// The byte of the text where it is wrong.
    pub(crate) at: usize,
    message: String,
}

impl TemplateError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }
}

/// Who answers the queries of templates.
pub(crate) trait Ask {
    /// The value of an expression at the time of the evaluation.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn ask(&mut self, expr: &str) -> Result<Vec<(Labels, f64)>, String>;
}

/// Nobody, for templates without queries.
pub(crate) struct Nobody;

impl Ask for Nobody {
    fn ask(&mut self, _: &str) -> Result<Vec<(Labels, f64)>, String> {
        Err("a query that nobody answers".into())
    }
}

/// What a template is expanded with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data<'d> {
    /// The query result's labels, metric name included.
    pub(crate) labels: &'d Labels,
    pub(crate) value: f64,
    /// The time of the evaluation.
    pub(crate) at_ms: i64,
    pub(crate) external: &'d External,
}

/// The server's identity, as far as templates show it.
#[derive(Debug, Clone, Default)]
pub(crate) struct External {
    pub(crate) labels: Labels,
    pub(crate) url: String,
    /// Whether this is a test: promtool has no server, so that functions which ask for its address fail.
    pub(crate) is_test: bool,
}

/// What became of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expanded {
    pub(crate) text: String,
    /// Whether Prometheus has the same text.
    pub(crate) is_exact: bool,
}

impl Template {
    /// Parses the template of a label or annotation of the alert called `alert`; a text without `{{` stands for itself.
    ///
    /// # Errors
    ///
    /// What Prometheus refuses, and texts that are too long or nested too deep.
    pub(crate) fn parse(alert: &str, text: &str, compat: Compat) -> Result<Self, TemplateError> {
        if !text.contains("{{") {
            return Ok(Self::verbatim(text, compat));
        }
        if text.len() > LENGTH_MAX {
            let length = text.len();
            let message = format!("it has {length} bytes; the limit is {LENGTH_MAX}");
            return Err(TemplateError::new(0, message));
        }
        let whole = format!("{DECLARED}{text}");
        let program = parse::program(&format!("__alert_{alert}"), &whole, compat);
        let program = program.map_err(|error| TemplateError {
            at: error.at.saturating_sub(DECLARED.len()).min(text.len()),
            ..error
        })?;
        let mut uses = Uses::default();
        program.each_operand(&mut |operand| uses.note(operand));
        Ok(Self {
            text: text.into(),
            program: Some(Arc::new(program)),
            compat,
            uses,
        })
    }

    /// A template that expands to `text` as it stands.
    pub(crate) fn verbatim(text: &str, compat: Compat) -> Self {
        Self {
            text: text.into(),
            program: None,
            compat,
            uses: Uses::default(),
        }
    }

    /// Whether the expansion depends on the alert's value.
    pub(crate) fn uses_value(&self) -> bool {
        self.uses.value
    }

    /// Whether the expansion depends on when it is made: on the time, or on other series.
    pub(crate) fn uses_moment(&self) -> bool {
        self.uses.moment
    }

    /// How far back its queries look, as far as that can be told from its text: an expression may be put together from
    /// pieces, so that all lengths of time in it are added up.
    pub(crate) fn reach(&self) -> Reach {
        let mut reach = Reach::default();
        let Some(program) = self.program.as_ref().filter(|_| self.uses.moment) else {
            return reach;
        };
        let mut pieces_ms = LOOKBACK_MS;
        program.each_operand(&mut |operand| {
            let Term::Text { bytes, .. } = &operand.term else {
                return;
            };
            let text = String::from_utf8_lossy(bytes);
            match compile(&text, self.compat) {
                Ok(compiled) => reach = reach.merge(compiled.reach),
                Err(_) => pieces_ms = pieces_ms.saturating_add(lengths_ms(&text)),
            }
        });
        reach.back_ms = reach.back_ms.max(pieces_ms);
        reach
    }

    /// Queries written out in the template that cannot be evaluated here: where they stand, and why.
    pub(crate) fn wrong_queries(&self) -> Vec<(usize, String)> {
        let mut wrong = Vec::new();
        let Some(program) = self.program.as_ref().filter(|_| self.uses.moment) else {
            return wrong;
        };
        program.each_command(&mut |command| {
            let [function, query] = command.operands.as_slice() else {
                return;
            };
            let (Term::Function(Function::Query, _), Term::Text { bytes, .. }) =
                (&function.term, &query.term)
            else {
                return;
            };
            if let Err(why) = compile(&String::from_utf8_lossy(bytes), self.compat) {
                wrong.push((query.at.saturating_sub(DECLARED.len()), why.message));
            }
        });
        wrong
    }

    /// The text with everything put in. What goes wrong is put in its place, as Prometheus does (rules/alerting.go).
    pub(crate) fn expand(&self, data: Data<'_>, asker: &mut dyn Ask) -> Expanded {
        let exact = |text: String| Expanded {
            text,
            is_exact: true,
        };
        let Some(program) = &self.program else {
            return exact(self.text.to_string());
        };
        match exec::execute(program, data, self.compat, asker) {
            Ok(text) => exact(String::from_utf8_lossy(&text).into_owned()),
            Err(Stop::Error(message)) => {
                let name = &program.name;
                exact(format!(
                    "<error expanding template: error executing template {name}: {message}>"
                ))
            }
            Err(Stop::Beyond(why)) => Expanded {
                text: format!("<error expanding template: not known here: {why}>"),
                is_exact: false,
            },
        }
    }
}

impl Program {
    /// Calls `each` with the commands of the template, those that Prometheus puts before it left out.
    fn each_command<'t>(&'t self, each: &mut dyn FnMut(&'t Command)) {
        for nodes in self.definitions.values() {
            node::each_command(nodes, &mut |command| {
                if command.at >= DECLARED.len() {
                    each(command);
                }
            });
        }
    }

    /// Calls `each` with the operands of all commands.
    fn each_operand<'t>(&'t self, each: &mut dyn FnMut(&'t Operand)) {
        self.each_command(&mut |command| {
            for operand in &command.operands {
                let mut operand = operand;
                each(operand);
                while let Term::Chain(of, _) = &operand.term {
                    operand = of;
                    each(operand);
                }
            }
        });
    }
}

impl Uses {
    fn note(&mut self, operand: &Operand) {
        self.value |= match &operand.term {
            Term::Dot => true,
            Term::Field(names) => names[0] == "Value",
            Term::Variable(names) => match names[0].as_str() {
                "$" => names.get(1).is_none_or(|name| name == "Value"),
                name => name == "$value",
            },
            Term::Chain(_, names) => names[0] == "Value",
            _ => false,
        };
        self.moment |= matches!(
            operand.term,
            Term::Function(Function::Query | Function::Now, _)
        );
    }
}

/// All lengths of time in a text, added up, in milliseconds.
fn lengths_ms(text: &str) -> i64 {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric());
    let lengths = words.filter(|word| word.starts_with(|char: char| char.is_ascii_digit()));
    let lengths = lengths.filter_map(crate::duration::parse_ms);
    lengths.fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests;
