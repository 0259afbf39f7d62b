//! What writes recorded drills for other tools: `export`.

use super::{Judged, Recorded};
use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command, Subcommand, ValueEnum};
use std::ffi::OsStr;
use std::path::PathBuf;

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// As what
    #[command(subcommand)]
    pub kind: ExportKind,
}

/// Files of other tools.
#[derive(Debug, Subcommand)]
pub enum ExportKind {
    /// Unit tests of rules, which `promtool test rules` and `firedrill test rules` run: alerts must come and go as in the drill
    Promtool(ExportPromtool),
    /// All samples as OpenMetrics text, which `promtool tsdb create-blocks-from openmetrics` takes
    Openmetrics(ExportOpenmetrics),
    /// A Grafana dashboard over those samples: the condition of every alert, and every metric
    Grafana(ExportOpenmetrics),
    /// Samples, or changes of alerts, as comma-separated values
    Csv(ExportCsv),
    /// Every chart of the report as a file of its own, for wikis and chats
    Plots(ExportPlots),
}

/// `export promtool`.
#[derive(Debug, Args)]
pub struct ExportPromtool {
    /// The records, and the rules to test.
    #[command(flatten)]
    pub recorded: Recorded,
    /// The test file to write, and the rule files beside it that are not there yet; `-` for standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
}

/// `export openmetrics`, `export grafana`.
#[derive(Debug, Args)]
pub struct ExportOpenmetrics {
    /// A record, or the directory that holds it
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The file to write; `-` for standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
}

/// `export csv`.
#[derive(Debug, Args)]
pub struct ExportCsv {
    /// A record, or the directory that holds it
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// What
    #[arg(long, value_enum, default_value_t = Table::Samples, value_name = "WHAT")]
    pub of: Table,
    /// The file to write; `-` for standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    pub out: PathBuf,
}

/// Tables of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// Every sample.
    Samples,
    /// Every change of an alert's state, under the record's own rules.
    Alerts,
}

/// `export plots`.
#[derive(Debug, Args)]
pub struct ExportPlots {
    /// The records, and what they are judged by.
    #[command(flatten)]
    pub judged: Judged,
    /// What the files are
    #[arg(long, value_enum, default_value_t = PlotFormat::Svg, value_name = "FORMAT")]
    pub format: PlotFormat,
    /// Directory for the files; each is called after its drill and what it shows
    #[arg(long, short, default_value = "plots", value_name = "DIR")]
    pub out: PathBuf,
}

/// What charts are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlotFormat {
    /// SVG, sharp at any size.
    Svg,
    /// PNG, for what shows no SVG.
    Png,
}

/// Reads the format of the charts beside a report, and says where these go to whoever names a place instead.
#[derive(Debug, Clone, Copy)]
pub struct PlotFormats;

impl TypedValueParser for PlotFormats {
    type Value = PlotFormat;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<PlotFormat, clap::Error> {
        let read = |text: &str| {
            PlotFormat::from_str(text, false).map_err(|_| {
                "it is a format, `svg` or `png`; the charts go into `plots` beside the report, which is in the run's directory below \
                 --out DIR"
            })
        };
        read.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let formats = PlotFormat::value_variants().iter();
        Some(Box::new(formats.filter_map(PlotFormat::to_possible_value)))
    }
}
