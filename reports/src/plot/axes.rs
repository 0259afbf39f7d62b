//! The axes of a chart.

use super::{Area, BOTTOM, FONT, Failed, LABEL_HEIGHT, MARK, Sheet, TOP};
use crate::picture::Canvas;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::ops::Range;

/// What of a chart is between its axes.
pub(super) type Chart<'a, 'p> =
    ChartContext<'a, Canvas<'p>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// From where to where, at most how many labels, and the label of a value.
type Axis<'x> = (Range<f64>, usize, &'x dyn Fn(&f64) -> String);

/// Lines behind a chart.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Grid {
    /// At the labels of the left axis.
    Levels,
    /// At those of both.
    Both,
    /// None.
    None,
}

/// How a chart is framed.
pub(super) struct Axes<'x> {
    pub(super) sheet: Sheet,
    /// Room on the left for labels, and above for title and legend.
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) x: Axis<'x>,
    pub(super) y: Axis<'x>,
    /// What the axes are, below and beside them; may be empty.
    pub(super) names: [&'x str; 2],
    pub(super) grid: Grid,
}

impl Default for Axes<'_> {
    fn default() -> Self {
        Self {
            sheet: Sheet::Wide,
            left: 0,
            top: TOP,
            x: (0.0..1.0, 10, &f64::to_string),
            y: (0.0..1.0, 4, &f64::to_string),
            names: [""; 2],
            grid: Grid::Levels,
        }
    }
}

/// Room below a chart for labels, and for the name of the axis where it has one.
pub(super) fn bottom(name: &str) -> u32 {
    match name.is_empty() {
        true => BOTTOM,
        false => BOTTOM + LABEL_HEIGHT,
    }
}

impl Axes<'_> {
    /// Draws them.
    pub(super) fn on<'a, 'p>(&self, root: &'a Area<'p>) -> Result<Chart<'a, 'p>, Failed> {
        let [below, beside] = self.names;
        let mut chart = ChartBuilder::on(root)
            .margin_top(self.top)
            .margin_right(self.sheet.right())
            .x_label_area_size(bottom(below))
            .y_label_area_size(self.left)
            .build_cartesian_2d(self.x.0.clone(), self.y.0.clone())?;
        let mut mesh = chart.configure_mesh();
        match self.grid {
            Grid::Levels => _ = mesh.disable_x_mesh(),
            Grid::Both => {}
            Grid::None => _ = mesh.disable_mesh(),
        }
        mesh.x_desc(below).y_desc(beside).axis_desc_style(FONT);
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(MARK.mix(0.3))
            .axis_style(MARK)
            .x_labels(self.sheet.labels(self.x.1))
            .y_labels(self.y.1)
            .label_style(FONT)
            .x_label_formatter(self.x.2)
            .y_label_formatter(self.y.2)
            .draw()?;
        drop(mesh);
        Ok(chart)
    }
}
