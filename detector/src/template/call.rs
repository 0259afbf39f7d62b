//! The functions templates know, what they take, and calling them.

use super::exec::Execution;
use super::time::Method;
use super::value::Value;
use super::{builtins, functions};
use crate::compat::Compat;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// `interface {}`
    Any,
    /// `reflect.Value`: anything, no value at all included.
    Reflect,
    String,
    Result,
    Element,
    Int,
    Duration,
    Time,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::String => "string",
            Self::Result => "template.queryResult",
            Self::Element => "*template.sample",
            Self::Int => "int",
            Self::Duration => "time.Duration",
            Self::Time => "time.Time",
        }
    }
}

/// Why a function returns nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// As in Prometheus, in the same words.
    Error(String),
    /// Here only.
    Beyond(String),
}

impl Failure {
    pub(super) fn error<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Self::Error(message.into()))
    }
}

macro_rules! functions {
    ($($name:literal => $function:ident($($fixed:ident),* $(; $rest:ident)?) $($since:ident)?,)*) => {
        /// A function by its name: Go's own (text/template/funcs.go) and Prometheus' (template/template.go).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($function,)*
        }

        impl Function {
            /// The function of that name.
            pub(super) fn named(name: &str, compat: Compat) -> Option<Self> {
                match name {
                    $($name => {
                        let since = [$(Compat::$since)?];
                        let is_known = since.is_empty() || since.contains(&compat);
                        is_known.then_some(Self::$function)
                    })*
                    _ => None,
                }
            }

            /// The types of its parameters, and that of any number of others after them.
            fn signature(self) -> (&'static [Type], Option<Type>) {
                match self {
                    $(Self::$function => (&[$(Type::$fixed),*], functions!(@rest $($rest)?)),)*
                }
            }
        }
    };
    (@rest) => { None };
    (@rest $rest:ident) => { Some(Type::$rest) };
}

functions! {
    "and" => And(Reflect; Reflect),
    "call" => Call(Reflect; Reflect),
    "html" => Html(; Any),
    "index" => Index(Reflect; Reflect),
    "slice" => Slice(Reflect; Reflect),
    "js" => Js(; Any),
    "len" => Len(Reflect),
    "not" => Not(Reflect),
    "or" => Or(Reflect; Reflect),
    "print" => Print(; Any),
    "printf" => Printf(String; Any),
    "println" => Println(; Any),
    "urlquery" => Urlquery(; Any),
    "eq" => Eq(Reflect; Reflect),
    "ge" => Ge(Reflect, Reflect),
    "gt" => Gt(Reflect, Reflect),
    "le" => Le(Reflect, Reflect),
    "lt" => Lt(Reflect, Reflect),
    "ne" => Ne(Reflect, Reflect),
    "query" => Query(String),
    "first" => First(Result),
    "label" => Label(String, Element),
    "value" => Value(Element),
    "strvalue" => Strvalue(Element),
    "args" => Args(; Any),
    "reReplaceAll" => ReReplaceAll(String, String, String),
    "safeHtml" => SafeHtml(String),
    "match" => Match(String, String),
    "title" => Title(String),
    "toUpper" => ToUpper(String),
    "toLower" => ToLower(String),
    "graphLink" => GraphLink(String),
    "tableLink" => TableLink(String),
    "sortByLabel" => SortByLabel(String, Result),
    "stripPort" => StripPort(String),
    "stripDomain" => StripDomain(String),
    "humanize" => Humanize(Any),
    "humanize1024" => Humanize1024(Any),
    "humanizeDuration" => HumanizeDuration(Any),
    "humanizePercentage" => HumanizePercentage(Any),
    "humanizeTimestamp" => HumanizeTimestamp(Any),
    "toTime" => ToTime(Any),
    "toDuration" => ToDuration(Any) V3,
    "now" => Now() V3,
    "pathPrefix" => PathPrefix(),
    "externalURL" => ExternalUrl(),
    "parseDuration" => ParseDuration(String),
    "urlQueryEscape" => UrlQueryEscape(String) V3,
}

/// A function, or a method with the value it is called on.
#[derive(Debug)]
pub(super) enum Callee {
    Function(Function),
    Method(Value, Method),
}

impl Callee {
    pub(super) fn signature(&self) -> (&'static [Type], Option<Type>) {
        match self {
            Self::Function(function) => function.signature(),
            Self::Method(_, method) => (method.takes, None),
        }
    }

    /// Calls it with arguments of its types.
    pub(super) fn call(
        &self,
        args: &[Value],
        execution: &mut Execution<'_, '_>,
    ) -> Result<Value, Failure> {
        match self {
            Self::Method(receiver, method) => method.call(receiver, args),
            Self::Function(function) => match builtins::call(*function, args, execution.compat()) {
                Some(result) => result,
                None => functions::call(*function, args, execution),
            },
        }
    }
}
