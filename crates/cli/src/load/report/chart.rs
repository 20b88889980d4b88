//! A line chart as inline SVG. Its colours are the page's.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;

/// Lines across the chart, at most.
const LINES_MAX: f64 = 6.0;

/// One line over one axis.
pub(super) struct Chart<'a> {
    /// What a reader who does not see it is told.
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    /// What stands at the bottom, from left to right: places on the axis and their names. The last is the axis's end.
    pub(super) x_ticks: &'a [(f64, String)],
    /// From left to right; none is negative.
    pub(super) points: &'a [(f64, f64)],
}

impl Chart<'_> {
    pub(super) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            super::html::escaped(self.title)
        );
        let mut add = |part: std::fmt::Arguments<'_>| svg.write_fmt(part).expect("a write to memory does not fail");
        let x_end = self.x_ticks.last().map_or(1.0, |tick| tick.0).max(f64::MIN_POSITIVE);
        let step = step(self.points.iter().map(|point| point.1).fold(0.0, f64::max));
        let lines = self.points.iter().map(|point| (point.1 / step).ceil()).fold(1.0, f64::max);
        let x_of = |x: f64| LEFT + x / x_end * (WIDTH - LEFT - RIGHT);
        let y_of = |y: f64| HEIGHT - BOTTOM - y / (lines * step) * (HEIGHT - TOP - BOTTOM);

        for line in 0..=lines as usize {
            let (value, y) = (line as f64 * step, y_of(line as f64 * step));
            add(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>\n",
                WIDTH - RIGHT
            ));
            add(format_args!("<text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>\n", LEFT - 8.0, y + 4.0, number(value)));
        }
        for (place, name) in self.x_ticks {
            let (x, y) = (x_of(*place), HEIGHT - BOTTOM);
            add(format_args!("<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{y}\"/>\n"));
            add(format_args!("<text class=\"x\" x=\"{x:.1}\" y=\"{}\">{name}</text>\n", y + 20.0));
        }
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        add(format_args!(
            "<text class=\"x\" x=\"{}\" y=\"{}\">{}</text>\n",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            self.x_label
        ));
        add(format_args!(
            "<text class=\"x\" x=\"16\" y=\"{middle}\" transform=\"rotate(-90 16 {middle})\">{}</text>\n",
            self.y_label
        ));
        add(format_args!("<polyline points=\""));
        for &(x, y) in self.points {
            add(format_args!("{:.1},{:.1} ", x_of(x), y_of(y)));
        }
        add(format_args!("\"/>\n</svg>"));
        svg
    }
}

/// The least of 1, 2 and 5 times a power of ten that reaches `most` in few steps.
pub(super) fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let least = most / LINES_MAX;
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// A number of at most a few digits and a suffix.
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
        for (most, expected) in [(0.0, 1.0), (6.0, 1.0), (6.1, 2.0), (30.0, 5.0), (31.0, 10.0), (0.003, 0.0005)] {
            let step = step(most);
            assert!((step / expected - 1.0).abs() < 1e-9, "{most}: {step}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (20.0, "20"), (1_500.0, "1.5k"), (2_000_000.0, "2M")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn points_lie_within_the_axes() {
        let x_ticks = [(0.0, "0".to_owned()), (10.0, "10".to_owned())];
        let points = [(0.0, 0.0), (5.0, 7.0), (10.0, 12.0)];
        let chart = Chart { title: "a <b>", x_label: "x", y_label: "y", x_ticks: &x_ticks, points: &points };
        let svg = chart.svg();
        assert!(svg.contains("<polyline points=\"80.0,268.0 460.0,121.0 840.0,16.0 \"/>"), "{svg}");
        assert!(svg.contains("aria-label=\"a &lt;b&gt;\"") && svg.contains(">10</text>"), "{svg}");
    }

    #[test]
    fn no_points_are_an_empty_chart() {
        let svg = Chart { title: "", x_label: "", y_label: "", x_ticks: &[], points: &[] }.svg();
        assert!(svg.contains("points=\"\"") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
