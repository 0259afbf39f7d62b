//! Text in so many columns.

use firedrill_detector::text::printable;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// How many columns a text takes.
fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text that fits, with a sign where something is left out.
pub(super) fn shortened(text: &str, width: usize) -> String {
    let text = printable(text);
    if columns(&text) <= width {
        return text.into_owned();
    }
    let mut shown = String::new();
    for letter in text.chars() {
        shown.push(letter);
        if columns(&shown) >= width {
            shown.pop();
            break;
        }
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// What is said in rows that fit; what does not fit between two blanks is cut. `before`: what stands before the first row; the others are
/// indented as far.
pub(super) fn flowed(before: &str, spans: &[(String, Style)], width: usize) -> Vec<Line<'static>> {
    let indent = columns(before).min(width / 2);
    let mut rows = vec![vec![Span::raw(shortened(before, width))]];
    let mut taken = indent;
    let mut begins = true;
    for (text, style) in spans {
        let text = printable(text);
        for word in text.split_inclusive(' ') {
            let mut word = word;
            if !begins && taken + columns(word.trim_end()) > width {
                rows.push(vec![Span::raw(" ".repeat(indent))]);
                (taken, begins) = (indent, true);
                word = word.trim_start();
            }
            // One that is longer than a row goes on in the next.
            while taken + columns(word.trim_end()) > width && width > indent {
                let fits = fitting(word, width.saturating_sub(taken));
                let (row, rest) = word.split_at(fits);
                push(&mut rows, row, *style);
                rows.push(vec![Span::raw(" ".repeat(indent))]);
                taken = indent;
                word = rest;
            }
            push(&mut rows, word, *style);
            taken += columns(word);
            begins = begins && word.trim().is_empty();
        }
    }
    rows.into_iter().map(Line::from).collect()
}

/// Bytes of the beginning of a text that fit, one character at least.
fn fitting(text: &str, width: usize) -> usize {
    let mut taken = 0;
    let ends = text.char_indices().map(|(at, letter)| {
        taken += columns(letter.encode_utf8(&mut [0; 4]));
        (at + letter.len_utf8(), taken)
    });
    let ends: Vec<(usize, usize)> = ends.collect();
    let fits = ends.iter().rev().find(|(_, taken)| *taken <= width);
    fits.or(ends.first()).map_or(text.len(), |(end, _)| *end)
}

fn push(rows: &mut [Vec<Span<'static>>], text: &str, style: Style) {
    if let (Some(row), false) = (rows.last_mut(), text.is_empty()) {
        row.push(Span::styled(text.to_owned(), style));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(before: &str, text: &str, width: usize) -> Vec<String> {
        let spans = [(text.to_owned(), Style::new())];
        let rows = flowed(before, &spans, width).into_iter();
        rows.map(|row| row.to_string().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn words_stand_in_rows_and_what_is_too_long_goes_on() {
        assert_eq!(
            rows("1. ", "look at the queue", 11),
            ["1. look at", "   the", "   queue"]
        );
        assert_eq!(rows("", "abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(rows("", "", 3), [""]);
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
        assert_eq!(shortened("漢字", 3), "漢…");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_area_or_lost(text in "\\PC{0,60}", width in 1usize..30) {
            let all = rows("- ", &text, width.max(4));
            for row in &all {
                prop_assert!(columns(row) <= width.max(4), "{:?}", all);
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let shown = letters(&all.concat());
            prop_assert_eq!(shown, letters(&format!("-{}", printable(&text))));
            prop_assert!(columns(&shortened(&text, width)) <= width);
        }
    }
}
