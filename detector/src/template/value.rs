//! What templates compute with: the values Prometheus gives them and those its functions return, with the names of their types in Go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::time;
use crate::compat::Compat;
use crate::sample::Labels;

/// A value. Texts need not be UTF-8: a slice may end inside a character.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// No value at all, as of an untyped nil.
    Invalid,
    /// What is in a place of any type.
    Interface(Option<Rc<Self>>),
    Bool(bool),
    Int(i64, IntType),
    /// `uint8`, a byte of a text.
    Byte(u8),
    Float(f64),
    Complex(f64, f64),
    Text(Rc<[u8]>),
    /// What `safeHtml` makes of a text.
    Html(Rc<[u8]>),
    /// `map[string]string`
    Labels(Labels),
    /// What `args` returns.
    Map(Rc<Args>),
    /// What `query` returns.
    Result(QueryResult),
    /// An element of a query's result; none is a nil pointer.
    Element(Option<Rc<QueryElement>>),
    /// The same behind its pointer.
    ElementStruct(Rc<QueryElement>),
    /// What a template begins with as its dot.
    Data(Rc<Root>),
    /// A time in nanoseconds since 1970, in UTC.
    Time {
        ns: i128,
        is_pointer: bool,
    },
    /// A duration in nanoseconds.
    Duration {
        ns: i64,
        is_pointer: bool,
    },
}

/// The types of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntType {
    Int,
    Int64,
    Month,
    Weekday,
}

/// The values of `args`, and how deep they are nested.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) values: BTreeMap<String, Value>,
    pub(super) depth: usize,
}

/// A part of a query's result. Parts of the same result share its elements, so sorting one sorts them all.
#[derive(Debug, Clone)]
pub(super) struct QueryResult {
    pub(super) elements: Rc<RefCell<Vec<Rc<QueryElement>>>>,
    pub(super) from: usize,
    pub(super) to: usize,
}

#[derive(Debug)]
pub(super) struct QueryElement {
    pub(super) labels: Labels,
    pub(super) value: f64,
}

/// What Prometheus tells a template of an alert (template.go, AlertTemplateData).
#[derive(Debug)]
pub(super) struct Root {
    pub(super) labels: Labels,
    pub(super) external_labels: Labels,
    pub(super) external_url: String,
    pub(super) value: f64,
}

impl QueryResult {
    pub(super) fn new(elements: Vec<Rc<QueryElement>>) -> Self {
        Self {
            from: 0,
            to: elements.len(),
            elements: Rc::new(RefCell::new(elements)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(super) fn get(&self, place: usize) -> Option<Rc<QueryElement>> {
        match place < self.len() {
            true => self.elements.borrow().get(self.from + place).cloned(),
            false => None,
        }
    }
}

/// What kind of basic type a value has, for comparisons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Basic<'v> {
    Bool(bool),
    Complex(f64, f64),
    Int(i64),
    Float(f64),
    Text(&'v [u8]),
    Unsigned(u64),
}

impl Value {
    pub(super) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(text.as_ref().into())
    }

    pub(super) fn int(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX), IntType::Int)
    }

    /// In a place of any type.
    pub(super) fn boxed(self) -> Self {
        match self {
            Self::Interface(_) => self,
            Self::Invalid => Self::Interface(None),
            _ => Self::Interface(Some(Rc::new(self))),
        }
    }

    /// What is in a place of any type.
    pub(super) fn concrete(&self) -> &Self {
        match self {
            Self::Interface(None) => &Self::Invalid,
            Self::Interface(Some(value)) => value.concrete(),
            _ => self,
        }
    }

    /// The value behind pointers and in places of any type; the flag says that there is none.
    pub(super) fn indirect(&self) -> (Self, bool) {
        match self {
            Self::Interface(None) | Self::Element(None) => (self.clone(), true),
            Self::Interface(Some(value)) => value.indirect(),
            Self::Element(Some(element)) => (Self::ElementStruct(Rc::clone(element)), false),
            Self::Time { ns, .. } => {
                let (ns, is_pointer) = (*ns, false);
                (Self::Time { ns, is_pointer }, false)
            }
            Self::Duration { ns, .. } => {
                let (ns, is_pointer) = (*ns, false);
                (Self::Duration { ns, is_pointer }, false)
            }
            _ => (self.clone(), false),
        }
    }

