//! The part of Go's templates that alert labels and annotations commonly use.
//!
//! `{{ $labels.x }}`, `{{ $value }}`, `$externalLabels`, `$externalURL`, string literals, and as functions
//! `humanize`, `humanize1024`, `humanizeDuration`, `humanizePercentage`, `printf`, `toUpper`, `toLower`, in
//! pipelines or in front of their argument. Everything is checked when a template is parsed; expanding cannot fail.

mod functions;
mod parse;

use crate::go_format;
use crate::sample::Labels;
use functions::Function;

/// Longest text a template expands to, bytes. Labels made from labels, evaluation after evaluation, could double each time.
const EXPANDED_MAX: usize = 64 * 1024;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Action(Term),
}

/// An expression inside `{{ }}`.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Value,
    Label(String),
    ExternalLabel(String),
    ExternalUrl,
    Literal(String),
    Call(Function, Box<Self>),
    Printf(Vec<Piece>),
}

/// A piece of a `printf`.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Verb(Verb, Term),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verb {
    /// `%v`, `%s`
    Plain,
    Fixed(usize),
    Exponential(usize),
    /// `%g`: the shortest, or so many digits.
    General(Option<usize>),
}

/// Why a text is no template, or none that can be expanded here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("template does not parse: {0}")]
    Syntax(String),
    #[error("template uses {0}, which is not supported")]
    Unsupported(String),
    #[error("template is refused: {0}")]
    Limit(String),
}

/// What a template is expanded with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data<'d> {
    /// The query result's labels, metric name included.
    pub(crate) labels: &'d Labels,
    pub(crate) value: f64,
    pub(crate) external: &'d External,
}

/// The server's identity, as far as templates show it.
#[derive(Debug, Clone, Default)]
pub(crate) struct External {
    pub(crate) labels: Labels,
    pub(crate) url: String,
}

/// What a term evaluates to.
enum Shown {
    Text(String),
    Number(f64),
}

impl Shown {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => go_format::shortest(number),
        }
    }
}

impl Template {
    /// Parses `text`; a text without `{{` stands for itself.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }

    /// A template that expands to `text` as it stands.
    pub(crate) fn verbatim(text: &str) -> Self {
        Self {
            parts: vec![Part::Text(text.to_owned())],
        }
    }

    /// Whether the expansion depends on the alert's value.
    pub(crate) fn uses_value(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(_) => false,
            Part::Action(term) => term.uses_value(),
        })
    }

    /// The text with everything put in. One that gets too long is replaced by an error, in Prometheus' words for what
    /// cannot be expanded (rules/alerting.go).
    pub(crate) fn expand(&self, data: Data<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Action(term) => out.push_str(&term.show(data).into_text()),
            }
            if out.len() > EXPANDED_MAX && !self.is_verbatim() {
                return format!(
                    "<error expanding template: the result is longer than {EXPANDED_MAX} bytes>"
                );
            }
        }
        out
    }

    fn is_verbatim(&self) -> bool {
        matches!(self.parts.as_slice(), [] | [Part::Text(_)])
    }
}

impl Term {
    /// Whether the term is a number (labels and literals are texts).
    fn is_number(&self) -> bool {
        matches!(self, Self::Value)
    }

    fn uses_value(&self) -> bool {
        match self {
            Self::Value => true,
            Self::Call(_, of) => of.uses_value(),
            Self::Printf(pieces) => pieces.iter().any(|piece| match piece {
                Piece::Text(_) => false,
                Piece::Verb(_, term) => term.uses_value(),
            }),
            _ => false,
        }
    }

    fn show(&self, data: Data<'_>) -> Shown {
        match self {
            Self::Value => Shown::Number(data.value),
            Self::Label(name) => Shown::Text(data.labels.get(name).unwrap_or("").to_owned()),
            Self::ExternalLabel(name) => {
                Shown::Text(data.external.labels.get(name).unwrap_or("").to_owned())
            }
            Self::ExternalUrl => Shown::Text(data.external.url.clone()),
            Self::Literal(text) => Shown::Text(text.clone()),
            Self::Call(function, of) => Shown::Text(function.apply(of.show(data))),
            Self::Printf(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(piece) => text.push_str(piece),
                        Piece::Verb(verb, term) => text.push_str(&verb.print(term.show(data))),
                    }
                    // Too long already, whatever follows.
                    if text.len() > EXPANDED_MAX {
                        break;
                    }
                }
                Shown::Text(text)
            }
        }
    }
}

