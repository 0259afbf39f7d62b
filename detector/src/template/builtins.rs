//! Go's own functions (text/template/funcs.go). `and`, `or` and `call` are seen to where arguments are evaluated.

use std::rc::Rc;

use super::call::{Failure, Function};
use super::escape;
use super::printf::{Printed, Printer};
use super::value::{Basic, QueryResult, Value};
use crate::compat::Compat;

type Result<T> = std::result::Result<T, Failure>;

/// What the function returns; none if it is not one of Go's.
pub(super) fn call(function: Function, given: &[Value], compat: Compat) -> Option<Result<Value>> {
    let args: Vec<Value> = given.iter().map(|arg| arg.concrete().clone()).collect();
    let (first, rest) = match args.split_first() {
        Some((first, rest)) => (first, rest),
        None => (&Value::Invalid, [].as_slice()),
    };
    let compared = |result: Result<bool>| result.map(Value::Bool);
    let second = rest.first().unwrap_or(&Value::Invalid);
    let printer = Printer::new(compat);
    Some(match function {
        Function::Html => shown(&args, compat).map(|text| Value::text(escape::html(&text))),
        Function::Js => shown(&args, compat).map(|text| Value::text(escape::js(&text))),
        Function::Urlquery => shown(&args, compat).map(|text| Value::text(escape::url(&text))),
        Function::Index => index(first, rest, compat),
        // It does not look into what may be anything.
        Function::Slice => slice(first, given.get(1..).unwrap_or(&[]), compat),
        Function::Len => len(given.first().unwrap_or(&Value::Invalid), compat),
        Function::Not => Ok(Value::Bool(!first.is_true())),
        Function::Print => printed(printer.print(&args)),
        Function::Println => printed(printer.println(&args)),
        Function::Printf => match first {
            Value::Text(format) => printed(printer.printf(format, rest)),
            _ => Failure::error("printf has no format"),
        },
        Function::Eq => compared(equal(first, rest, compat)),
        Function::Ne => compared(equal(first, rest, compat).map(|equal| !equal)),
        Function::Lt => compared(less(first, second, compat)),
        Function::Le => compared(at_most(first, second, compat)),
        Function::Gt => compared(at_most(first, second, compat).map(|less| !less)),
        Function::Ge => compared(less(first, second, compat).map(|less| !less)),
        _ => return None,
    })
}

fn printed(printed: Printed) -> Result<Value> {
    printed.map(Value::text).map_err(Failure::Beyond)
}

/// The text of arguments that are to be escaped: pointers show what is behind them.
fn shown(args: &[Value], compat: Compat) -> Result<Vec<u8>> {
    let args: Vec<Value> = args.iter().map(printable).collect();
    let printed = Printer::new(compat).print(&args);
    printed.map_err(Failure::Beyond)
}

/// What is printed for a value (text/template/exec.go, printableValue).
pub(super) fn printable(value: &Value) -> Value {
    match value {
        Value::Invalid => Value::text("<no value>"),
        Value::Element(Some(element)) => Value::ElementStruct(Rc::clone(element)),
        Value::Time { ns, .. } => Value::Time {
            ns: *ns,
            is_pointer: false,
        },
        Value::Duration { ns, .. } => Value::Duration {
            ns: *ns,
            is_pointer: false,
        },
        _ => value.clone(),
    }
}

/// A place in a list of `capacity`.
fn place(index: &Value, capacity: usize, compat: Compat) -> Result<usize> {
    let at = match index.basic() {
        Some(Basic::Int(at)) => at,
        Some(Basic::Unsigned(at)) => i64::try_from(at).unwrap_or(i64::MAX),
        _ if matches!(index, Value::Invalid) => {
            return Failure::error("cannot index slice/array with nil");
        }
        _ => {
            let name = index.type_name(compat);
            return Failure::error(format!("cannot index slice/array with type {name}"));
        }
    };
    match usize::try_from(at) {
        Ok(place) if place <= capacity => Ok(place),
        _ => Failure::error(format!("index out of range: {at}")),
    }
}

