//! Random patterns, subjects and replacements.

use crate::random::Random;

/// What stands for a character or a class of them.
const ATOMS: [&str; 62] = [
    "a",
    "b",
    "c",
    "1",
    "-",
    "_",
    "k",
    "S",
    "é",
    "ß",
    "σ",
    "☃",
    "\u{17f}",
    " ",
    "{",
    "]",
    "}",
    ",",
    ".",
    ".",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "\\.",
    "\\-",
    "\\_",
    "\\n",
    "\\x41",
    "\\x{e9}",
    "\\x{1F600}",
    "\\07",
    "\\141",
    "\\pL",
    "\\PL",
    "\\p{Greek}",
    "\\p{^Lu}",
    "\\P{Nd}",
    "\\p{Any}",
    "\\pZ",
    "[ab]",
    "[^a]",
    "[a-c]",
    "[^\\n]",
    "[]a]",
    "[^]a]",
    "[a-]",
    "[-a]",
    "[[a]",
    "[[:alpha:]]",
    "[[:^digit:]_]",
    "[\\w-]",
    "[\\d-z]",
    "[\\pL-]",
    "[+--]",
    "[^\\W1]",
    "[ -~]",
    "[é-σ]",
    "\\Qa.\\E",
    "\\Q\\E",
];

const LOOKS: [&str; 8] = ["^", "$", "\\b", "\\B", "\\A", "\\z", "(?m:^)", "(?m:$)"];

const OPERATORS: [&str; 14] = [
    "*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,3}?", "{2,}", "{0}", "{0,}?", "{1}",
    "{,2}",
];

const FLAGS: [&str; 9] = ["i", "s", "m", "U", "i-s", "-i", "is", "-U", ""];

const CHARACTERS: [&str; 44] = [
    "(", ")", "[", "]", "{", "}", "|", "*", "+", "?", "\\", "^", "$", ".", "-", ",", ":", "<", ">",
    "=", "!", "0", "1", "9", "a", "b", "i", "P", "p", "Q", "E", "d", "W", "x", "z", "&&", "~",
    "(?", "(?P<n>", "[:", ":]", "\\p{", "é", "1001",
];

/// A pattern: well formed, nearly so, or not at all.
pub(super) fn pattern(random: &mut Random) -> String {
    if random.chance(12) {
        let length = 1 + random.below(8);
        return (0..length).map(|_| random.pick(&CHARACTERS)).collect();
    }
    let mut pattern = alternatives(random, 2);
    if random.chance(30) {
        pattern.insert_str(
            0,
            random.pick(&["(?i)", "(?s)", "(?U)", "(?m)", "(?i-s)", ".*", "^"]),
        );
    }
    if random.chance(20) {
        spoil(random, &mut pattern);
    }
    pattern
}

/// Takes a character out, or puts some in.
fn spoil(random: &mut Random, pattern: &mut String) {
    let places: Vec<usize> = pattern.char_indices().map(|(at, _)| at).collect();
    if places.is_empty() {
        return;
    }
    let place = places[random.below(places.len())];
    if random.chance(50) {
        pattern.remove(place);
    } else {
        pattern.insert_str(place, random.pick(&CHARACTERS));
    }
}

fn alternatives(random: &mut Random, depth: usize) -> String {
    let count = match random.below(10) {
        0..6 => 1,
        6..9 => 2,
        // As many as Prometheus has a way of its own for.
        _ if random.chance(20) => 2 + random.below(20),
        _ => 3,
    };
    let parts: Vec<String> = (0..count).map(|_| sequence(random, depth)).collect();
    parts.join("|")
}

fn sequence(random: &mut Random, depth: usize) -> String {
    let length = random.below(4);
    (0..length).map(|_| repeated(random, depth)).collect()
}

fn repeated(random: &mut Random, depth: usize) -> String {
    let mut part = match random.below(12) {
        0 => random.pick(&LOOKS).to_owned(),
        1..4 if depth > 0 => group(random, depth - 1),
        4..6 => random
            .pick(&["a", "ab", "abc", "foo", "Ab", "k"])
            .to_owned(),
        _ => random.pick(&ATOMS).to_owned(),
    };
    if random.chance(30) {
        part.push_str(random.pick(&OPERATORS));
    }
    part
}

fn group(random: &mut Random, depth: usize) -> String {
    let inside = alternatives(random, depth);
    match random.below(8) {
        0 => format!("(?P<n>{inside})"),
        1 => format!("(?<a_1>{inside})"),
        2 => format!("(?{}:{inside})", random.pick(&FLAGS)),
        3 => format!("(?{}){inside}", random.pick(&FLAGS)),
        4 | 5 => format!("(?:{inside})"),
        _ => format!("({inside})"),
    }
}

/// A text in which a pattern may find something.
pub(super) fn subject(random: &mut Random, pattern: &str) -> String {
    let own: Vec<char> = pattern
        .chars()
        .filter(|char| !"()[]|*+?^".contains(*char))
        .collect();
    let length = random.below(9);
    let mut subject = String::new();
    for _ in 0..length {
        if !own.is_empty() && random.chance(50) {
            subject.push(own[random.below(own.len())]);
        } else {
            subject.push_str(random.pick(&[
                "a", "b", "c", "A", "B", "K", "s", "1", "2", "-", "_", ".", " ", "\n", "é", "É",
                "ß", "ẞ", "σ", "ς", "Σ", "\u{212a}", "\u{17f}", "☃", "😀", "foo", "ab", "\u{7}",
                "x", "\u{fffd}",
            ]));
        }
    }
    subject
}

/// A replacement, of which not all is a reference to a group.
pub(super) fn replacement(random: &mut Random) -> String {
    let length = random.below(4);
    (0..length)
        .map(|_| {
            random.pick(&[
                "$1", "$2", "${1}", "$0", "${0}x", "$n", "${n}", "$a_1", "$$", "$", "${", "}",
                "$1x", "$01", "$9", "${n", "$é", "x", "-", "$nn", "$1$2", "é",
            ])
        })
        .collect()
}
