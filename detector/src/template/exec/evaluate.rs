//! Evaluating pipelines: commands, fields, calls and what they are given.

use super::{BYTES_PER_STEP, Execution, Result};
use crate::compat::Compat;
use crate::template::call::{Callee, Failure, Function, Type};
use crate::template::literal::{Ideal, Number};
use crate::template::node::{Command, Operand, Pipe, Place, Term};
use crate::template::value::{IntType, QueryResult, Value};
use crate::template::{TEXT_MAX, time};

impl<'t> Execution<'t, '_> {
    /// The value of the last command, which the variables get.
    pub(super) fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value> {
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

    pub(super) fn assign(&mut self, name: &str, value: Value) -> Result<()> {
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