impl Verb {
    fn print(self, shown: Shown) -> String {
        match (self, shown) {
            (_, Shown::Text(text)) => text,
            (Self::Plain | Self::General(None), Shown::Number(x)) => go_format::shortest(x),
            (Self::Fixed(decimals), Shown::Number(x)) => go_format::fixed(x, decimals),
            (Self::Exponential(decimals), Shown::Number(x)) => go_format::exponential(x, decimals),
            (Self::General(Some(digits)), Shown::Number(x)) => go_format::significant(x, digits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, value: f64) -> String {
        let labels = Labels::metric("m", [("job", "mail"), ("queue", "Low")]);
        let external = External {
            labels: Labels::from_pairs([("region", "eu")]),
            url: "http://p".into(),
        };
        Template::parse(text).unwrap().expand(Data {
            labels: &labels,
            value,
            external: &external,
        })
    }

    #[test]
    fn humanized_values() {
        let seconds = f64::INFINITY;
        for (value, plain, human, duration, percent, binary) in [
            (0.00005, "5e-05", "50u", "50us", "0.005%", "5e-05"),
            (
                0.001234, "0.001234", "1.234m", "1.234ms", "0.1234%", "0.001234",
            ),
            (0.5, "0.5", "500m", "500ms", "50%", "0.5"),
            (59.9, "59.9", "59.9", "59.9s", "5990%", "59.9"),
            (
                3661.0,
                "3661",
                "3.661k",
                "1h 1m 1s",
                "3.661e+05%",
                "3.575ki",
            ),
            (
                90061.0,
                "90061",
                "90.06k",
                "1d 1h 1m 1s",
                "9.006e+06%",
                "87.95ki",
            ),
            (
                1234567.0,
                "1.234567e+06",
                "1.235M",
                "14d 6h 56m 7s",
                "1.235e+08%",
                "1.177Mi",
            ),
            (seconds, "+Inf", "+Inf", "+Inf", "+Inf%", "+Inf"),
            (0.0, "0", "0", "0s", "0%", "0"),
            (-75.0, "-75", "-75", "-1m 15s", "-7500%", "-75"),
        ] {
            assert_eq!(expand("{{ $value }}", value), plain);
            assert_eq!(expand("{{ $value | humanize }}", value), human);
            assert_eq!(expand("{{ humanizeDuration $value }}", value), duration);
            assert_eq!(expand("{{$value|humanizePercentage}}", value), percent);
            assert_eq!(expand("{{ .Value | humanize1024 }}", value), binary);
        }
        assert_eq!(expand("{{ humanize $value }}", 1e21), "1Z");
        assert_eq!(expand("{{ humanize1024 $value }}", 1e21), "867.4Ei");
    }

    #[test]
    fn texts_labels_and_pipelines() {
        for (text, expected) in [
            ("plain } { text", "plain } { text"),
            ("{{ $labels.job }}/{{ .Labels.queue }}", "mail/Low"),
            ("[{{ $labels.missing }}]", "[]"),
            ("{{ $labels.__name__ | toUpper }}", "M"),
            ("{{ index $labels \"job\" }}", "mail"),
            ("a {{- /* note */ -}} b", "ab"),
            ("a  {{- $labels.job -}}\n b", "amailb"),
            (
                "{{ printf \"%.2f%% of %s\" $value $labels.job }}",
                "2.50% of mail",
            ),
            ("{{ $value | printf \"%.1f\" }}", "2.5"),
            ("{{ printf \"%5\" | toLower }}", "unsupported"),
            ("{{ \"x{{y\" }}{{ `}}` }}", "x{{y}}"),
            (
                "{{ $externalLabels.region }} {{ $externalURL }}",
                "eu http://p",
            ),
            ("{{ ($value | humanize) }}", "2.5"),
        ] {
            if expected == "unsupported" {
                assert!(Template::parse(text).is_err());
            } else {
                assert_eq!(expand(text, 2.5), expected, "{text}");
            }
        }
    }

    #[test]
    fn refusals_tell_broken_from_unsupported() {
        for text in [
            "{{ $value",
            "{{ }}",
            "{{ $x }}",
            "{{ nope $value }}",
            "{{ \"a }}",
            "{{ ($value }}",
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(matches!(error, TemplateError::Syntax(_)), "{text}: {error}");
        }
        for text in [
            "{{ if gt $value 1.0 }}x{{ end }}",
            "{{ with query \"up\" }}x{{ end }}",
            "{{ $labels }}",
            "{{ humanize $labels.job }}",
            "{{ printf \"%d\" $value }}",
            "{{ $value | title }}",
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(
                matches!(error, TemplateError::Unsupported(_)),
                "{text}: {error}"
            );
        }
    }
}
