//! The notation for series: `name{a="b"}` and `1 2+3x4 _ stale`.

use crate::compat::Compat;
use crate::number;
use crate::sample::{Labels, METRIC_NAME, is_stale, stale_marker};

/// Most samples the series of a test file may have together; promtool would take more, and minutes.
pub(super) const MAX_SAMPLES: usize = 5_000_000;

/// Why a test with native histograms is refused.
pub(super) const NO_HISTOGRAMS: &str =
    "native histograms are not supported: their samples cannot be evaluated exactly here";

/// Most labels of a series.
pub(super) const LABELS_MAX: usize = 256;

/// Reads `name{a="b", …}`, `{a="b"}` or `name`; for the third generation also names in quotes, `{"a.name", "a.b"="c"}`.
pub(super) fn metric(text: &str, compat: Compat) -> Result<Labels, String> {
    let text = text.trim();
    let (name, rest) = match text.find('{') {
        Some(brace) => (text[..brace].trim(), Some(&text[brace + 1..])),
        None => (text, None),
    };
    let fail = |why: &str| Err(format!("{text:?} is not a series: {why}"));
    let word = |name: &str| {
        let starts = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':');
        name.bytes().next().is_some_and(starts)
            && name.bytes().all(|b| starts(b) || b.is_ascii_digit())
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    if !name.is_empty() {
        // PromQL reads these two as numbers.
        let number = ["inf", "nan"].contains(&name.to_ascii_lowercase().as_str());
        if !word(name) || number {
            return fail("bad metric name");
        }
        pairs.push((METRIC_NAME.into(), name.into()));
    } else if rest.is_none() {
        return fail("nothing there");
    }
    let mut rest = match rest {
        Some(rest) => rest.trim_start(),
        None => return Ok(Labels::from_pairs(pairs)),
    };
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return if after.trim().is_empty() {
                Ok(Labels::from_pairs(pairs))
            } else {
                fail("something follows the }")
            };
        }
        let name_in_quotes = match compat {
            Compat::V2 => None,
            Compat::V3 => quoted(rest),
        };
        let (label, after) = match name_in_quotes {
            Some((name, after)) => match after.trim_start().strip_prefix('=') {
                Some(after) => (name, after),
                None if pairs.iter().any(|(label, _)| label == METRIC_NAME) => {
                    return fail("it has two names");
                }
                // A name by itself is the metric's.
                None => {
                    pairs.push((METRIC_NAME.into(), name));
                    rest = after.trim_start();
                    match rest.strip_prefix(',') {
                        Some(after) => rest = after.trim_start(),
                        None if rest.starts_with('}') => {}
                        None => return fail("labels are separated by commas and closed by }"),
                    }
                    continue;
                }
            },
            None => {
                let Some((label, after)) = rest.split_once('=') else {
                    return fail("a label has no =");
                };
                let label = label.trim();
                if !word(label) || label.contains(':') {
                    return fail("bad label name");
                }
                (label.to_owned(), after)
            }
        };
        let Some((value, after)) = quoted(after.trim_start()) else {
            return fail("a label's value is not quoted");
        };
        pairs.push((label, value));
        if pairs.len() > LABELS_MAX {
            return Err(format!("a series has more than {LABELS_MAX} labels"));
        }
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return fail("labels are separated by commas and closed by }"),
        }
    }
}

/// A quoted string at the start, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| "\"'`".contains(*c))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return Some((value, &text[at + 1..]));
        }
        if char != '\\' || quote == '`' {
            value.push(char);
            continue;
        }
        match chars.next()?.1 {
            'a' => value.push('\u{7}'),
            'b' => value.push('\u{8}'),
            'f' => value.push('\u{c}'),
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            'v' => value.push('\u{b}'),
            'u' => value.push(hexadecimal(&mut chars, 4)?),
            'U' => value.push(hexadecimal(&mut chars, 8)?),
            same @ ('\\' | '"' | '\'') => value.push(same),
            _ => return None,
        }
    }
    None
}

/// The character whose code is written in so many hexadecimal digits.
fn hexadecimal(chars: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Option<char> {
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + chars.next()?.1.to_digit(16)?;
    }
    char::from_u32(code)
}

/// Reads values: samples with the number of intervals before them.
///
/// `a`, `a+bxn` and `a-bxn` (n+1 samples, each the one before plus or minus b), `axn` (n+1 times a), `_`, `_xn`
/// (n gaps), `stale`, `stale+bxn` (a staleness marker, then n times NaN). The samples are taken off `left`, which is what
/// the test file may still have; gaps are none.
pub(super) fn values(
    text: &str,
    compat: Compat,
    left: &mut usize,
) -> Result<Vec<(usize, f64)>, String> {
    if text.contains("{{") {
        return Err(format!("{text:?}: {NO_HISTOGRAMS}"));
    }
    let mut values = Vec::new();
    let mut place = 0_usize;
    for item in text.split_ascii_whitespace() {
        let fail = || {
            format!(
                "{item:?} is no sample value; accepted are numbers, a+bxn, a-bxn, axn, _, _xn and stale"
            )
        };
        let (body, times) = match item.split_once('x') {
            Some((body, times)) => (body, Some(times.parse::<usize>().map_err(|_| fail())?)),
            None => (item, None),
        };
        if body == "_" {
            place = place.saturating_add(times.unwrap_or(1));
            continue;
        }
        // promtool reads `Infx2` as one word.
        if times.is_some() && body.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(fail());
        }
        // One more than it says, or one that does not say.
        let most = times.unwrap_or(0).saturating_add(1);
        *left = left.checked_sub(most).ok_or_else(|| {
            format!("the test file has more than {MAX_SAMPLES} samples; split it, or lengthen the interval")
        })?;
        let (start, step) = match body.strip_prefix("stale") {
            Some("") if times.is_none() => (stale_marker(), None),
            // No step leads away from it: a sum with it is no number.
            Some(step) if step.starts_with(['+', '-']) => {
                let step = number(&step[1..], compat).ok_or_else(fail)?;
                (stale_marker(), Some(step))
            }
            Some(_) => return Err(fail()),
            None => start_and_step(body, compat).ok_or_else(fail)?,
        };
        if step.is_some() && times.is_none() {
            return Err(fail());
        }
        let mut value = start;
        for more in 0..most {
            values.push((place, value));
            place = place.saturating_add(1);
            if more + 1 < most {
                // Added up, not multiplied: the rounding errors are promtool's too.
                value = match is_stale(value) {
                    true => f64::NAN,
                    false => value + step.unwrap_or(0.0),
                };
            }
        }
    }
    Ok(values)
}

