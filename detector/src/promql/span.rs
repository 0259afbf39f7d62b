//! Where in its text something stands.

use std::ops::Range;

/// A part of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one.
    pub end: usize,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the beginning of this to the end of `last`.
    pub(super) fn to(self, last: Self) -> Self {
        Self::new(self.start, last.end)
    }

    /// As the range of bytes it is.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}
