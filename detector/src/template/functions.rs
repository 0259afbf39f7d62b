//! Prometheus' functions (template/template.go; prometheus/common, helpers/templates).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::call::{Failure, Function};
use super::exec::Execution;
use super::value::{Args, IntType, QueryElement, Value};
use super::{escape, literal, time};
use crate::compat::Compat;
use crate::go_format::{self, significant};
use crate::regex::{self, Regex, Template};

/// How deep `args` may hold `args`.
const ARGS_DEPTH_MAX: usize = 50;

type Result<T> = std::result::Result<T, Failure>;

/// What Go says of a pointer to nothing.
const NIL: &str = "runtime error: invalid memory address or nil pointer dereference";

pub(super) fn call(
    function: Function,
    args: &[Value],
    execution: &mut Execution<'_, '_>,
) -> Result<Value> {
    let compat = execution.compat();
    let [first, second, third] = [0, 1, 2].map(|at| match args.get(at).map(Value::concrete) {
        Some(value) => value.clone(),
        None => Value::Invalid,
    });
    let number = || float(&first, compat);
    let text = |value: &Value| match value {
        Value::Text(text) | Value::Html(text) => text.to_vec(),
        _ => Vec::new(),
    };
    Ok(match function {
        Function::Query => execution.query(&utf8(&text(&first))?)?,
        Function::First => match &first {
            Value::Result(result) if result.len() > 0 => Value::Element(result.get(0)),
            _ => return Failure::error("first() called on vector with no elements"),
        },
        Function::Label => label(&second, &text(&first))?,
        Function::Strvalue => label(&first, b"__value__")?,
        Function::Value => Value::Float(element(&first)?.value),
        Function::Args => named(args)?,
        Function::ReReplaceAll => {
            let (of, with) = (utf8(&text(&first))?, utf8(&text(&second))?);
            replaced(&of, &with, &utf8(&text(&third))?, compat)?
        }
        Function::SafeHtml => Value::Html(text(&first).into()),
        Function::Match => {
            let regex = pattern(&utf8(&text(&first))?, compat)?;
            Value::Bool(regex.is_match(&utf8(&text(&second))?))
        }
        Function::Title => Value::text(escape::title(&text(&first), compat)),
        Function::ToUpper => Value::text(escape::upper(&text(&first))),
        Function::ToLower => Value::text(escape::lower(&text(&first))),
        Function::GraphLink => link(&text(&first), 0),
        Function::TableLink => link(&text(&first), 1),
        Function::SortByLabel => {
            if let Value::Result(result) = &second {
                let name = utf8(&text(&first))?;
                let mut elements = result.elements.borrow_mut();
                if let Some(part) = elements.get_mut(result.from..result.to) {
                    let of = |element: &Rc<QueryElement>| {
                        element.labels.get(&name).unwrap_or_default().to_owned()
                    };
                    part.sort_by_cached_key(of);
                }
            }
            second
        }
        Function::StripPort => Value::text(strip_port(&text(&first))),
        Function::StripDomain => Value::text(strip_domain(&text(&first))),
        Function::Humanize => Value::text(humanize(number()?)),
        Function::Humanize1024 => Value::text(humanize1024(number()?)),
        Function::HumanizeDuration => Value::text(humanize_duration(number()?)),
        Function::HumanizePercentage => {
            Value::text(format!("{}%", significant(number()? * 100.0, 4)))
        }
        Function::HumanizeTimestamp => {
            let seconds = number()?;
            match time::of_seconds(seconds) {
                Ok(ns) => Value::text(time::shown(ns)),
                Err(_) if !seconds.is_finite() => Value::text(significant(seconds, 4)),
                Err(why) => return Failure::error(why),
            }
        }
        Function::ToTime => Value::Time {
            ns: time::of_seconds(number()?).map_err(Failure::Error)?,
            is_pointer: true,
        },
        Function::ToDuration => Value::Duration {
            ns: go_format::whole(number()? * 1e9),
            is_pointer: true,
        },
        Function::Now => Value::Float(execution.at_ms() as f64 / 1000.0),
        Function::PathPrefix => Value::text(path(execution.server_url()?)),
        Function::ExternalUrl => Value::text(execution.server_url()?),
        Function::ParseDuration => Value::Float(duration(&utf8(&text(&first))?, compat)?),
        Function::UrlQueryEscape => Value::text(escape::url(&text(&first))),
        // Go's own are elsewhere.
        _ => return Failure::error("not a function of Prometheus"),
    })
}