/// `a`, `a+b` or `a-b`.
fn start_and_step(text: &str, compat: Compat) -> Option<(f64, Option<f64>)> {
    if let Some(value) = number(text, compat) {
        return Some((value, None));
    }
    // The sign that separates the two is the last one that is no exponent's.
    let bytes = text.as_bytes();
    let is_separator =
        |at: &usize| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E');
    let at = (1..bytes.len()).rev().find(is_separator)?;
    let step = number(&text[at + 1..], compat)?;
    let step = if bytes[at] == b'-' { -step } else { step };
    Some((number(&text[..at], compat)?, Some(step)))
}

/// A number as PromQL writes it in series, where `0x3` is no hexadecimal number but four times 0.
fn number(text: &str, compat: Compat) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned.to_ascii_lowercase().as_str() {
        "inf" => Some(sign * f64::INFINITY),
        "nan" => Some(f64::NAN),
        _ => {
            let plain = number::without_separators(unsigned, compat)?;
            number::decimal(&plain).map(|value| sign * value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_and_values() {
        let labels = metric(r#"m{a="x", b='y"',}"#, Compat::V3).unwrap();
        assert_eq!(labels, Labels::metric("m", [("a", "x"), ("b", "y\"")]));
        let labels = metric(r#"{a="\u2603\U0001F600\a"}"#, Compat::V3).unwrap();
        assert_eq!(labels.get("a"), Some("☃😀\u{7}"));
        assert_eq!(metric("{}", Compat::V3).unwrap(), Labels::default());
        assert_eq!(metric("a:b", Compat::V3).unwrap().name(), "a:b");
        for bad in [
            "",
            "m{",
            "m{a}",
            "m{a=b}",
            "m{a=\"b\"}x",
            "1m",
            "m{a=\"b\" c=\"d\"}",
        ] {
            assert!(metric(bad, Compat::V3).is_err(), "{bad}");
        }

        let named = r#"{"a.name", "b.c"="d", e="f"}"#;
        let labels = Labels::from_pairs([("__name__", "a.name"), ("b.c", "d"), ("e", "f")]);
        assert_eq!(metric(named, Compat::V3), Ok(labels));
        assert!(metric(named, Compat::V2).is_err());
        assert!(metric(r#"m{"a.name"}"#, Compat::V3).is_err());

        let read = |text: &str| -> Vec<String> {
            let shown = |(place, value): &(usize, f64)| match is_stale(*value) {
                true => format!("{place}:stale"),
                false => format!("{place}:{value}"),
            };
            values(text, Compat::V3, &mut { 100 })
                .unwrap()
                .iter()
                .map(shown)
                .collect()
        };
        assert_eq!(
            read("10-3x2 _x2 4 _ stale 1"),
            ["0:10", "1:7", "2:4", "5:4", "7:stale", "8:1"]
        );
        assert_eq!(
            read("-1+2x1 5x1 1e3+1e-1x1"),
            ["0:-1", "1:1", "2:5", "3:5", "4:1000", "5:1000.1"]
        );
        assert_eq!(
            read("1_000+1_0x1 .5_0 017 08 1e1_0"),
            ["0:1000", "1:1010", "2:0.5", "3:15", "4:8", "5:10000000000"]
        );
        assert!(values("1_000", Compat::V2, &mut { 1 }).is_err());
        assert_eq!(
            read("Inf -Inf NaN 0x1"),
            ["0:inf", "1:-inf", "2:NaN", "3:0", "4:0"]
        );
        assert_eq!(read("stale+0x2 1"), ["0:stale", "1:NaN", "2:NaN", "3:1"]);
        // Gaps are no samples, however many.
        assert_eq!(read("_x90000000 1"), ["90000000:1"]);
        for bad in [
            "1+2",
            "x3",
            "1xx2",
            "a",
            "_x",
            "1+2x-1",
            "1x9999999",
            "Infx2",
            "-NaNx1",
            "stalex3",
            "stale+0",
            "stale1",
            "1__0",
            "1_",
            "1e400",
            "{{schema:0}}",
        ] {
            assert!(
                values(bad, Compat::V3, &mut { MAX_SAMPLES }).is_err(),
                "{bad}"
            );
        }
    }
}
