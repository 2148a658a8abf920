// SPDX-License-Identifier: GPL-2.0

//! Plots of the summary, for the documentation.

use std::path::Path;

use anyhow::{anyhow, Context, Result};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use serde_json::Value;

/// The drivers, and the colours that people with colour blindness tell apart.
const DRIVERS: [(&str, RGBColor); 3] = [
    ("issei_rust", RGBColor(0, 114, 178)),
    ("issei", RGBColor(213, 94, 0)),
    ("mei_me", RGBColor(110, 110, 110)),
];

/// The legend is above the curves.
const HEADROOM: f64 = 1.4;

/// A curve for each driver.
struct Plot {
    file: &'static str,
    title: &'static str,
    /// The measurements: those with this `test`.
    test: &'static str,
    /// What tells them apart, on the x axis.
    x: &'static str,
    x_label: &'static str,
    /// Whether the x axis is logarithmic.
    x_log: bool,
    /// What else must hold of them.
    only: &'static [(&'static str, u64)],
    y: &'static str,
    y_label: &'static str,
}

const PLOTS: [Plot; 3] = [
    Plot {
        file: "issei_rust-round-trip.svg",
        title: "Echo round trip by size of the message",
        test: "round_trip",
        x: "size",
        x_label: "bytes",
        x_log: true,
        only: &[("mmio_cost_us", 0)],
        y: "median_us",
        y_label: "median, microseconds",
    },
    Plot {
        file: "issei_rust-mmio.svg",
        title: "Echo round trip of 4 bytes by cost of a register access",
        test: "round_trip",
        x: "mmio_cost_us",
        x_label: "microseconds that the model adds to each access",
        x_log: false,
        only: &[("size", 4)],
        y: "median_us",
        y_label: "median, microseconds",
    },
    Plot {
        file: "issei_rust-together.svg",
        title: "Round trips of 4 bytes by number of programs at work",
        test: "together",
        x: "programs",
        x_label: "programs",
        x_log: true,
        only: &[("size", 4)],
        y: "per_second",
        y_label: "round trips of all in a second",
    },
];

/// Draws what the summary has numbers for into `directory`.
///
/// # Errors
///
/// A file cannot be written.
pub(crate) fn draw(summary: &Value, directory: &Path) -> Result<()> {
    for plot in &PLOTS {
        let curves = DRIVERS.map(|(driver, _)| plot.points(summary, driver));
        // One point is no curve: such a run was to look at something else.
        if curves.iter().any(|points| points.len() < 2) {
            continue;
        }
        let path = directory.join(plot.file);
        plot.draw(&path, &curves)
            .with_context(|| format!("could not draw {}", path.display()))?;
    }
    Ok(())
}

impl Plot {
    /// The points of a driver, in the order of x.
    fn points(&self, summary: &Value, driver: &str) -> Vec<(f64, f64)> {
        let results = summary["results"].as_array().into_iter().flatten();
        let wanted = results.filter(|result| {
            let only = |(key, value): &(&str, u64)| result[*key] == *value;
            result["test"] == self.test && self.only.iter().all(only)
        });
        let point = |result: &Value| {
            let y = &result["drivers"][driver][self.y];
            Some((result[self.x].as_f64()?, y.as_f64()?))
        };
        let mut points: Vec<_> = wanted.filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    }

    fn draw(&self, path: &Path, curves: &[Vec<(f64, f64)>]) -> Result<()> {
        let all = || curves.iter().flatten();
        let least = all().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let most = all().map(|point| point.0).fold(0.0, f64::max);
        match self.x_log {
            true => self.draw_over(path, curves, (least..most).log_scale()),
            false => self.draw_over(path, curves, least..most),
        }
    }

    fn draw_over<X>(&self, path: &Path, curves: &[Vec<(f64, f64)>], x: X) -> Result<()>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
    {
        let highest = curves.iter().flatten().map(|point| point.1);
        let top = highest.fold(0.0, f64::max) * HEADROOM;
        let root = SVGBackend::new(path, (720, 420)).into_drawing_area();
        let failed = |error: &dyn std::fmt::Display| anyhow!("{error}");
        root.fill(&WHITE).map_err(|error| failed(&error))?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(x, 0.0..top)
            .map_err(|error| failed(&error))?;
        chart
            .configure_mesh()
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(|error| failed(&error))?;
        for ((driver, colour), points) in DRIVERS.into_iter().zip(curves) {
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(4))
                .map_err(|error| failed(&error))?
                .label(driver)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .border_style(BLACK.mix(0.3))
            .background_style(WHITE)
            .draw()
            .map_err(|error| failed(&error))?;
        root.present().map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(size: u64, cost: u64) -> Value {
        let drivers =
            ["issei_rust", "issei", "mei_me"].map(|d| (d, json!({"median_us": size + cost})));
        let drivers: Value = drivers
            .into_iter()
            .map(|(d, n)| (d.to_owned(), n))
            .collect();
        json!({"test": "round_trip", "size": size, "mmio_cost_us": cost, "drivers": drivers})
    }

    #[test]
    fn what_has_numbers_is_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let summary =
            json!({"results": [result(64, 0), result(4, 0), result(4096, 0), result(4, 5)]});
        assert_eq!(
            PLOTS[0].points(&summary, "issei"),
            [(4.0, 4.0), (64.0, 64.0), (4096.0, 4096.0)]
        );
        draw(&summary, dir.path()).unwrap();
        let drawn = |n: usize| std::fs::read_to_string(dir.path().join(PLOTS[n].file));
        for n in [0, 1] {
            let svg = drawn(n).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(DRIVERS.iter().all(|(driver, _)| svg.contains(driver)));
        }
        assert!(drawn(2).is_err(), "nothing was measured of it");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let summary = json!({"results": [result(4, 0), result(64, 0)]});
        let error = draw(&summary, Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("round-trip.svg"), "{error}");
    }
}
