//! The charts of a threshold search: every setting by its figures, and the figures over the settings.

use super::axes::bottom;
use super::{
    Axes, FIRING, Failed, Grid, MARK, OUTCOME_COLOURS, Sheet, TOP, legend, more, number, picture,
};
use crate::picture::{Picture, Sizes};
use crate::tune::{Axis, Figures, Tuning};
use plotters::prelude::*;

const SCATTER_HEIGHT: u32 = 360;
const LEFT: u32 = 150;
const NOW: RGBColor = RGBColor(214, 120, 30);
const PROPOSED: RGBColor = RGBColor(60, 130, 210);
/// Most cells of a map; beyond, neighbours are left out.
const CELLS_MAX: usize = 120;
const CELL_HEIGHT: u32 = 16;

fn per_week(figures: &Figures) -> f64 {
    figures.false_per_week().map_or(0.0, |(rate, ..)| rate)
}

fn percent_in_time(figures: &Figures) -> f64 {
    figures.recall().map_or(0.0, |share| share.value() * 100.0)
}

/// False alarms per week against incidents detected by the deadline.
pub(crate) fn scatter(tuning: &Tuning) -> Result<Sizes, Failed> {
    let place = |figures: &Figures| (per_week(figures), percent_in_time(figures));
    let mut places: Vec<(f64, f64)> = tuning.settings.iter().map(place).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    places.dedup();
    let now = place(&tuning.before);
    let widest = places
        .iter()
        .chain([&now])
        .map(|(x, _)| *x)
        .fold(0.0, f64::max);
    let right = if widest > 0.0 { widest * 1.05 } else { 1.0 };
    let mut front: Vec<(f64, f64)> = tuning
        .front
        .iter()
        .map(|p| place(&tuning.settings[p.setting]))
        .collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let title = "incidents detected by the deadline, over false alarms per week";
    let named = [
        ("no other beats these", OUTCOME_COLOURS[0].1),
        ("now", NOW),
        ("proposed", PROPOSED),
    ];
    let draw = |sheet: Sheet| {
        let left = sheet.left(LEFT);
        let more = more(sheet, left, title, &named);
        picture(sheet, title, SCATTER_HEIGHT + more, |root| {
            let mut chart = Axes {
                sheet,
                left,
                top: TOP + more,
                // Room around, so that points on an edge are whole.
                x: (-right / 50.0..right, 10, &|rate| number(rate.max(0.0))),
                y: (-4.0..104.0, 6, &|percent| format!("{percent:.0} %")),
                names: ["false alarms per week", "detected by the deadline"],
                grid: Grid::Both,
            }
            .on(root)?;
            chart.draw_series(
                places
                    .iter()
                    .map(|at| Circle::new(*at, 3, MARK.mix(0.5).filled())),
            )?;
            chart.draw_series(LineSeries::new(
                front.iter().copied(),
                OUTCOME_COLOURS[0].1.stroke_width(2),
            ))?;
            chart.draw_series(
                front
                    .iter()
                    .map(|at| Circle::new(*at, 4, OUTCOME_COLOURS[0].1.filled())),
            )?;
            chart.draw_series([Circle::new(now, 7, NOW.stroke_width(3))])?;
            let proposed = place(&tuning.proposal.figures);
            chart.draw_series([Circle::new(proposed, 9, PROPOSED.stroke_width(3))])?;
            legend(root, sheet, left, title, &named)
        })
    };
    Sheet::both(draw)
}

/// Incidents in time over the first two axes that have more than one value, at the proposal's values of the others.
pub(crate) fn in_time(tuning: &Tuning) -> Result<Sizes, Failed> {
    Map::new(tuning).draw(
        "incidents detected by the deadline: the stronger, the more",
        OUTCOME_COLOURS[0].1,
        &|figures| percent_in_time(figures) / 100.0,
    )
}

/// False alarms over the same.
pub(crate) fn false_alarms(tuning: &Tuning) -> Result<Sizes, Failed> {
    let most = tuning.settings.iter().map(per_week).fold(0.0, f64::max);
    let strength = |figures: &Figures| match most > 0.0 {
        true => per_week(figures) / most,
        false => 0.0,
    };
    let title = "false alarms per week: the stronger, the more";
    Map::new(tuning).draw(title, FIRING, &strength)
}