    /// Whether it counts as true (text/template/exec.go, isTrue).
    pub(super) fn is_true(&self) -> bool {
        match self.concrete() {
            Self::Invalid | Self::Interface(_) | Self::Element(None) => false,
            Self::Bool(value) => *value,
            Self::Int(value, _) => *value != 0,
            Self::Byte(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Text(text) | Self::Html(text) => !text.is_empty(),
            Self::Labels(labels) => !labels.is_empty(),
            Self::Map(map) => !map.values.is_empty(),
            Self::Result(result) => result.len() > 0,
            Self::Duration { ns, is_pointer } => *is_pointer || *ns != 0,
            Self::Element(Some(_)) | Self::ElementStruct(_) | Self::Data(_) | Self::Time { .. } => {
                true
            }
        }
    }

    /// Its basic type and value; none if its type is no basic one.
    pub(super) fn basic(&self) -> Option<Basic<'_>> {
        Some(match self {
            Self::Bool(value) => Basic::Bool(*value),
            Self::Int(value, _) => Basic::Int(*value),
            Self::Duration {
                ns,
                is_pointer: false,
            } => Basic::Int(*ns),
            Self::Byte(value) => Basic::Unsigned(u64::from(*value)),
            Self::Float(value) => Basic::Float(*value),
            Self::Complex(real, imaginary) => Basic::Complex(*real, *imaginary),
            Self::Text(text) | Self::Html(text) => Basic::Text(text),
            _ => return None,
        })
    }

    /// The type's name (reflect.Type.String); `<nil>` of no value.
    pub(super) fn type_name(&self, compat: Compat) -> &'static str {
        match self {
            Self::Invalid => "<nil>",
            Self::Interface(_) => "interface {}",
            Self::Bool(_) => "bool",
            Self::Int(_, IntType::Int) => "int",
            Self::Int(_, IntType::Int64) => "int64",
            Self::Int(_, IntType::Month) => "time.Month",
            Self::Int(_, IntType::Weekday) => "time.Weekday",
            Self::Byte(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Text(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Labels(_) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Result(_) => "template.queryResult",
            Self::Element(_) => "*template.sample",
            Self::ElementStruct(_) => "template.sample",
            Self::Data(_) if compat == Compat::V2 => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value float64 }"
            }
            Self::Data(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
            }
            Self::Time {
                is_pointer: true, ..
            } => "*time.Time",
            Self::Time { .. } => "time.Time",
            Self::Duration {
                is_pointer: true, ..
            } => "*time.Duration",
            Self::Duration { .. } => "time.Duration",
        }
    }

    /// How it writes itself, if its type has a `String` method.
    pub(super) fn own_text(&self) -> Option<String> {
        Some(match self {
            Self::Time { ns, .. } => time::shown(*ns),
            Self::Duration { ns, .. } => time::duration_shown(*ns),
            Self::Int(month, IntType::Month) => time::month_shown(*month),
            Self::Int(day, IntType::Weekday) => time::weekday_shown(*day),
            _ => return None,
        })
    }

    /// The labels, or the named field, of what has such; the flag says whether the type has a field of that name.
    pub(super) fn field(&self, name: &str, compat: Compat) -> Option<Self> {
        let number = |value: f64| match compat {
            Compat::V2 => Self::Float(value),
            Compat::V3 => Self::Float(value).boxed(),
        };
        Some(match (self, name) {
            (Self::Data(data), "Labels") => Self::Labels(data.labels.clone()),
            (Self::Data(data), "ExternalLabels") => Self::Labels(data.external_labels.clone()),
            (Self::Data(data), "ExternalURL") => Self::text(&data.external_url),
            (Self::Data(data), "Value") => number(data.value),
            (Self::ElementStruct(element), "Labels") => Self::Labels(element.labels.clone()),
            (Self::ElementStruct(element), "Value") => number(element.value),
            _ => return None,
        })
    }
}
