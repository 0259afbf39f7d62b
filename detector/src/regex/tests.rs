#![expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment whether a missing peer is an error"
)]

use std::collections::BTreeSet;
use std::process::Command;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::*;

const COMPATS: [Compat; 2] = [Compat::V2, Compat::V3];

/// What Go says of a pattern; nothing where it is one.
#[track_caller]
fn refused(pattern: &str, message: &str) {
    for compat in COMPATS {
        let error = Parsed::anywhere(pattern, compat).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("error parsing regexp: {message}"),
            "{pattern}"
        );
    }
}

#[test]
fn what_go_refuses() {
    for (pattern, message) in [
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*?+", "invalid nested repetition operator: `*?+`"),
        ("a+*b", "invalid nested repetition operator: `+*`"),
        ("a{1}{2}", "invalid nested repetition operator: `{1}{2}`"),
        ("a???", "invalid nested repetition operator: `???`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(?i)*?", "missing argument to repetition operator: `*?`"),
        ("a|+b", "missing argument to repetition operator: `+`"),
        ("({2})", "missing argument to repetition operator: `{2}`"),
        (".{0,1001}", "invalid repeat count: `{0,1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
        ("(a{1000}){2}", "invalid repeat count: `{2}`"),
        ("((a{100}){10}){10}?", "invalid repeat count: `{10}?`"),
        ("(", "missing closing ): `(`"),
        ("a(b|", "missing closing ): `a(b|`"),
        (")a", "unexpected ): `)a`"),
        ("a)(b", "unexpected ): `a)(b`"),
        ("[a", "missing closing ]: `[a`"),
        ("x[", "missing closing ]: `[`"),
        ("x[]", "missing closing ]: `[]`"),
        ("x[^]y", "missing closing ]: `[^]y`"),
        ("[a-", "missing closing ]: `[a-`"),
        ("[a--b]", "invalid character class range: `a--`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("[[:x]y:]", "invalid character class range: `[:x]y:]`"),
        (
            r"\p{Klingon}",
            r"invalid character class range: `\p{Klingon}`",
        ),
        (r"\p{greek}", r"invalid character class range: `\p{greek}`"),
        (r"\p{Greek", r"invalid character class range: `\p{Greek`"),
        (r"a\p", r"invalid character class range: `\p`"),
        (r"\pé", r"invalid character class range: `\pé`"),
        (r"\P{^}", r"invalid character class range: `\P{^}`"),
        ("\\", "trailing backslash at end of expression: ``"),
        (r"[a-\", "trailing backslash at end of expression: ``"),
        (r"\h", r"invalid escape sequence: `\h`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\E", r"invalid escape sequence: `\E`"),
        (r"\é", r"invalid escape sequence: `\é`"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\xg1", r"invalid escape sequence: `\xg1`"),
        (r"\x1", r"invalid escape sequence: `\x1`"),
        (r"\x", r"invalid escape sequence: `\x`"),
        (r"\x{}", r"invalid escape sequence: `\x{}`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
        (r"[\b]", r"invalid escape sequence: `\b`"),
        (r"[\Qa]", r"invalid escape sequence: `\Q`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
        ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?i--s)a", "invalid or unsupported Perl syntax: `(?i--`"),
        ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
        ("(?P<", "invalid or unsupported Perl syntax: `(?P`"),
        ("(?<", "invalid or unsupported Perl syntax: `(?<`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("(?P<n-m>a)", "invalid named capture: `(?P<n-m>`"),
        ("(?P<>a)", "invalid named capture: `(?P<>`"),
    ] {
        refused(pattern, message);
    }
    let deep = |levels: usize| format!("{}a{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(
        Parsed::anywhere(&deep(999), Compat::V3).unwrap_err(),
        Error::TooDeep
    );
    refused(
        &deep(1000),
        &format!("expression nests too deeply: `{}`", deep(1000)),
    );
}

/// Which of the texts a pattern matches as a whole.
#[track_caller]
fn check(pattern: &str, matching: &[&str], other: &[&str]) {
    for compat in COMPATS {
        let regex = Parsed::matcher(pattern, compat).unwrap().compile().unwrap();
        for text in matching {
            assert!(regex.is_match(text), "{pattern} should match {text:?}");
        }
        for text in other {
            assert!(!regex.is_match(text), "{pattern} should not match {text:?}");
        }
    }
}

#[test]
fn what_patterns_match() {
    check("b", &["b"], &["abc", "xbx", ""]);
    check("b|", &["b", ""], &["bb"]);
    check("[+--]", &["+", ",", "-"], &["."]);
    check(r"\<a", &["<a"], &["a"]);
    check(r"a\_b", &["a_b"], &["ab"]);
    check(".*{{ . }}", &["x{{ y }}"], &["x{ y }"]);
    check("[[a]", &["[", "a"], &["b"]);
    check("[[:alpha:][:^print:]-]+", &["aZ-\u{1}"], &["1"]);
    check("[[:]+", &["[:"], &["a"]);
    check(r"[\w-z]+", &["a-z_9"], &["+", "ä"]);
    check(r"\Qa.b*\E+", &["a.b*", "a.b**"], &["aab", "a.b*a.b*"]);
    check(r"\pN\p{Greek}\P{^Lu}", &["1αA"], &["1aA", "1αa"]);
    check(r"\07\123\x41\x{1F600}\a", &["\u{7}SA😀\u{7}"], &[""]);
    check("(?P<n>a)(?P<n>b)", &["ab"], &["a"]);
    check(r"\d+\s", &["12\t"], &["١٢ ", "12\u{b}"]);
    check("(?i)straße|K", &["STRAẞE", "\u{212a}", "k"], &["STRASSE"]);
    check("(?i)[^k]", &["a"], &["k", "K", "\u{212a}"]);
    check(r"(?i)\w", &["ſ", "\u{212a}"], &["ä"]);
    check(r"\w", &["s"], &["ſ"]);
    check("[]a]+", &["]a"], &["b"]);
    check("[^]a]+", &["b\n"], &["]"]);
    check("[^a]", &["\n", "ä"], &["a"]);
    check("a{2}b{,2}c{1", &["aab{,2}c{1"], &["aabbc"]);
    check("a{01}", &["a{01}"], &["a"]);
    check("(?:a{1000}){0}b{0}", &[""], &["a"]);
    check("^a$|^(?m)^b$", &["a", "b"], &["ab", "a\n"]);
    check(r"\Aa\z", &["a"], &["a\n"]);
    check(r"a\b.\B", &["a!"], &["ab"]);
    check("é\\bx|\\Bé", &["éx", "é"], &[]);
    check("(?-s:.)", &["x"], &["\n"]);
    check(r"[\x{D7FF}-\x{E000}]", &["\u{d7ff}", "\u{e000}"], &["a"]);
    check(r"\x{D800}|a", &["a"], &["\u{fffd}"]);
    check("(?)a(?:)*", &["a"], &["?a"]);
    check("[a&&b~~c]+", &["a&b~c"], &["-"]);
}

#[test]
fn what_generations_differ_in() {
    let matcher = |pattern: &str, compat| Parsed::matcher(pattern, compat);
    let dot = |compat| matcher(".", compat).unwrap().compile().unwrap();
    assert!(dot(Compat::V3).is_match("\n") && !dot(Compat::V2).is_match("\n"));
    for pattern in ["(?<n>a)", r"\Qa", r"\p{LC}", r"\p{Cn}", r"\p{Kawi}"] {
        assert!(matcher(pattern, Compat::V3).is_ok(), "{pattern}");
        assert!(matcher(pattern, Compat::V2).is_err(), "{pattern}");
    }
    // Read together with the anchors in label_replace only.
    for compat in COMPATS {
        assert!(matcher("a)|(b", compat).is_err());
        assert!(Parsed::whole("a)|(b", compat).is_ok());
        assert!(Parsed::whole(r"\Qa", compat).is_err());
    }
}

#[test]
fn leftmost_first_and_ungreedy() {
    let found = |pattern: &str, text: &str| {
        let regex = Regex::new(pattern, Compat::V3).unwrap();
        regex.find_groups(text).unwrap()[0].clone().unwrap()
    };
    assert_eq!(found("a|ab", "xab"), 1..2);
    assert_eq!(found("(?U)a+", "aaa"), 0..1);
    assert_eq!(found("(?U)a+?", "aaa"), 0..3);
    assert_eq!(found("(?U:a+)a*", "aaa"), 0..3);
}

#[test]
fn replacements() {
    let regex = Regex::new("(?P<ab>a+)(?P<n>x)?(?P<n>b)?", Compat::V3).unwrap();
    let expand = |template: &str| {
        let template = Template::new(template, &regex, Compat::V3);
        regex.expand(&template, "-aab-", 1000)
    };
    for (template, wanted) in [
        ("$1", "aa"),
        ("$0!", "aab!"),
        ("${1}x", "aax"),
        ("$1x", ""),
        ("$ab-$n", "aa-b"),
        ("$$1$", "$1$"),
        ("${1", "${1"),
        ("${}-${a-b}", "${}-${a-b}"),
        ("$01$7$99999999999", ""),
        ("$1é.", "."),
        ("é$1", "éaa"),
    ] {
        assert_eq!(
            expand(template),
            Expanded::Text(wanted.into()),
            "{template}"
        );
    }
    let template = Template::new("$1$1", &regex, Compat::V3);
    assert_eq!(regex.expand(&template, "aa", 3), Expanded::TooLong);
    assert_eq!(regex.expand(&template, "b", 3), Expanded::NoMatch);
    let replaced = |pattern: &str, text: &str, replacement: &str| {
        let regex = Regex::new(pattern, Compat::V3).unwrap();
        regex.replace_all(text, &Template::new(replacement, &regex, Compat::V3), 100)
    };
    assert_eq!(replaced("a*", "baaé", "x").as_deref(), Some("xbxéx"));
    assert_eq!(replaced("", "é", "-").as_deref(), Some("-é-"));
    assert_eq!(
        replaced("(b)|c", "abcd", "<$1>").as_deref(),
        Some("a<b><>d")
    );
    assert_eq!(replaced("a", &"a".repeat(60), "xx"), None);
}

#[test]
fn what_is_too_large_is_known_before_it_is_compiled() {
    for pattern in [
        r"\pL{1000}".to_owned(),
        r"(?i)\pL".repeat(500),
        r"[\pL\pN]".repeat(500),
    ] {
        let error = Parsed::anywhere(&pattern, Compat::V3).unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{error}");
    }
    let error = Parsed::anywhere(&"a".repeat(TEXT_MAX + 1), Compat::V3).unwrap_err();
    assert_eq!(error, Error::TooLong(TEXT_MAX + 1));
    assert!(Regex::new(".{0,1000}", Compat::V3).is_ok());
    // The deepest that is accepted, on the stack of a thread.
    let deep = |levels: usize| format!("{}a{}", "(b|c".repeat(levels), ")*".repeat(levels));
    let deepest = (DEPTH_MAX as usize - 1) / 4;
    assert!(
        Regex::new(&deep(deepest), Compat::V3)
            .unwrap()
            .is_match("ca")
    );
    assert!(matches!(
        Regex::new(&deep(deepest + 1), Compat::V3),
        Err(Error::TooDeep)
    ));
}

/// What Go prints of its Unicode, a line each; nothing without Go.
fn go(argument: &str) -> Option<Vec<String>> {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle");
    let has_go = Command::new("go").arg("version").output().is_ok();
    if !has_go {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "go is needed");
        eprintln!("skipped: needs go");
        return None;
    }
    let output = Command::new("go")
        .current_dir(module)
        .args(["run", "./regex", argument])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split_ascii_whitespace()
        .map(|number| number.parse().unwrap())
}

/// Every class that `\p` knows, with and without other cases, is Go's.
#[test]
fn classes_are_those_of_go() {
    let Some(lines) = go("classes") else { return };
    let mut names = BTreeSet::new();
    for line in &lines {
        let [name, folded, ranges] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        names.insert(name);
        let bounds: Vec<u32> = numbers(ranges).collect();
        let mut wanted = ClassUnicode::empty();
        for pair in bounds.chunks(2) {
            wanted.union(&class::range(pair[0], pair[1]));
        }
        let mut ours = unicode::named(name, folded == "true", Compat::V3).expect(name);
        ours.union(&class::range(0x10ffff, 0x10ffff));
        let mut apart = ours.clone();
        apart.difference(&wanted);
        wanted.difference(&ours);
        assert!(
            apart.ranges().is_empty() && wanted.ranges().is_empty(),
            "{name} {folded}: only here {apart:?}, only in Go {wanted:?}"
        );
    }
    assert!(names.len() > 200);
    let known = |name: &str| unicode::named(name, false, Compat::V3).is_some();
    for name in unicode::names() {
        assert!(names.contains(name) && known(name), "{name}");
    }
}

/// Every character has the other cases that it has in Go, and no others.
#[test]
fn cases_are_those_of_go() {
    let Some(lines) = go("folds") else { return };
    assert!(lines.len() > 2500);
    let mut folding = ClassUnicode::empty();
    for line in &lines {
        let orbit: Vec<u32> = numbers(line).collect();
        let mut wanted = ClassUnicode::empty();
        for &char in &orbit {
            wanted.union(&class::range(char, char));
        }
        let ours = unicode::fold(class::range(orbit[0], orbit[0]), Compat::V3);
        assert_eq!(ours, wanted, "{line}");
        folding.union(&wanted);
    }
    // All others have none. Two of them that were taken for each other would differ in some bit of their codes. Han and
    // Hangul have no cases, in any version, and are many.
    let named = |name| unicode::named(name, false, Compat::V3).unwrap();
    let mut others = class::any();
    for set in [
        folding,
        named("Cn"),
        named("Co"),
        named("Han"),
        named("Hangul"),
    ] {
        others.difference(&set);
    }
    let others: Vec<u32> = others
        .ranges()
        .iter()
        .flat_map(|range| u32::from(range.start())..=u32::from(range.end()))
        .collect();
    assert!(others.len() > 20_000);
    for bit in 0..21 {
        for wanted in [0, 1] {
            let half = others.iter().filter(|&&char| char >> bit & 1 == wanted);
            let half = ClassUnicode::new(half.filter_map(|&char| {
                let char = char::from_u32(char)?;
                Some(ClassUnicodeRange::new(char, char))
            }));
            assert_eq!(unicode::fold(half.clone(), Compat::V3), half, "bit {bit}");
        }
    }
}
