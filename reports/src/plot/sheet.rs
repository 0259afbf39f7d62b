//! How wide charts are drawn.

use super::Failed;
use crate::picture::{Picture, Sizes};

/// What a chart is drawn for. Letters have one size on both, so a narrow chart is laid out anew, not shrunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sheet {
    /// A desk, and paper.
    Wide,
    /// A telephone.
    Narrow,
}

impl Sheet {
    /// In pixels.
    pub(super) fn width(self) -> u32 {
        match self {
            Self::Wide => 1080,
            Self::Narrow => 340,
        }
    }

    /// Room right of the axes.
    pub(super) fn right(self) -> u32 {
        match self {
            Self::Wide => 24,
            Self::Narrow => 14,
        }
    }

    /// Room left of the axes, of that on a wide one.
    pub(super) fn left(self, wide: u32) -> u32 {
        match self {
            Self::Wide => wide,
            Self::Narrow => wide.min(64),
        }
    }

    /// Most labels along an axis from left to right, of those on a wide one.
    pub(super) fn labels(self, wide: usize) -> usize {
        match self {
            Self::Wide => wide,
            Self::Narrow => wide.min(4),
        }
    }

    /// The title that stands in a chart: a narrow one has no room for it, and it stands above.
    pub(super) fn title(self, title: &str) -> &str {
        match self {
            Self::Wide => title,
            Self::Narrow => "",
        }
    }

    /// A chart on either.
    pub(super) fn both(draw: impl Fn(Self) -> Result<Picture, Failed>) -> Result<Sizes, Failed> {
        Ok(Sizes {
            wide: draw(Self::Wide)?,
            narrow: draw(Self::Narrow)?,
        })
    }
}
