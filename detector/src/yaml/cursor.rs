//! Going through a text character by character, with its lines counted as YAML 1.1 counts them.

use super::token::Mark;

/// A place in a text from which on it is read.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    pub(super) mark: Mark,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut mark = Mark::default();
        // It tells of the file's encoding, and takes no column: what begins behind it stands at the beginning of its line.
        if text.starts_with('\u{feff}') {
            mark.byte = '\u{feff}'.len_utf8();
        }
        Self { text, mark }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.mark.byte..]
    }

    /// The byte so many bytes on; 0 at the end, where no text may have one.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        let at = self.mark.byte + ahead;
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.mark.byte >= self.text.len()
    }

    pub(super) fn starts_with(&self, wanted: &str) -> bool {
        self.rest().starts_with(wanted)
    }

    /// How many bytes the line break has that is so many bytes on; 0 if there is none.
    fn break_length(&self, ahead: usize) -> usize {
        match (self.byte(ahead), self.byte(ahead + 1)) {
            (b'\r', b'\n') => 2,
            (b'\r' | b'\n', _) => 1,
            // The next line, and the separators of lines and paragraphs.
            (0xc2, 0x85) => 2,
            (0xe2, 0x80) if matches!(self.byte(ahead + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_length(ahead) > 0
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// A blank, a line break or the end.
    pub(super) fn is_gap(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break(ahead) || self.mark.byte + ahead >= self.text.len()
    }

    /// `---` or `...` by itself at the beginning of a line.
    pub(super) fn is_document_mark(&self) -> bool {
        self.mark.column == 0
            && (self.starts_with("---") || self.starts_with("..."))
            && self.is_gap(3)
    }

    /// The character here, which is passed.
    pub(super) fn read(&mut self) -> Option<char> {
        let char = self.rest().chars().next()?;
        self.mark.byte += char.len_utf8();
        self.mark.chars += 1;
        self.mark.column += 1;
        Some(char)
    }

    /// Passes so many characters.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.read();
        }
    }

    /// The line break here, which is passed, as it is in a value. Empty if there is none.
    pub(super) fn read_break(&mut self) -> &'static str {
        let length = self.break_length(0);
        if length == 0 {
            return "";
        }
        let text = match (length, self.byte(2)) {
            (3, 0xa8) => "\u{2028}",
            (3, _) => "\u{2029}",
            _ => "\n",
        };
        self.mark.chars += if self.byte(0) == b'\r' { length } else { 1 };
        self.mark.byte += length;
        self.mark.line += 1;
        self.mark.column = 0;
        text
    }
}
