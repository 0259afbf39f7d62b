//! Merge keys (`<<`), as go-yaml reads them.

use crate::yaml::{Node, Problems, Value};
use std::collections::BTreeSet;

/// Whether a key is a merge key.
fn is_merge(key: &Node) -> bool {
    matches!(&key.value, Value::Scalar { text, plain: true } if text == "<<")
}

/// The entries of a mapping, with those of the mappings its merge keys name in their place: keys that are written win over
/// merged ones, and of a list of mappings the first that has a key.
pub(super) fn merged(entries: Vec<(Node, Node)>, problems: &mut Problems) -> Vec<(Node, Node)> {
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return entries;
    }
    let (merges, mut all): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| is_merge(key));
    let mut known: BTreeSet<String> = all
        .iter()
        .filter_map(|(key, _)| key.text().map(str::to_owned))
        .collect();
    for (_, value) in merges {
        let sources = match value.value {
            Value::Sequence(items) => items,
            _ => vec![value],
        };
        for source in sources {
            let Value::Mapping(entries) = source.value else {
                problems.push(
                    source.at,
                    "a merge key (`<<`) takes a mapping or a list of mappings",
                );
                continue;
            };
            for (key, value) in entries {
                let is_new = key.text().is_none_or(|name| known.insert(name.to_owned()));
                if is_new {
                    all.push((key, value));
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::yaml::{Node, Problems, Value, parse};

    /// As JSON, more or less.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, .. } => text.clone(),
            Value::Sequence(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Mapping(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}={}", shown(key), shown(value)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    fn read(text: &str) -> String {
        let mut problems = Problems::new("f.yml");
        let node = parse(text, &mut problems);
        let problems: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        match node {
            Some(node) if problems.is_empty() => shown(&node),
            _ => problems.join("\n"),
        }
    }

    #[test]
    fn aliases_and_merge_keys_are_expanded_as_go_yaml_does() {
        for (text, expected) in [
            ("a: &x 1\nb: *x\n", "{a=1 b=1}"),
            ("a: &x {k: 1}\nb: [*x, *x]\n", "{a={k=1} b=[{k=1} {k=1}]}"),
            // A name may be used again.
            ("a: &x 1\nb: &x 2\nc: *x\n", "{a=1 b=2 c=2}"),
            // What is written wins, wherever it stands.
            (
                "a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n",
                "{a={k=1 l=2} b={k=3 l=2}}",
            ),
            (
                "a: &x {k: 1, l: 2}\nb: {k: 3, <<: *x}\n",
                "{a={k=1 l=2} b={k=3 l=2}}",
            ),
            // The first of a list wins.
            (
                "a: [&x {k: 1}, &y {k: 2, l: 2}]\nb: {<<: [*x, *y]}\n",
                "{a=[{k=1} {k=2 l=2}] b={k=1 l=2}}",
            ),
            // Merges of merges, and a mapping on the spot.
            (
                "a: &x {k: 1}\nb: &y {<<: *x, l: 2}\nc: {<<: *y}\nd: {<<: {m: 3}}\n",
                "{a={k=1} b={l=2 k=1} c={l=2 k=1} d={m=3}}",
            ),
            // Quoted, it is a key like others.
            ("a: {'<<': 1}\n", "{a={<<=1}}"),
            (
                "a: {<<: 1}\n",
                "f.yml:1:9: a merge key (`<<`) takes a mapping or a list of mappings",
            ),
            (
                "a: &x [*x]\n",
                "f.yml:1:8: an alias (`*name`) stands within what it names",
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert!(
            read("a: *x\n").starts_with("f.yml:1:"),
            "{}",
            read("a: *x\n")
        );
    }

    #[test]
    fn what_aliases_expand_to_is_bounded() {
        let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
        for n in 1..20 {
            let before = format!("*a{}, ", n - 1).repeat(9);
            laughs.push_str(&format!("a{n}: &a{n} [{before}]\n"));
        }
        assert!(
            read(&laughs).contains("too many nodes"),
            "{}",
            read(&laughs)
        );
        let mut deep = String::from("a0: &a0 [x]\n");
        for n in 1..100 {
            deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        assert!(read(&deep).contains("nested too deep"), "{}", read(&deep));
    }
}
