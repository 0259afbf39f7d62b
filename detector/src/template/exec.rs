//! Executing a template (Go, text/template/exec.go).

mod evaluate;

use std::rc::Rc;

use super::call::Failure;
use super::node::{Branch, BranchKind, Node, Pipe, Place};
use super::printf::Printer;
use super::value::{QueryElement, QueryResult, Root, Value};
use super::{Ask, Data, Program, TEXT_MAX, builtins};
use crate::compat::Compat;
use crate::go_format;

/// Deepest nesting of what is being executed.
const DEPTH_MAX: usize = 250;
/// Most steps of an expansion; a text counts by its length, a query as many.
const STEPS_MAX: usize = 200_000;
const STEPS_PER_QUERY: usize = 1000;
const BYTES_PER_STEP: usize = 64;

/// Why an execution ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// What Prometheus says as well.
    Error(String),
    /// Prometheus would go on, or say something else.
    Beyond(String),
}

type Result<T> = std::result::Result<T, Stop>;

/// How a list ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// An execution under way.
pub(super) struct Execution<'t, 'd> {
    program: &'t Program,
    compat: Compat,
    at_ms: i64,
    /// None: there is no server, as in promtool's tests.
    server_url: Option<&'d str>,
    asker: &'d mut dyn Ask,
    out: Vec<u8>,
    /// Which definition is executed, for messages.
    name: &'t str,
    place: Option<Place<'t>>,
    variables: Vec<(&'t str, Value)>,
    depth: usize,
    steps: usize,
}

/// Executes the template; its text, as far as it got without an error.
pub(super) fn execute(
    program: &Program,
    data: Data<'_>,
    compat: Compat,
    asker: &mut dyn Ask,
) -> Result<Vec<u8>> {
    let dot = Value::Data(Rc::new(Root {
        labels: data.labels.clone(),
        external_labels: data.external.labels.clone(),
        external_url: data.external.url.clone(),
        value: data.value,
    }));
    let mut execution = Execution {
        program,
        compat,
        at_ms: data.at_ms,
        server_url: (!data.external.is_test).then_some(&data.external.url),
        asker,
        out: Vec::new(),
        name: &program.name,
        place: None,
        variables: vec![("$", dot.clone())],
        depth: 0,
        steps: 0,
    };
    let root = program.definitions.get(&program.name);
    execution.list(&dot, root.map_or(&[], Vec::as_slice))?;
    Ok(execution.out)
}

impl<'t> Execution<'t, '_> {
    pub(super) fn compat(&self) -> Compat {
        self.compat
    }

    pub(super) fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// The server's address.
    ///
    /// # Errors
    ///
    /// In a test there is none, and promtool fails.
    pub(super) fn server_url(&self) -> std::result::Result<&str, Failure> {
        let nil = "runtime error: invalid memory address or nil pointer dereference";
        self.server_url.ok_or_else(|| Failure::Error(nil.into()))
    }

    /// Asks for the value of an expression at the time of the evaluation.
    pub(super) fn query(&mut self, expr: &str) -> std::result::Result<Value, Failure> {
        self.steps += STEPS_PER_QUERY;
        let elements = self.asker.ask(expr).map_err(Failure::Beyond)?;
        self.steps += elements.len();
        let elements = elements.into_iter();
        let elements = elements.map(|(labels, value)| Rc::new(QueryElement { labels, value }));
        Ok(Value::Result(QueryResult::new(elements.collect())))
    }

    fn fail<T>(&self, message: impl AsRef<str>) -> Result<T> {
        let message = message.as_ref();
        let (name, parsed) = (self.name, &self.program.name);
        let Some(place) = self.place else {
            return Err(Stop::Error(format!("template: {name}: {message}")));
        };
        let before = &self.program.text[..place.at()];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rfind('\n')
            .map_or(before.len(), |end| before.len() - end - 1);
        let quoted = go_format::quoted(name);
        Err(Stop::Error(format!(
            "template: {parsed}:{line}:{column}: executing {quoted} at <{place}>: {message}"
        )))
    }