fn index(item: &Value, indexes: &[Value], compat: Compat) -> Result<Value> {
    if matches!(item, Value::Invalid) {
        return Failure::error("index of untyped nil");
    }
    let mut item = item.clone();
    for index in indexes {
        let (found, is_nil) = item.indirect();
        if is_nil {
            return Failure::error("index of nil pointer");
        }
        // reflect.Value.Index
        let past = |what: &str| Failure::error(format!("reflect: {what} index out of range"));
        item = match &found {
            Value::Text(text) | Value::Html(text) => {
                match text.get(place(index, text.len(), compat)?) {
                    Some(byte) => Value::Byte(*byte),
                    None => return past("string"),
                }
            }
            Value::Result(result) => match result.get(place(index, result.len(), compat)?) {
                Some(element) => Value::Element(Some(element)),
                None => return past("slice"),
            },
            Value::Labels(labels) => {
                let name = key(index, compat)?;
                let name = std::str::from_utf8(name).unwrap_or_default();
                Value::text(labels.get(name).unwrap_or_default())
            }
            Value::Map(map) => {
                let name = key(index, compat)?;
                let name = std::str::from_utf8(name).unwrap_or_default();
                let value = map.values.get(name).cloned();
                value.unwrap_or(Value::Invalid).boxed()
            }
            _ => {
                let name = found.type_name(compat);
                return Failure::error(format!("can't index item of type {name}"));
            }
        };
    }
    Ok(item)
}

fn key(index: &Value, compat: Compat) -> Result<&[u8]> {
    match index {
        Value::Text(name) => Ok(name),
        Value::Invalid => Failure::error("value is nil; should be of type string"),
        _ => {
            let name = index.type_name(compat);
            Failure::error(format!("value has type {name}; should be string"))
        }
    }
}

fn slice(item: &Value, indexes: &[Value], compat: Compat) -> Result<Value> {
    if matches!(item, Value::Invalid) {
        return Failure::error("slice of untyped nil");
    }
    // The Go of Prometheus 2.42 does not look behind pointers here.
    let (item, is_nil) = match compat {
        Compat::V2 => (item.clone(), false),
        Compat::V3 => item.indirect(),
    };
    if is_nil {
        return Failure::error("slice of nil pointer");
    }
    if indexes.len() > 3 {
        let count = indexes.len();
        return Failure::error(format!("too many slice indexes: {count}"));
    }
    let (length, capacity) = match &item {
        Value::Text(_) | Value::Html(_) if indexes.len() == 3 => {
            return Failure::error("cannot 3-index slice a string");
        }
        Value::Text(text) | Value::Html(text) => (text.len(), text.len()),
        Value::Result(result) => {
            let all = result.elements.borrow().len();
            (result.len(), all - result.from)
        }
        _ => {
            let name = item.type_name(compat);
            return Failure::error(format!("can't slice item of type {name}"));
        }
    };
    let mut bounds = [0, length, 0];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = place(index, capacity, compat)?;
    }
    let [from, to, end] = bounds;
    if from > to {
        return Failure::error(format!("invalid slice index: {from} > {to}"));
    }
    if indexes.len() == 3 && to > end {
        return Failure::error(format!("invalid slice index: {to} > {end}"));
    }
    Ok(match &item {
        Value::Text(text) => Value::text(&text[from..to]),
        Value::Html(text) => Value::Html(text[from..to].into()),
        Value::Result(result) => Value::Result(QueryResult {
            elements: Rc::clone(&result.elements),
            from: result.from + from,
            to: result.from + to,
        }),
        _ => item,
    })
}

fn len(item: &Value, compat: Compat) -> Result<Value> {
    let (item, is_nil) = item.indirect();
    if is_nil {
        return Failure::error("len of nil pointer");
    }
    Ok(Value::int(match &item {
        Value::Text(text) | Value::Html(text) => text.len(),
        Value::Labels(labels) => labels.len(),
        Value::Map(map) => map.values.len(),
        Value::Result(result) => result.len(),
        // The type of no value cannot be asked for.
        Value::Invalid => {
            return Failure::error("reflect: call of reflect.Value.Type on zero Value");
        }
        _ => {
            let name = item.type_name(compat);
            return Failure::error(format!("len of type {name}"));
        }
    }))
}

fn incompatible<T>(left: &Value, right: &Value, compat: Compat) -> Result<T> {
    let (left, right) = (left.type_name(compat), right.type_name(compat));
    Failure::error(match compat {
        Compat::V2 => "incompatible types for comparison".into(),
        Compat::V3 => format!("incompatible types for comparison: {left} and {right}"),
    })
}

