//! A line chart as inline SVG. The page defines its colours.

use crate::load::report::escape;
use std::fmt::{self, Write as _};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;

/// The maximum number of horizontal grid lines above zero.
const LINES_MAX: f64 = 6.0;

/// A chart of one line.
pub(super) struct Chart<'a> {
    /// The text for screen readers.
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    /// The ticks of the x axis, from left to right: values and their names. The last tick is the end of the axis.
    pub(super) x_ticks: &'a [(f64, String)],
    /// The points of the line, from left to right. No value is negative.
    pub(super) points: &'a [(f64, f64)],
}

impl Chart<'_> {
    /// The chart as an SVG element.
    pub(super) fn svg(&self) -> String {
        let title = escape::html(self.title);
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n");
        let scale = Scale::new(self);
        self.write_y_axis(&mut svg, &scale);
        self.write_x_axis(&mut svg, &scale);
        svg.push_str("<polyline points=\"");
        for &(x, y) in self.points {
            add(&mut svg, format_args!("{:.1},{:.1} ", scale.x(x), scale.y(y)));
        }
        svg.push_str("\"/>\n</svg>");
        svg
    }

    fn write_y_axis(&self, svg: &mut String, scale: &Scale) {
        let (x_right, x_value) = (WIDTH - RIGHT, LEFT - 8.0);
        for line in 0..=scale.lines as usize {
            let value = line as f64 * scale.step;
            let (y, y_value, value) = (scale.y(value), scale.y(value) + 4.0, number(value));
            add(
                svg,
                format_args!("<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{x_right}\" y2=\"{y:.1}\"/>\n"),
            );
            add(svg, format_args!("<text class=\"y\" x=\"{x_value}\" y=\"{y_value:.1}\">{value}</text>\n"));
        }
        let (middle, label) = ((TOP + HEIGHT - BOTTOM) / 2.0, self.y_label);
        let rotate = format_args!("transform=\"rotate(-90 16 {middle})\"");
        add(svg, format_args!("<text class=\"x\" x=\"16\" y=\"{middle}\" {rotate}>{label}</text>\n"));
    }

    fn write_x_axis(&self, svg: &mut String, scale: &Scale) {
        let (y_bottom, y_name) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 20.0);
        for (tick, name) in self.x_ticks {
            let x = scale.x(*tick);
            add(
                svg,
                format_args!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{y_bottom}\"/>\n"),
            );
            add(svg, format_args!("<text class=\"x\" x=\"{x:.1}\" y=\"{y_name}\">{name}</text>\n"));
        }
        let (x, y, label) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0, self.x_label);
        add(svg, format_args!("<text class=\"x\" x=\"{x}\" y=\"{y}\">{label}</text>\n"));
    }
}

/// Maps values to positions in the image.
struct Scale {
    x_end: f64,
    /// The difference between two grid lines.
    step: f64,
    /// The number of grid lines above zero.
    lines: f64,
}

impl Scale {
    fn new(chart: &Chart<'_>) -> Self {
        let x_end = chart.x_ticks.last().map_or(1.0, |tick| tick.0).max(f64::MIN_POSITIVE);
        let step = step(chart.points.iter().map(|point| point.1).fold(0.0, f64::max));
        let lines = chart.points.iter().map(|point| (point.1 / step).ceil()).fold(1.0, f64::max);
        Self { x_end, step, lines }
    }

    fn x(&self, x: f64) -> f64 {
        LEFT + x / self.x_end * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y / (self.lines * self.step) * (HEIGHT - TOP - BOTTOM)
    }
}

fn add(svg: &mut String, part: fmt::Arguments<'_>) {
    svg.write_fmt(part).expect("a write to memory does not fail");
}

/// The distance between grid lines: the smallest of 1, 2 and 5 times a power of ten with at most [`LINES_MAX`] steps up
/// to `max`.
pub(super) fn step(max: f64) -> f64 {
    if max <= 0.0 {
        return 1.0;
    }
    let min = max / LINES_MAX;
    let power = 10f64.powf(min.log10().floor());
    [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| *step >= min).unwrap_or(10.0 * power)
}

/// A number with few digits, and a suffix for thousands or millions.
pub(super) fn number(value: f64) -> String {
    let (scaled, suffix) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let digits = format!("{scaled:.4}");
    format!("{}{suffix}", digits.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (max, expected) in [(0.0, 1.0), (6.0, 1.0), (6.1, 2.0), (30.0, 5.0), (31.0, 10.0), (0.003, 0.0005)] {
            let step = step(max);
            assert!((step / expected - 1.0).abs() < 1e-9, "{max}: {step}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (20.0, "20"), (1_500.0, "1.5k"), (2_000_000.0, "2M")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn points_are_within_the_axes() {
        let x_ticks = [(0.0, "0".to_owned()), (10.0, "10".to_owned())];
        let points = [(0.0, 0.0), (5.0, 7.0), (10.0, 12.0)];
        let chart = Chart { title: "a <b>", x_label: "x", y_label: "y", x_ticks: &x_ticks, points: &points };
        let svg = chart.svg();
        assert!(svg.contains("<polyline points=\"80.0,268.0 460.0,121.0 840.0,16.0 \"/>"), "{svg}");
        assert!(svg.contains("aria-label=\"a &lt;b&gt;\"") && svg.contains(">10</text>"), "{svg}");
    }

    #[test]
    fn without_points_the_chart_is_empty() {
        let svg = Chart { title: "", x_label: "", y_label: "", x_ticks: &[], points: &[] }.svg();
        assert!(svg.contains("points=\"\"") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
