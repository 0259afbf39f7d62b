//! The charts of a document as files, each with a name that says what it shows.

use crate::document::{Block, Document, Figure};
use crate::picture::Picture;
use std::collections::BTreeSet;

/// Longest name, in characters: long enough to tell charts apart, short enough for file systems and for people.
const NAME_MAX: usize = 90;

/// Every chart of a document in its order, with a name that no other has: what it is of, and what it shows, in lower case
/// letters, digits and dashes, without an ending. One that could not be drawn says why.
#[must_use]
pub fn plots(document: &Document) -> Vec<(String, Result<&Picture, &str>)> {
    let mut found = Vec::new();
    walk(&document.blocks, "", &mut found);
    let mut taken = BTreeSet::new();
    let named = found.into_iter().map(|(name, figure)| {
        let name = free(&name, &mut taken);
        let picture = figure.picture.as_ref().map(|sizes| &sizes.wide);
        (name, picture.map_err(String::as_str))
    });
    named.collect()
}

/// `within`: the parts that they stand in.
fn walk<'d>(blocks: &'d [Block], within: &str, found: &mut Vec<(String, &'d Figure)>) {
    for block in blocks {
        match block {
            Block::Figure(figure) => {
                found.push((joined(within, &figure.title), figure));
            }
            Block::Part(part) => walk(&part.blocks, &joined(within, &part.title), found),
            _ => {}
        }
    }
}

fn joined(within: &str, title: &str) -> String {
    let title = plain(title);
    match within {
        "" => title,
        _ if title.starts_with(within) => title,
        _ => format!("{within}-{title}"),
    }
}

/// Letters, digits and single dashes.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

/// A name that is not taken yet: with a number where it is.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let short: String = name.chars().take(NAME_MAX).collect();
    let short = match short.trim_end_matches('-') {
        "" => "plot",
        short => short,
    };
    let names = (1..).map(|number| match number {
        1 => short.to_owned(),
        number => format!("{short}-{number}"),
    });
    let mut names = names.skip_while(|name| taken.contains(name));
    let free = names.next().unwrap_or_default();
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Part;
    use crate::picture::Sizes;

    fn figure(title: &str) -> Block {
        Block::Figure(Figure {
            title: title.to_owned(),
            description: String::new(),
            picture: Ok(Sizes {
                wide: Picture::new(title, 1, 1),
                narrow: Picture::new(title, 1, 1),
            }),
        })
    }

    #[test]
    fn names_say_what_is_shown_and_none_is_there_twice() {
        let part = |title: &str, blocks| {
            Block::Part(Part {
                anchor: String::new(),
                title: title.to_owned(),
                badge: None,
                folded: false,
                blocks,
            })
        };
        let why = part(
            "Why <X> was late",
            vec![figure("sum(up) == 0"), figure("sum(up) == 0")],
        );
        let long = "rate ".repeat(60);
        let document = Document {
            title: String::new(),
            verdict: None,
            next: Vec::new(),
            blocks: vec![
                figure("Trade-off"),
                part(
                    "crash",
                    vec![figure("targets up"), figure("crash: page"), why],
                ),
                part("../../etc", vec![figure(&long), figure(&long)]),
                figure("\u{1F525}"),
            ],
        };
        let names: Vec<String> = plots(&document).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names[..5],
            [
                "trade-off",
                "crash-targets-up",
                "crash-page",
                "crash-why-x-was-late-sum-up-0",
                "crash-why-x-was-late-sum-up-0-2"
            ]
        );
        assert!(names[5].starts_with("etc-rate-rate") && names[5].len() <= NAME_MAX);
        assert_eq!(names[6], format!("{}-2", names[5]));
        assert_eq!(names[7], "plot");
    }
}