/// A text for what only takes UTF-8 here.
fn utf8(text: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(text).map(str::to_owned);
    text.map_err(|_| Failure::Beyond("a text that is not UTF-8".into()))
}

fn element(value: &Value) -> Result<&QueryElement> {
    match value {
        Value::Element(Some(element)) => Ok(element),
        _ => Failure::error(NIL),
    }
}

fn label(of: &Value, name: &[u8]) -> Result<Value> {
    let name = std::str::from_utf8(name).unwrap_or_default();
    Ok(Value::text(
        element(of)?.labels.get(name).unwrap_or_default(),
    ))
}

/// `args`: what is given, by the names `arg0`, `arg1`, ...
fn named(args: &[Value]) -> Result<Value> {
    let depth = |value: &Value| match value.concrete() {
        Value::Map(map) => map.depth,
        _ => 0,
    };
    let depth = args.iter().map(depth).max().unwrap_or(0) + 1;
    if depth > ARGS_DEPTH_MAX {
        return Err(Failure::Beyond(format!(
            "args inside each other more than {ARGS_DEPTH_MAX} deep"
        )));
    }
    let values = args.iter().enumerate();
    let values = values.map(|(place, value)| (format!("arg{place}"), value.clone().boxed()));
    Ok(Value::Map(Rc::new(Args {
        values: values.collect(),
        depth,
    })))
}

/// A number out of what may be one (ConvertToFloat).
fn float(value: &Value, compat: Compat) -> Result<f64> {
    Ok(match value {
        Value::Float(value) => *value,
        Value::Text(text) => match std::str::from_utf8(text).map(literal::float) {
            Ok(Ok(value)) => value,
            Ok(Err(why)) => return Failure::error(why.of(text)),
            Err(_) => return Failure::error(literal::NotFloat::Syntax.of(text)),
        },
        Value::Int(value, IntType::Int | IntType::Int64) => *value as f64,
        Value::Duration {
            ns,
            is_pointer: false,
        } if compat == Compat::V3 => {
            (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9
        }
        _ => {
            let name = value.type_name(compat);
            return Failure::error(format!("can't convert {name} to float"));
        }
    })
}

/// A pattern that may match anywhere.
fn pattern(text: &str, compat: Compat) -> Result<Regex> {
    Regex::new(text, compat).map_err(|error| match error {
        regex::Error::Syntax { .. } => Failure::Error(error.to_string()),
        // A limit of ours.
        _ => Failure::Beyond(error.to_string()),
    })
}

fn replaced(of: &str, with: &str, text: &str, compat: Compat) -> Result<Value> {
    // `regexp.MustCompile` says what it was given, too.
    let regex = pattern(of, compat).map_err(|failure| match failure {
        Failure::Error(why) => {
            let shown = match of.contains('`') || of.chars().any(|c| c.is_control() && c != '\t') {
                true => go_format::quoted(of),
                false => format!("`{of}`"),
            };
            Failure::Error(format!("regexp: Compile({shown}): {why}"))
        }
        Failure::Beyond(_) => failure,
    })?;
    let with = Template::new(with, &regex, compat);
    let replaced = regex.replace_all(text, &with, super::TEXT_MAX);
    replaced.map(|text| Value::text(&*text)).ok_or_else(|| {
        let limit = super::TEXT_MAX;
        Failure::Beyond(format!("a text of more than {limit} bytes"))
    })
}

fn link(expr: &[u8], tab: u8) -> Value {
    let mut out = b"/graph?g0.expr=".to_vec();
    out.extend(escape::url(expr));
    out.extend(format!("&g0.tab={tab}").bytes());
    Value::text(out)
}

/// `net.SplitHostPort`; none if it is no host and port.
fn host_and_port(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().rposition(|byte| *byte == b':')?;
    let port = &text[colon + 1..];
    let (host, rest) = match text.strip_prefix(b"[") {
        Some(inside) => {
            let end = inside.iter().position(|byte| *byte == b']')?;
            if end + 2 != colon {
                return None;
            }
            (&inside[..end], &text[end + 2..])
        }
        None => (&text[..colon], text),
    };
    let is_bracketed = text.starts_with(b"[");
    let has = |part: &[u8], wanted: u8| part.contains(&wanted);
    let is_wrong = !is_bracketed && has(host, b':')
        || has(&text[usize::from(is_bracketed)..], b'[')
        || has(rest, b']');
    (!is_wrong).then_some((host, port))
}

fn strip_port(text: &[u8]) -> Vec<u8> {
    host_and_port(text).map_or(text, |(host, _)| host).to_vec()
}

fn strip_domain(text: &[u8]) -> Vec<u8> {
    let (host, port) = host_and_port(text).unwrap_or((text, b""));
    let is_address = std::str::from_utf8(host)
        .is_ok_and(|host| host.parse::<Ipv4Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok());
    if is_address {
        return text.to_vec();
    }
    let host = host.split(|byte| *byte == b'.').next().unwrap_or(host);
    let mut out = host.to_vec();
    if !port.is_empty() {
        if host.contains(&b':') {
            out.insert(0, b'[');
            out.push(b']');
        }
        out.push(b':');
        out.extend(port);
    }
    out
}

/// `url.URL.Path` of an address.
fn path(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let path = after.find('/').map_or("", |at| &after[at..]);
    let end = path.find(['?', '#']).unwrap_or(path.len());
    &path[..end]
}

/// A duration's seconds (prometheus/common, model/time.go). Version 3 takes a sign, and says of units which it does not know.
fn duration(text: &str, compat: Compat) -> Result<f64> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) if compat == Compat::V3 => (-1.0, rest),
        _ => (1.0, text),
    };
    if let Some(ms) = crate::duration::parse_ms(unsigned) {
        return Ok(match ms {
            0 => 0.0,
            _ => sign * ((ms / 1000) as f64 + (ms % 1000) as f64 / 1000.0),
        });
    }
    if unsigned.is_empty() {
        return Failure::error("empty duration string");
    }
    Err(wrong_duration(unsigned, compat))
}

