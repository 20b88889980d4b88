//! The figures as lines of text.

use crate::client::Printable;
use crate::top::figures::{Breakdown, Figures, breakdowns, unknown_share};
use std::fmt;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};
use weir_api::MetricsResponse;

/// How a part of a line stands out, where the terminal has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Faint,
    Bar,
    Warning,
}

/// A line, in parts of one tone each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(pub(super) Vec<(Tone, String)>);

/// Values of a breakdown that are always shown, if there are as many.
const VALUES_MIN: usize = 3;

/// Columns of a value's name at the most.
const NAME_COLUMNS_MAX: usize = 24;

/// Columns of a count with its share, and of the gaps around the bar.
const COUNT_COLUMNS: usize = 24;

/// Draws the figures, as wide as so many columns, and not higher than so many rows where that is enough for the least.
pub(super) fn draw(title: &str, figures: &Figures, note: Option<&str>, columns: usize, rows: usize) -> Vec<Line> {
    let metrics = &figures.metrics;
    let mut lines = blank(title, note, columns);
    lines.push(state(metrics));
    lines.push(Line::default());
    lines.push(totals(metrics));
    if !figures.minute.is_empty() {
        lines.push(Line::default());
        lines.push(minute(&figures.minute, columns));
    }
    let breakdowns = breakdowns(metrics);
    let left = rows.saturating_sub(lines.len());
    let most = values_shown(&breakdowns, left);
    let name_columns = name_columns(&breakdowns, most);
    for breakdown in &breakdowns {
        lines.push(Line::default());
        lines.extend(bars(breakdown, metrics.total_events, most, name_columns, columns));
    }
    lines.iter_mut().for_each(|line| line.cut(columns));
    lines
}

/// The picture before there are figures.
pub(super) fn blank(title: &str, note: Option<&str>, columns: usize) -> Vec<Line> {
    let mut lines = vec![Line(vec![(Tone::Strong, "weir".into()), (Tone::Plain, format!("  {}", Printable(title)))])];
    lines.extend(note.map(|note| Line(vec![(Tone::Warning, note.to_owned())])));
    lines.iter_mut().for_each(|line| line.cut(columns));
    lines
}

fn state(metrics: &MetricsResponse) -> Line {
    let MetricsResponse { window_sec, generation, as_of, .. } = metrics;
    let as_of = Printable(as_of);
    Line(vec![(Tone::Faint, format!("window {window_sec} s  generation {generation}  as of {as_of}"))])
}

fn totals(metrics: &MetricsResponse) -> Line {
    let mut parts = vec![];
    for (figure, unit) in [
        (format!("{:.1}", metrics.events_per_sec), "events/s"),
        (grouped(metrics.unique_users), "unique users"),
        (grouped(metrics.total_events), "events"),
        (format!("{:.1} %", 100.0 * unknown_share(metrics)), "unknown"),
    ] {
        parts.push((Tone::Strong, figure));
        parts.push((Tone::Plain, format!(" {unit}  ")));
    }
    Line(parts)
}

/// The last seconds that fit, each as a bar of one column.
fn minute(events: &[u64], columns: usize) -> Line {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = events.iter().copied().max().unwrap_or_default();
    let label = "last minute  ";
    let most_told = format!("  most {}/s", grouped(most));
    let room = columns.saturating_sub(label.len() + most_told.len());
    let shown = &events[events.len().saturating_sub(room)..];
    let level = |events: &u64| match events {
        0 => ' ',
        events => LEVELS[(u128::from(*events) * 8).div_ceil(u128::from(most)) as usize - 1],
    };
    let line = shown.iter().map(level).collect();
    Line(vec![(Tone::Plain, label.into()), (Tone::Bar, line), (Tone::Faint, most_told)])
}

