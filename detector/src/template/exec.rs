//! Executing a template (Go, text/template/exec.go).

use std::rc::Rc;

use super::call::{Callee, Failure, Function, Type};
use super::literal::{Ideal, Number};
use super::node::{Branch, BranchKind, Command, Node, Operand, Pipe, Place, Term};
use super::printf::Printer;
use super::value::{IntType, QueryElement, QueryResult, Root, Value};
use super::{Ask, Data, Program, TEXT_MAX, builtins, time};
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

    /// The value of the last command, which the variables get.
    fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value> {
        self.nested(|execution| {
            execution.place = Some(Place::Pipe(pipe));
            let mut value = None;
            for command in &pipe.commands {
                let result = execution.command(dot, command, value)?;
                value = Some(result.concrete().clone());
            }
            let value = value.unwrap_or(Value::Invalid);
            for name in &pipe.variables {
                match pipe.assigns {
                    true => execution.assign(name, value.clone())?,
                    false => execution.variables.push((name, value.clone())),
                }
            }
            Ok(value)
        })
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<()> {
        let mut variables = self.variables.iter_mut().rev();
        match variables.find(|(known, _)| *known == name) {
            Some((_, variable)) => *variable = value,
            None => return self.fail(format!("undefined variable: {name}")),
        }
        Ok(())
    }

    fn variable(&self, name: &str) -> Result<Value> {
        let mut variables = self.variables.iter().rev();
        match variables.find(|(known, _)| *known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    /// A command; `last` is what the one before it came to.
    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Result<Value> {
        let operands = &command.operands;
        let first = &operands[0];
        match &first.term {
            Term::Field(..) | Term::Chain(..) | Term::Variable(_) => {
                self.operand(dot, first, Some((operands, last)))
            }
            Term::Function(function, name) => {
                self.place = Some(Place::Operand(first));
                let callee = Callee::Function(*function);
                let place = Place::Command(command);
                self.call(dot, &callee, place, name, &operands[1..], last)
            }
            Term::Pipe(pipe) => {
                self.no_arguments(operands, last.as_ref())?;
                self.pipe(dot, pipe)
            }
            Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text { .. } => {
                self.place = Some(Place::Operand(first));
                self.no_arguments(operands, last.as_ref())?;
                match &first.term {
                    Term::Nil => self.fail("nil is not a command"),
                    _ => self.literal(dot, first),
                }
            }
        }
    }

    fn no_arguments(&self, operands: &[Operand], last: Option<&Value>) -> Result<()> {
        match operands.len() > 1 || last.is_some() {
            true => self.fail(format!(
                "can't give argument to non-function {}",
                operands[0]
            )),
            false => Ok(()),
        }
    }

    /// What a literal or the dot stands for where nothing asks for a type.
    fn literal(&mut self, dot: &Value, operand: &'t Operand) -> Result<Value> {
        self.place = Some(Place::Operand(operand));
        Ok(match &operand.term {
            Term::Bool(value) => Value::Bool(*value),
            Term::Dot => dot.clone(),
            Term::Number(number) => self.ideal(number)?,
            Term::Text { bytes, .. } => Value::text(bytes),
            _ => {
                return self.fail(format!(
                    "can't handle assignment of {operand} to empty interface argument"
                ));
            }
        })
    }

    fn ideal(&self, number: &Number) -> Result<Value> {
        Ok(match number.ideal() {
            Ideal::Complex(real, imaginary) => Value::Complex(real, imaginary),
            Ideal::Float(value) => Value::Float(value),
            Ideal::Int(value) => Value::Int(value, IntType::Int),
            Ideal::Overflow => return self.fail(format!("{} overflows int", number.text)),
        })
    }

    /// Fields, variables and what is in parentheses. `given` are the operands of the command that it begins, and what comes
    /// from the command before.
    fn operand(
        &mut self,
        dot: &Value,
        operand: &'t Operand,
        given: Option<(&'t [Operand], Option<Value>)>,
    ) -> Result<Value> {
        self.place = Some(Place::Operand(operand));
        let (receiver, names) = match &operand.term {
            Term::Field(names) => (dot.clone(), names.as_slice()),
            Term::Variable(names) => {
                let value = self.variable(&names[0])?;
                if names.len() == 1 {
                    if let Some((operands, last)) = &given {
                        self.no_arguments(operands, last.as_ref())?;
                    }
                    return Ok(value);
                }
                (value, &names[1..])
            }
            Term::Chain(of, names) => {
                if matches!(of.term, Term::Nil) {
                    return self.fail(format!("indirection through explicit nil in {operand}"));
                }
                (self.argument(dot, None, of)?, names.as_slice())
            }
            _ => return self.literal(dot, operand),
        };
        let mut receiver = receiver;
        let (last_name, names) = match names.split_last() {
            Some(split) => split,
            None => return Ok(receiver),
        };
        for name in names {
            receiver = self.field(dot, name, operand, None, receiver)?;
        }
        self.field(dot, last_name, operand, given, receiver)
    }

    fn field(
        &mut self,
        dot: &Value,
        name: &'t str,
        operand: &'t Operand,
        given: Option<(&'t [Operand], Option<Value>)>,
        receiver: Value,
    ) -> Result<Value> {
        // Nothing has no fields, which is no error as long as missing keys are none.
        if matches!(receiver, Value::Invalid) {
            return Ok(Value::Invalid);
        }
        let type_name = self.type_of(&receiver);
        let (found, is_nil) = receiver.indirect();
        if is_nil {
            return self.fail(format!("nil pointer evaluating {type_name}.{name}"));
        }
        let (operands, last) = given.unwrap_or((&[], None));
        if let Some(method) = time::method(&found, name) {
            let callee = Callee::Method(found, method);
            let args = operands.get(1..).unwrap_or(&[]);
            return self.call(dot, &callee, Place::Operand(operand), name, args, last);
        }
        let has_arguments = operands.len() > 1 || last.is_some();
        match &found {
            Value::Labels(_) | Value::Map(_) if has_arguments => {
                return self.fail(format!("{name} is not a method but has arguments"));
            }
            Value::Labels(labels) => return Ok(Value::text(labels.get(name).unwrap_or_default())),
            Value::Map(map) => {
                let value = map.values.get(name).cloned();
                return Ok(value.unwrap_or(Value::Invalid).boxed());
            }
            _ => {}
        }
        match found.field(name, self.compat) {
            Some(_) if has_arguments => self.fail(format!(
                "{name} has arguments but cannot be invoked as function"
            )),
            Some(field) => Ok(field),
            None if matches!(found, Value::Time { .. })
                && ["wall", "ext", "loc"].contains(&name) =>
            {
                self.fail(format!(
                    "{name} is an unexported field of struct type {type_name}"
                ))
            }
            None => self.fail(format!("can't evaluate field {name} in type {type_name}")),
        }
    }

    /// Calls a function with its arguments and what comes from the command before.
    fn call(
        &mut self,
        dot: &Value,
        callee: &Callee,
        place: Place<'t>,
        name: &str,
        operands: &'t [Operand],
        last: Option<Value>,
    ) -> Result<Value> {
        let (fixed, rest) = callee.signature();
        let count = operands.len() + usize::from(last.is_some());
        let wanted = fixed.len();
        if rest.is_some() && count < wanted {
            let given = operands.len();
            return self.fail(format!(
                "wrong number of args for {name}: want at least {wanted} got {given}"
            ));
        }
        if rest.is_none() && count != wanted {
            return self.fail(format!(
                "wrong number of args for {name}: want {wanted} got {count}"
            ));
        }
        if let Callee::Function(function @ (Function::And | Function::Or)) = callee {
            let stops_at = *function == Function::Or;
            let mut value = Value::Invalid;
            for operand in operands {
                value = self.argument(dot, Some(Type::Reflect), operand)?;
                if value.is_true() == stops_at {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let type_at = |at: usize| fixed.get(at).copied().or(rest).unwrap_or(Type::Any);
        let mut args = Vec::with_capacity(count);
        for (at, operand) in operands.iter().enumerate() {
            args.push(self.argument(dot, Some(type_at(at)), operand)?);
        }
        if let Some(last) = last {
            args.push(self.converted(last, type_at(operands.len()))?);
        }
        if let Callee::Function(Function::Call) = callee {
            return self.call_of(&args, operands, place);
        }
        match callee.call(&args, self) {
            Ok(value) => self.bounded(value),
            Err(Failure::Beyond(why)) => self.beyond(why),
            Err(Failure::Error(why)) => {
                self.place = Some(place);
                self.fail(format!("error calling {name}: {why}"))
            }
        }
    }

    /// No value here is a function, so `call` never has anything to call.
    fn call_of(&mut self, args: &[Value], operands: &[Operand], place: Place<'t>) -> Result<Value> {
        let callee = args.first().map_or(&Value::Invalid, Value::concrete);
        let type_name = self.type_of(callee);
        let name = match (operands.first(), callee) {
            (Some(operand), _) => operand.to_string(),
            (None, Value::Text(text) | Value::Html(text)) => {
                String::from_utf8_lossy(text).into_owned()
            }
            (None, _) => format!("<{type_name} Value>"),
        };
        let why = match (callee, self.compat) {
            (Value::Invalid, _) => "call of nil".into(),
            (_, Compat::V2) => format!("non-function of type {type_name}"),
            (_, Compat::V3) => format!("non-function {name} of type {type_name}"),
        };
        self.place = Some(place);
        self.fail(format!("error calling call: {why}"))
    }

    /// Counts a text that was made.
    fn bounded(&mut self, value: Value) -> Result<Value> {
        if let Value::Text(text) | Value::Html(text) = &value {
            self.steps += text.len() / BYTES_PER_STEP;
            if text.len() > TEXT_MAX {
                return self.beyond(format!("a text of more than {TEXT_MAX} bytes"));
            }
        }
        self.step()?;
        Ok(value)
    }

    /// An argument for a parameter of a type; without one, for whatever it is.
    fn argument(
        &mut self,
        dot: &Value,
        wanted: Option<Type>,
        operand: &'t Operand,
    ) -> Result<Value> {
        self.place = Some(Place::Operand(operand));
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil => {
                return match wanted {
                    Some(Type::Any | Type::Reflect) | None => Ok(Value::Invalid),
                    Some(Type::Result) => Ok(Value::Result(QueryResult::new(Vec::new()))),
                    Some(Type::Element) => Ok(Value::Element(None)),
                    Some(wanted) => self.fail(format!("cannot assign nil to {}", wanted.name())),
                };
            }
            Term::Field(_) | Term::Variable(_) | Term::Chain(..) => {
                self.operand(dot, operand, None)?
            }
            Term::Pipe(pipe) => self.pipe(dot, pipe)?,
            Term::Function(function, name) => {
                let callee = Callee::Function(*function);
                self.nested(|execution| {
                    execution.call(dot, &callee, Place::Operand(operand), name, &[], None)
                })?
            }
            Term::Bool(_) | Term::Number(_) | Term::Text { .. } => {
                return self.literal_for(dot, wanted, operand);
            }
        };
        match wanted {
            Some(wanted) => self.converted(value, wanted),
            None => Ok(value),
        }
    }

    /// A literal for a parameter of a type.
    fn literal_for(
        &mut self,
        dot: &Value,
        wanted: Option<Type>,
        operand: &'t Operand,
    ) -> Result<Value> {
        let int = match &operand.term {
            Term::Number(number) => number.int,
            _ => None,
        };
        match (wanted, &operand.term) {
            (None | Some(Type::Any | Type::Reflect), _) => self.literal(dot, operand),
            (Some(Type::String), Term::Text { bytes, .. }) => Ok(Value::text(bytes)),
            (Some(Type::String), _) => self.fail(format!("expected string; found {operand}")),
            (Some(Type::Int), _) => match int {
                Some(int) => Ok(Value::Int(int, IntType::Int)),
                None => self.fail(format!("expected integer; found {operand}")),
            },
            (Some(Type::Duration), _) => match int {
                Some(ns) => Ok(Value::Duration {
                    ns,
                    is_pointer: false,
                }),
                None => self.fail(format!("expected integer; found {operand}")),
            },
            (Some(wanted), _) => self.fail(format!(
                "can't handle {operand} for arg of type {}",
                wanted.name()
            )),
        }
    }

    /// A value for a parameter of a type (validateType).
    fn converted(&self, value: Value, wanted: Type) -> Result<Value> {
        let concrete = match (wanted, &value) {
            (Type::Any | Type::Reflect, _) => return Ok(value),
            (Type::Result, Value::Invalid) => {
                return Ok(Value::Result(QueryResult::new(Vec::new())));
            }
            (Type::Element, Value::Invalid) => return Ok(Value::Element(None)),
            (_, Value::Invalid) => {
                return self.fail(format!("invalid value; expected {}", wanted.name()));
            }
            (_, Value::Interface(Some(inside))) => Value::clone(inside),
            _ => value,
        };
        Ok(match (wanted, &concrete) {
            (Type::String, Value::Text(_))
            | (Type::Result, Value::Result(_))
            | (Type::Element, Value::Element(_))
            | (Type::Int, Value::Int(_, IntType::Int)) => concrete,
            (Type::Duration, Value::Duration { .. }) | (Type::Time, Value::Time { .. }) => {
                concrete.indirect().0
            }
            _ => {
                let (wanted, type_name) = (wanted.name(), self.type_of(&concrete));
                return self.fail(format!(
                    "wrong type for value; expected {wanted}; got {type_name}"
                ));
            }
        })
    }
}