    fn beyond<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(Stop::Beyond(why.into()))
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        match self.steps > STEPS_MAX {
            true => self.beyond(format!("more than {STEPS_MAX} steps")),
            false => Ok(()),
        }
    }

    /// Goes one level deeper.
    fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.step()?;
        if self.depth == DEPTH_MAX {
            return self.beyond(format!("templates nested more than {DEPTH_MAX} deep"));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn write(&mut self, text: &[u8]) -> Result<()> {
        self.steps += text.len() / BYTES_PER_STEP;
        self.out.extend_from_slice(text);
        match self.out.len() > TEXT_MAX {
            true => self.beyond(format!("a text of more than {TEXT_MAX} bytes")),
            false => Ok(()),
        }
    }

    fn type_of(&self, value: &Value) -> &'static str {
        value.type_name(self.compat)
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow> {
        self.nested(|execution| {
            for node in nodes {
                let flow = execution.node(dot, node)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Result<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.write(text.as_bytes())?,
            Node::Action(pipe) => {
                self.place = Some(Place::Action(pipe));
                let value = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.place = Some(Place::Action(pipe));
                    self.print(&value)?;
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Branch(branch) => {
                let mark = self.variables.len();
                self.place = Some(Place::Branch(branch));
                let flow = match branch.kind {
                    BranchKind::Range => self.range(dot, branch)?,
                    BranchKind::If | BranchKind::With => self.choose(dot, branch)?,
                };
                self.variables.truncate(mark);
                return Ok(flow);
            }
            Node::Template { name, pipe, .. } => {
                self.place = Some(Place::Template(node));
                self.template(dot, name, pipe.as_ref())?;
            }
        }
        Ok(Flow::On)
    }

    fn print(&mut self, value: &Value) -> Result<()> {
        let value = builtins::printable(value);
        match Printer::new(self.compat).print(&[value]) {
            Ok(text) => self.write(&text),
            Err(why) => self.beyond(why),
        }
    }

    /// `if` and `with`.
    fn choose(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow> {
        let value = self.pipe(dot, &branch.pipe)?;
        match &branch.otherwise {
            _ if value.is_true() => match branch.kind {
                BranchKind::With => self.list(&value, &branch.list),
                _ => self.list(dot, &branch.list),
            },
            Some(otherwise) => self.list(dot, otherwise),
            None => Ok(Flow::On),
        }
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow> {
        let (value, _) = self.pipe(dot, &branch.pipe)?.indirect();
        let mark = self.variables.len();
        let mut any = false;
        // Index and element, one after the other.
        let pairs: Box<dyn Iterator<Item = (Value, Value)>> = match &value {
            Value::Int(..) | Value::Byte(_) | Value::Duration { .. }
                if self.compat == Compat::V3 =>
            {
                let shown = self.shown(&value)?;
                if branch.pipe.variables.len() > 1 {
                    return self.fail(format!(
                        "can't use {shown} to iterate over more than one variable"
                    ));
                }
                let value = value.clone();
                let (count, of): (i64, Box<dyn Fn(i64) -> Value>) = match value {
                    Value::Int(count, kind) => (count, Box::new(move |at| Value::Int(at, kind))),
                    Value::Duration { ns, .. } => (
                        ns,
                        Box::new(|ns| Value::Duration {
                            ns,
                            is_pointer: false,
                        }),
                    ),
                    Value::Byte(count) => (
                        i64::from(count),
                        Box::new(|at| Value::Byte(u8::try_from(at).unwrap_or(u8::MAX))),
                    ),
                    _ => (0, Box::new(|_| Value::Invalid)),
                };
                Box::new((0..count).map(move |at| (Value::Invalid, of(at))))
            }
            Value::Result(result) => {
                let result = result.clone();
                let element = move |at| (Value::int(at), Value::Element(result.get(at)));
                let count = match &value {
                    Value::Result(result) => result.len(),
                    _ => 0,
                };
                Box::new((0..count).map(element))
            }
            Value::Labels(labels) => {
                let pairs: Vec<(Value, Value)> = labels
                    .iter()
                    .map(|(name, value)| (Value::text(name), Value::text(value)))
                    .collect();
                Box::new(pairs.into_iter())
            }
            Value::Map(map) => {
                let pairs: Vec<(Value, Value)> = map
                    .values
                    .iter()
                    .map(|(name, value)| (Value::text(name), value.clone()))
                    .collect();
                Box::new(pairs.into_iter())
            }
            Value::Invalid | Value::Interface(_) => Box::new(std::iter::empty()),
            _ => {
                let shown = self.shown(&value)?;
                return self.fail(format!("range can't iterate over {shown}"));
            }
        };
        for (index, element) in pairs {
            any = true;
            self.step()?;
            self.bind(branch, index, &element)?;
            let flow = self.list(&element, &branch.list)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        match &branch.otherwise {
            Some(otherwise) if !any => self.list(dot, otherwise),
            _ => Ok(Flow::On),
        }
    }

    /// Gives the variables of a range their values.
    fn bind(&mut self, branch: &'t Branch, index: Value, element: &Value) -> Result<()> {
        let names = &branch.pipe.variables;
        let values = match names.len() {
            0 => return Ok(()),
            1 => vec![element.clone()],
            _ => vec![index, element.clone()],
        };
        if branch.pipe.assigns {
            for (name, value) in names.iter().zip(values) {
                self.assign(name, value)?;
            }
            return Ok(());
        }
        let first = self.variables.len().saturating_sub(values.len());
        for ((_, variable), value) in self.variables[first..].iter_mut().zip(values) {
            *variable = value;
        }
        Ok(())
    }

    /// A value as `%v` shows it in a message.
    fn shown(&self, value: &Value) -> Result<String> {
        match Printer::new(self.compat).print(std::slice::from_ref(value)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) => self.beyond(why),
        }
    }

    fn template(&mut self, dot: &Value, name: &'t str, pipe: Option<&'t Pipe>) -> Result<()> {
        let program = self.program;
        let Some((name, nodes)) = program.definitions.get_key_value(name) else {
            let quoted = go_format::quoted(name);
            return self.fail(format!("template {quoted} not defined"));
        };
        let dot = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Invalid,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let outer = std::mem::replace(&mut self.name, name);
        self.list(&dot, nodes)?;
        self.name = outer;
        self.variables = variables;
        Ok(())
    }
}