/// The value as `%v` shows it inside an error.
fn in_error(value: &Value, compat: Compat) -> Result<String> {
    let printed = Printer::new(compat).print(std::slice::from_ref(value));
    let bytes = printed.map_err(Failure::Beyond)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_comparable(value: &Value) -> bool {
    !matches!(
        value,
        Value::Labels(_)
            | Value::Map(_)
            | Value::Result(_)
            | Value::Data(_)
            | Value::ElementStruct(_)
    )
}

/// Whether the first value is any of the others.
fn equal(first: &Value, others: &[Value], compat: Compat) -> Result<bool> {
    if others.is_empty() {
        return Failure::error("missing argument for comparison");
    }
    for other in others {
        let is_equal = match (first.basic(), other.basic()) {
            (Some(Basic::Int(int)), Some(Basic::Unsigned(unsigned)))
            | (Some(Basic::Unsigned(unsigned)), Some(Basic::Int(int))) => {
                u64::try_from(int).is_ok_and(|int| int == unsigned)
            }
            (Some(left), Some(right))
                if std::mem::discriminant(&left) == std::mem::discriminant(&right) =>
            {
                left == right
            }
            (None, None) => equal_others(first, other, compat)?,
            _ if matches!(first, Value::Invalid) || matches!(other, Value::Invalid) => false,
            _ => return incompatible(first, other, compat),
        };
        if is_equal {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Equality of what has no basic type.
fn equal_others(left: &Value, right: &Value, compat: Compat) -> Result<bool> {
    let is_nil = |value: &Value| matches!(value, Value::Invalid | Value::Element(None));
    if is_nil(left) || is_nil(right) {
        return Ok(is_nil(left) == is_nil(right));
    }
    let (first, second) = (left.type_name(compat), right.type_name(compat));
    if kind(left) != kind(right) {
        let shown = (as_text(left, compat)?, in_error(right, compat)?);
        return Failure::error(format!(
            "non-comparable types {}: {first}, {second}: {}",
            shown.0, shown.1
        ));
    }
    match (left, right) {
        (Value::Element(Some(left)), Value::Element(Some(right))) => Ok(Rc::ptr_eq(left, right)),
        (
            Value::Time {
                ns: left,
                is_pointer: false,
            },
            Value::Time {
                ns: right,
                is_pointer: false,
            },
        ) => Ok(left == right),
        _ if !is_comparable(right) => {
            let shown = as_text(right, compat)?;
            Failure::error(format!("non-comparable type {shown}: {second}"))
        }
        _ if first != second => Ok(false),
        // Two pointers are equal if they are the same one, which cannot be told of copies.
        _ => Err(Failure::Beyond("pointers compared".into())),
    }
}

/// The value as `%s` shows it.
fn as_text(value: &Value, compat: Compat) -> Result<String> {
    let printed = Printer::new(compat).printf(b"%s", std::slice::from_ref(value));
    let bytes = printed.map_err(Failure::Beyond)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What sort of type a value has that is no basic one.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Labels(_) | Value::Map(_) => "map",
        Value::Result(_) => "slice",
        Value::Data(_)
        | Value::ElementStruct(_)
        | Value::Time {
            is_pointer: false, ..
        } => "struct",
        _ => "pointer",
    }
}

fn less(left: &Value, right: &Value, compat: Compat) -> Result<bool> {
    let bad = || Failure::error("invalid type for comparison");
    let (Some(first), Some(second)) = (left.basic(), right.basic()) else {
        return bad();
    };
    Ok(match (first, second) {
        (Basic::Int(left), Basic::Int(right)) => left < right,
        (Basic::Float(left), Basic::Float(right)) => left < right,
        (Basic::Text(left), Basic::Text(right)) => left < right,
        (Basic::Unsigned(left), Basic::Unsigned(right)) => left < right,
        (Basic::Int(left), Basic::Unsigned(right)) => {
            u64::try_from(left).map_or(true, |left| left < right)
        }
        (Basic::Unsigned(left), Basic::Int(right)) => {
            u64::try_from(right).is_ok_and(|right| left < right)
        }
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => {
            return bad();
        }
        _ => return incompatible(left, right, compat),
    })
}

fn at_most(left: &Value, right: &Value, compat: Compat) -> Result<bool> {
    if less(left, right, compat)? {
        return Ok(true);
    }
    equal(left, std::slice::from_ref(right), compat)
}
