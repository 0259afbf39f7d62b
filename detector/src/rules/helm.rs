//! Helm templates that nobody has rendered: they look like rule files, and are none.

use crate::yaml::{Position, Problems, lines_in_scalars, parse_all};
use std::collections::BTreeSet;

/// What only Helm's templates have; Prometheus' know none of these.
const MARKS: [&str; 9] = [
    ".Values.",
    ".Release.",
    ".Chart.",
    ".Capabilities.",
    ".Files.",
    "{{ include ",
    "{{- include ",
    "{{/*",
    "{{- /*",
];

/// Longest part of a line that is shown, characters.
const SHOWN_MAX: usize = 60;

/// Where a Helm template shows, and the line. A text that stands within a value is Prometheus' unless it can only be Helm's.
pub(super) fn unrendered(text: &str) -> Option<(Position, String)> {
    let may_be = |line: &str| {
        line.contains("{{")
            && (line.trim_start().starts_with("{{") || MARKS.iter().any(|mark| line.contains(mark)))
    };
    if !text.lines().any(may_be) {
        return None;
    }
    let is_read = parse_all(text, &mut Problems::default()).is_some();
    let in_scalars = match is_read {
        true => lines_in_scalars(text),
        false => BTreeSet::new(),
    };
    for (number, line) in (1..).zip(text.lines()) {
        let bare = line.trim_start();
        if bare.starts_with('#') && !in_scalars.contains(&number) {
            continue;
        }
        // An action that stands for lines of YAML. Where the text can be read, it is a mapping of a mapping, or a value.
        let stands_alone = !is_read && bare.starts_with("{{");
        let is_helms = MARKS.iter().any(|mark| {
            let is_comment = mark.ends_with("/*");
            let place = bare.find("{{");
            match (is_comment, place) {
                (_, None) => false,
                (true, Some(_)) => bare.starts_with(mark) && !in_scalars.contains(&number),
                (false, Some(place)) => bare[place..].contains(mark),
            }
        });
        if stands_alone || is_helms {
            let column = line.chars().count() - bare.chars().count() + 1;
            let shown = match bare.char_indices().nth(SHOWN_MAX) {
                Some((end, _)) => format!("{}...", &bare[..end]),
                None => bare.trim_end().to_owned(),
            };
            let line = number;
            return Some((Position { line, column }, shown));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helms_templates_are_told_from_prometheus() {
        for (text, wanted) in [
            (
                "{{- if .Values.on }}\ngroups: []\n{{- end }}\n",
                Some((1, 1)),
            ),
            ("groups:\n- name: {{ .Release.Name }}\n", Some((2, 1))),
            (
                "groups:\n- name: g\n  rules:\n  {{- range $x := .list }}\n  {{- end }}\n",
                Some((4, 3)),
            ),
            ("groups: []\n# {{ .Values.x }}\n", None),
            ("a: '{{ $labels.Values }} {{ .Value }}'\n", None),
            ("a: |\n  {{ range query \"x\" }}\n  {{ end }}\n", None),
            ("a: '{{ template \"x\" . }}'\n", None),
            ("a: {{ b: c }: d}\n", None),
        ] {
            let found = unrendered(text).map(|(at, _)| (at.line, at.column));
            assert_eq!(found, wanted, "{text}");
        }
    }
}
