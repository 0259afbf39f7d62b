//! Random templates.

use firedrill_detector::Compat;

use crate::random::Random;

/// A template of a few actions, some of which do not parse or fail.
pub(crate) fn template(random: &mut Random, compat: Compat) -> String {
    let mut text = String::new();
    for _ in 0..1 + random.below(3) {
        text.push_str(random.pick(&["", "", "a", " ", "\n", "}", "% "]));
        text.push_str(&node(random, compat, 2));
    }
    if random.chance(3) {
        let at = random.below(text.len());
        if text.is_char_boundary(at) {
            text.insert_str(
                at,
                random.pick(&["{{", "}}", "(", ")", "|", "\"", ".", "$", "-", " "]),
            );
        }
    }
    text
}

fn open(random: &mut Random) -> &'static str {
    random.pick(&["{{ ", "{{", "{{- "])
}

fn close(random: &mut Random) -> &'static str {
    random.pick(&[" }}", "}}", " -}}"])
}

fn node(random: &mut Random, compat: Compat, depth: usize) -> String {
    let inner = |random: &mut Random| match depth {
        0 => "x".to_owned(),
        _ => node(random, compat, depth - 1),
    };
    let (open, close) = (open(random), close(random));
    match random.below(14) {
        0 if depth > 0 => {
            let (of, yes, no) = (pipeline(random, compat, 1), inner(random), inner(random));
            format!("{open}if {of}{close}{yes}{{{{ else }}}}{no}{open}end{close}")
        }
        1 if depth > 0 => {
            let (of, yes) = (pipeline(random, compat, 1), inner(random));
            format!("{open}with {of}{close}{yes}[{{{{ . }}}}]{open}end{close}")
        }
        2 if depth > 0 => {
            let (of, yes) = (pipeline(random, compat, 1), inner(random));
            let names = random.pick(&["", "$k, $v := ", "$v := "]);
            let shown = match names.is_empty() {
                true => ".",
                false => "$v",
            };
            let leaves = random.pick(&["", "", "{{ break }}", "{{ continue }}"]);
            format!("{open}range {names}{of}{close}{{{{ {shown} }}}}{yes}{leaves};{open}end{close}")
        }
        3 => {
            let of = pipeline(random, compat, 1);
            let shown = pipeline(random, compat, 1);
            format!("{{{{ $x := {of} }}}}{{{{ $x }}}}{open}{shown}{close}{{{{ $x | print }}}}")
        }
        4 if depth > 0 => {
            let (of, inside) = (value(random, compat, 1), inner(random));
            let name = random.below(1_000_000);
            format!(
                "{open}block \"b{name}\" {of}{close}{}{open}end{close}",
                without_variables(&inside)
            )
        }
        _ => {
            let of = pipeline(random, compat, 2);
            format!("{open}{of}{close}")
        }
    }
}

/// Definitions do not see the variables around them.
fn without_variables(text: &str) -> String {
    text.replace("$labels", ".")
        .replace("$value", ".")
        .replace("$externalLabels", ".")
}

fn pipeline(random: &mut Random, compat: Compat, depth: usize) -> String {
    let mut text = match random.chance(40) {
        true => value(random, compat, depth),
        false => call(random, compat, depth, 0),
    };
    while random.chance(30) {
        let next = call(random, compat, depth, 1);
        text = format!("{text} | {next}");
    }
    text
}

/// A call with about as many arguments as there should be, less those that come through a pipe.
fn call(random: &mut Random, compat: Compat, depth: usize, piped: usize) -> String {
    if random.chance(30) {
        return printf(random, compat, depth, piped);
    }
    let (name, wanted) = FUNCTIONS[random.below(FUNCTIONS.len())];
    let wanted = match random.chance(6) {
        true => random.below(4),
        false => wanted,
    };
    let mut text = name.to_owned();
    for _ in 0..wanted.saturating_sub(piped) {
        text.push(' ');
        text.push_str(&value(random, compat, depth.saturating_sub(1)));
    }
    text
}