/// Which settings a map shows.
struct Map<'t> {
    tuning: &'t Tuning,
    /// Axes across and up; a map of one axis has one row.
    across: usize,
    up: Option<usize>,
    columns: Vec<usize>,
    rows: Vec<usize>,
    /// Places of the proposal.
    proposed: Vec<usize>,
}

impl<'t> Map<'t> {
    fn new(tuning: &'t Tuning) -> Self {
        let axes = tuning.grid.axes();
        let mut wide = (0..axes.len()).filter(|axis| axes[*axis].values.len() > 1);
        let across = wide.next().unwrap_or(0);
        let up = wide.next();
        let proposed = tuning.grid.places(tuning.proposal.setting);
        let shown = |axis: Option<usize>| {
            let Some(axis) = axis else { return vec![0] };
            let step = axes[axis].values.len().div_ceil(CELLS_MAX).max(1);
            // The proposal is always among them.
            (proposed[axis] % step..axes[axis].values.len())
                .step_by(step)
                .collect()
        };
        Self {
            tuning,
            across,
            up,
            columns: shown(Some(across)),
            rows: shown(up),
            proposed,
        }
    }

    fn figures(&self, column: usize, row: usize) -> &Figures {
        let mut places = self.proposed.clone();
        places[self.across] = column;
        if let Some(up) = self.up {
            places[up] = row;
        }
        &self.tuning.settings[self.tuning.grid.number(&places)]
    }

    fn draw(
        &self,
        title: &str,
        colour: RGBColor,
        strength: &dyn Fn(&Figures) -> f64,
    ) -> Result<Sizes, Failed> {
        Sheet::both(|sheet| self.draw_on(sheet, title, colour, strength))
    }

    fn draw_on(
        &self,
        sheet: Sheet,
        title: &str,
        colour: RGBColor,
        strength: &dyn Fn(&Figures) -> f64,
    ) -> Result<Picture, Failed> {
        let axes = self.tuning.grid.axes();
        let (columns, rows) = (self.columns.len(), self.rows.len());
        let across = axes.get(self.across).map_or("", |axis| &axis.name);
        let up = self.up.map_or("", |up| &axes[up].name);
        let height = TOP + bottom(across) + CELL_HEIGHT * (rows as u32).clamp(3, 30);
        let label = |axis: Option<&Axis>, shown: &[usize], at: f64| {
            let place = shown.get(at.floor().max(0.0) as usize);
            let value = axis
                .zip(place)
                .and_then(|(axis, place)| axis.values.get(*place));
            value.map_or(String::new(), ToString::to_string)
        };
        let left = sheet.left(LEFT);
        picture(sheet, title, height, |root| {
            let mut chart = Axes {
                sheet,
                left,
                x: (0.0..columns as f64, 12, &|at| {
                    label(axes.get(self.across), &self.columns, *at)
                }),
                y: (0.0..rows as f64, 6, &|at| {
                    label(self.up.map(|up| &axes[up]), &self.rows, *at)
                }),
                names: [across, up],
                grid: Grid::None,
                ..Axes::default()
            }
            .on(root)?;
            let cell = |column: usize, row: usize, style: ShapeStyle| {
                let (x, y) = (column as f64, row as f64);
                Rectangle::new([(x, y), (x + 1.0, y + 1.0)], style)
            };
            for (row, row_place) in self.rows.iter().enumerate() {
                let filled = self
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(column, column_place)| {
                        let strength = strength(self.figures(*column_place, *row_place));
                        cell(column, row, colour.mix(0.04 + 0.86 * strength).filled())
                    });
                chart.draw_series(filled)?;
            }
            let at = |shown: &[usize], axis: Option<usize>| {
                axis.map_or(Some(0), |axis| {
                    shown.iter().position(|place| *place == self.proposed[axis])
                })
            };
            let proposed = at(&self.columns, Some(self.across)).zip(at(&self.rows, self.up));
            if let Some((column, row)) = proposed {
                chart.draw_series([cell(column, row, PROPOSED.stroke_width(3))])?;
            }
            legend(root, sheet, left, title, &[("proposed", PROPOSED)])
        })
    }
}