/// How many values each breakdown may show so that all of them fit into so many rows.
fn values_shown(breakdowns: &[Breakdown<'_>], rows: usize) -> usize {
    let rows_of =
        |most: usize| -> usize { breakdowns.iter().map(|breakdown| 2 + breakdown.values.len().min(most + 1)).sum() };
    let longest = breakdowns.iter().map(|breakdown| breakdown.values.len()).max().unwrap_or_default();
    (VALUES_MIN..=longest.max(VALUES_MIN)).rev().find(|most| rows_of(*most) <= rows).unwrap_or(VALUES_MIN)
}

fn name_columns(breakdowns: &[Breakdown<'_>], most: usize) -> usize {
    let names = breakdowns.iter().flat_map(|breakdown| breakdown.values.iter().take(most));
    names.map(|(name, _)| name.width()).max().unwrap_or_default().min(NAME_COLUMNS_MAX)
}

fn bars(breakdown: &Breakdown<'_>, total: u64, most: usize, name_columns: usize, columns: usize) -> Vec<Line> {
    let Breakdown { name, values } = breakdown;
    let bar_columns = columns.saturating_sub(2 + name_columns + COUNT_COLUMNS).min(40);
    let largest = values.first().map_or(1, |(_, events)| (*events).max(1));
    let mut lines = vec![Line(vec![(Tone::Strong, Printable(name).to_string())])];
    for (value, events) in values.iter().take(most) {
        let filled = (u128::from(*events) * bar_columns as u128).div_ceil(u128::from(largest)) as usize;
        let share = 100.0 * *events as f64 / total.max(1) as f64;
        let value = fitted(&Printable(value).to_string(), name_columns);
        lines.push(Line(vec![
            (Tone::Plain, format!("  {value}  ")),
            (Tone::Bar, "█".repeat(filled)),
            (Tone::Faint, "·".repeat(bar_columns - filled.min(bar_columns))),
            (Tone::Plain, format!(" {:>12} {share:>5.1} %", grouped(*events))),
        ]));
    }
    match values.len().saturating_sub(most) {
        0 if values.is_empty() => lines.push(Line(vec![(Tone::Faint, "  none".into())])),
        0 => {}
        more => lines.push(Line(vec![(Tone::Faint, format!("  and {more} more"))])),
    }
    lines
}

/// The text in exactly so many columns.
fn fitted(text: &str, columns: usize) -> String {
    let mut fitted = cut(text, columns);
    fitted.push_str(&" ".repeat(columns - fitted.width().min(columns)));
    fitted
}

/// As much of the text as fits.
fn cut(text: &str, columns: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or_default();
        used <= columns
    };
    text.chars().take_while(fits).collect()
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Line {
    fn cut(&mut self, columns: usize) {
        let mut left = columns;
        for (_, text) in &mut self.0 {
            if text.width() > left {
                *text = cut(text, left);
            }
            left -= text.width().min(left);
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::figures::tests::metrics;

    fn text(figures: &Figures, note: Option<&str>, columns: usize, rows: usize) -> Vec<String> {
        let lines = draw("http://weir.example", figures, note, columns, rows);
        lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn the_picture_shows_all_figures() {
        let figures = Figures { metrics: metrics(), minute: vec![0, 1, 4, 8] };
        let expected = "\
weir  http://weir.example
window 300 s  generation 7  as of 2025-10-08T12:34:56.789Z

52.3 events/s  140 unique users  620 events  25.0 % unknown

last minute   ▁▄█  most 8/s

type
  click     ██████████████████████████          500  80.6 %
  view      ██████····················          100  16.1 %
  purchase  ██························           20   3.2 %
  vow       ██························           20   3.2 %

plan
  free      ██████████████████████████          380  61.3 %
  pro       ████████████████··········          220  35.5 %

region
  none";
        assert_eq!(text(&figures, None, 60, usize::MAX).join("\n"), expected);
    }

    #[test]
    fn a_low_terminal_gets_fewer_values_and_a_narrow_one_shorter_lines() {
        let figures = Figures { metrics: metrics(), minute: vec![7; 60] };
        let whole = text(&figures, None, 80, usize::MAX);
        assert!(whole.len() > 16, "{whole:?}");
        let low = text(&figures, Some("a note"), 80, 10);
        assert!(low.len() == whole.len() + 1 && low.iter().any(|line| line == "  and 1 more"), "{low:?}");
        assert_eq!(low[1], "a note");
        for columns in 0..90 {
            for line in text(&figures, Some("a note"), columns, 10) {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn names_are_fitted_by_the_columns_that_they_take() {
        for (name, fitted_name) in [("ab", "ab  "), ("abcdef", "abcd"), ("日本語", "日本"), ("a日本", "a日 ")] {
            assert_eq!(fitted(name, 4), fitted_name);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn what_a_server_sends_cannot_command_the_terminal() {
        let json = r#"{"window_sec":1,"events_per_sec":0,"unique_users":0,"unknown":0,"by_plan":{"\u001b[2J":1},
            "total_events":1,"generation":0,"as_of":"\u001b[2J"}"#;
        let figures = Figures { metrics: serde_json::from_str(json).unwrap(), minute: vec![] };
        assert!(!text(&figures, None, 80, 40).concat().contains('\u{1b}'));
    }
}