/// Numbers stay small where they are whole: a range goes through all of them.
const FUNCTIONS: [(&str, usize); 45] = [
    ("and", 2),
    ("or", 2),
    ("not", 1),
    ("eq", 2),
    ("eq", 3),
    ("ne", 2),
    ("lt", 2),
    ("le", 2),
    ("gt", 2),
    ("ge", 2),
    ("len", 1),
    ("index", 2),
    ("index", 2),
    ("slice", 2),
    ("slice", 3),
    ("print", 2),
    ("print", 3),
    ("println", 2),
    ("html", 1),
    ("js", 1),
    ("urlquery", 1),
    ("first", 1),
    ("value", 1),
    ("label", 2),
    ("strvalue", 1),
    ("args", 2),
    ("safeHtml", 1),
    ("title", 1),
    ("toUpper", 1),
    ("toLower", 1),
    ("graphLink", 1),
    ("tableLink", 1),
    ("sortByLabel", 2),
    ("stripPort", 1),
    ("stripDomain", 1),
    ("humanize", 1),
    ("humanize1024", 1),
    ("humanizeDuration", 1),
    ("humanizePercentage", 1),
    ("humanizeTimestamp", 1),
    ("toTime", 1),
    ("parseDuration", 1),
    ("parseDuration", 1),
    ("call", 1),
    ("urlQueryEscape", 1),
];

fn value(random: &mut Random, compat: Compat, depth: usize) -> String {
    if depth > 0 && random.chance(25) {
        let inside = pipeline(random, compat, depth - 1);
        let field = random.pick(&["", "", "", ".Labels", ".Value", ".job"]);
        return format!("({inside}){field}");
    }
    let values = [
        "$value",
        "$value",
        ".Value",
        "$labels",
        "$labels.job",
        "$labels.job",
        ".Labels.queue",
        "$labels.none",
        "$labels.instance",
        "$labels.n",
        "$externalLabels",
        "$externalURL",
        ".",
        "$",
        "nil",
        "true",
        "false",
        "0",
        "1",
        "2",
        "-3",
        "65",
        "1000000.0",
        "1.5",
        "-0.25",
        "1e3",
        "1e100",
        "0x1F",
        "'a'",
        "1i",
        "\"\"",
        "\"text\"",
        "\"a b<c>\"",
        "`x:80`",
        "\"12.5\"",
        "\"1h30m\"",
        "\"job\"",
        "\"host\"",
        "(query \"w\")",
        "(query \"w\" | first)",
        "(query \"none\")",
        "(args 1 \"a\")",
        "(toTime $value)",
        "(index \"é\" 1)",
        "(query \"big\" | first | value)",
    ];
    random.pick(&values).to_owned()
}

fn printf(random: &mut Random, compat: Compat, depth: usize, piped: usize) -> String {
    let mut format = String::new();
    let mut args = 0;
    for _ in 0..1 + random.below(3) {
        format.push('%');
        for _ in 0..random.below(3) {
            format.push_str(random.pick(&["+", "-", "#", "0", " "]));
        }
        if random.chance(40) {
            format.push_str(random.pick(&["1", "5", "12", "30"]));
        }
        if random.chance(40) {
            format.push_str(random.pick(&[".", ".0", ".1", ".3", ".10", ".20"]));
        }
        format.push_str(random.pick(&[
            "v", "v", "d", "s", "f", "e", "g", "G", "E", "x", "X", "q", "t", "c", "U", "o", "O",
            "b", "T", "%", "F", "z",
        ]));
        args += usize::from(!format.ends_with('%'));
    }
    let mut text = format!("printf \"{format}\"");
    let args = match random.chance(10) {
        true => random.below(4),
        false => args,
    };
    for _ in 0..args.saturating_sub(piped) {
        text.push(' ');
        text.push_str(&value(random, compat, depth.saturating_sub(1)));
    }
    text
}
