//! Tables for a terminal: columns side by side, narrower ones where the width is short, a list where nothing else fits.

use crate::document::{Table, Told, Tone};
use crate::render::terminal::{Style, paint, plain};

/// Between columns.
const GAP: usize = 2;

/// A table with its header in the first row, and an empty line after it.
pub(in crate::render) fn table(mut rows: Vec<Vec<Told>>, style: Style) -> String {
    for (content, _) in rows.iter_mut().flatten() {
        *content = plain(content);
    }
    let mut text = match widths(&rows, style.width) {
        Some(widths) => columns(&rows, &widths, style),
        None => list(&rows, style),
    };
    text.push('\n');
    text
}

/// A table whose first head says in capitals what its rows are.
pub(in crate::render) fn titled(table: &Table, style: Style) -> String {
    let mut head = table.head.clone();
    if let Some(first) = head.first_mut() {
        *first = first.to_uppercase();
    }
    let head = head
        .into_iter()
        .map(|column| (column, Tone::Muted))
        .collect();
    let rows = table.rows.iter();
    let rows = rows.map(|row| {
        row.iter()
            .map(|cell| (cell.text.clone(), cell.tone))
            .collect()
    });
    let mut text = self::table(std::iter::once(head).chain(rows).collect(), style);
    if !table.more.is_empty() {
        text.insert_str(text.len() - 1, &format!("{}\n", plain(&table.more)));
    }
    text
}

/// The widths of the columns such that all fit: the widest give way first, down to their longest word. The first column
/// holds names and is never broken.
fn widths(rows: &[Vec<Told>], available: usize) -> Option<Vec<usize>> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize, of: &dyn Fn(&str) -> usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|(content, _)| of(content)).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..count).map(|column| widest(column, &width)).collect();
    let least: Vec<usize> = (0..count)
        .map(|column| match column {
            0 => widths[0],
            _ => widest(column, &longest_word),
        })
        .collect();
    loop {
        let needed = widths.iter().sum::<usize>() + GAP * count.saturating_sub(1);
        if needed <= available {
            return Some(widths);
        }
        let column = (0..count)
            .filter(|column| widths[*column] > least[*column])
            .max_by_key(|column| widths[*column])?;
        widths[column] -= 1;
    }
}

fn columns(rows: &[Vec<Told>], widths: &[usize], style: Style) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let broken: Vec<Vec<String>> = row
            .iter()
            .zip(widths)
            .map(|((content, _), width)| wrap(content, *width))
            .collect();
        for line in 0..broken.iter().map(Vec::len).max().unwrap_or(0) {
            let mut out = String::new();
            // Spaces are written before the next content, so that no line ends in them.
            let mut owed = 0;
            for (column, ((_, tone), width_max)) in row.iter().zip(widths).enumerate() {
                let content = broken[column].get(line).map_or("", String::as_str);
                if !content.is_empty() {
                    out.push_str(&" ".repeat(owed));
                    let tone = if index == 0 { Tone::Muted } else { *tone };
                    out.push_str(&paint(content, tone, style));
                    owed = 0;
                }
                owed += width_max.saturating_sub(width(content)) + GAP;
            }
            text.push_str(&out);
            text.push('\n');
        }
    }
    text
}

/// One line per cell.
fn list(rows: &[Vec<Told>], style: Style) -> String {
    let mut text = String::new();
    if let Some((header, rows)) = rows.split_first() {
        for row in rows {
            text.push_str(&format!("{} {}\n", header[0].0, row[0].0));
            for ((name, _), (content, tone)) in header.iter().zip(row).skip(1) {
                text.push_str(&format!("  {name}: {}\n", paint(content, *tone, style)));
            }
        }
    }
    text
}

/// Breaks a text into lines between words.
pub(super) fn wrap(text: &str, width_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is one from the beginning");
        if line.is_empty() {
            line.push_str(word);
        } else if width(line) + 1 + width(word) <= width_max {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn longest_word(text: &str) -> usize {
    text.split(' ').map(width).max().unwrap_or(0)
}

fn width(text: &str) -> usize {
    text.chars().count()
}