fn wrong_duration(text: &str, compat: Compat) -> Failure {
    let units = ["y", "w", "d", "h", "m", "s", "ms"];
    let quoted = go_format::quoted(text);
    let invalid = || Failure::Error(format!("not a valid duration string: {quoted}"));
    let mut rest = text;
    let mut last = None;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let is_number = digits > 0 && rest[..digits].parse::<u64>().is_ok();
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        if !is_number || unit == 0 {
            return invalid();
        }
        let Some(place) = units.iter().position(|known| *known == &rest[..unit]) else {
            let unit = go_format::quoted(&rest[..unit]);
            return match compat {
                Compat::V2 => invalid(),
                Compat::V3 => Failure::Error(format!("unknown unit {unit} in duration {quoted}")),
            };
        };
        if last.is_some_and(|last| place <= last) {
            return invalid();
        }
        last = Some(place);
        rest = &rest[unit..];
    }
    Failure::Error("duration out of range".into())
}

/// Multiplies a value below one up until it is at least one, and names the power.
fn small(mut x: f64) -> String {
    let mut prefix = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if x.abs() >= 1.0 {
            break;
        }
        prefix = smaller;
        x *= 1000.0;
    }
    format!("{}{prefix}", significant(x, 4))
}

/// Divides a value down until it is below `base`, and names the power.
fn large(mut x: f64, base: f64, prefixes: [&str; 8]) -> String {
    let mut prefix = "";
    for larger in prefixes {
        if x.abs() < base {
            break;
        }
        prefix = larger;
        x /= base;
    }
    format!("{}{prefix}", significant(x, 4))
}

fn humanize(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        significant(x, 4)
    } else if x.abs() >= 1.0 {
        large(x, 1000.0, ["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        small(x)
    }
}

fn humanize1024(x: f64) -> String {
    if x.abs() <= 1.0 || !x.is_finite() {
        significant(x, 4)
    } else {
        large(x, 1024.0, ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
    }
}

fn humanize_duration(x: f64) -> String {
    if !x.is_finite() {
        return significant(x, 4);
    }
    if x == 0.0 {
        return format!("{}s", significant(x, 4));
    }
    if x.abs() < 1.0 {
        return format!("{}s", small(x));
    }
    let sign = if x < 0.0 { "-" } else { "" };
    let whole = go_format::whole(x.abs());
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", significant(x.abs(), 4))
    }
}
