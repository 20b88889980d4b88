//! A frame: the metrics as lines of styled text.

use crate::client::EscapeControl;
use crate::top::live_metrics::{Breakdown, LiveMetrics, breakdowns, unknown_share};
use std::fmt;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};
use weir_api::{ClusterState, ClusterStatus, JournalState, JournalStatus, MetricsResponse};

/// The style of a part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    Bar,
    Warning,
}

/// A line, in parts of one style each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StyledLine(pub(super) Vec<(Style, String)>);

/// The number of values of a breakdown that are shown in any number of rows.
const VALUES_MIN: usize = 3;

/// The maximum number of columns of a name.
const NAME_COLUMNS_MAX: usize = 24;

/// Columns of a count with its share, and of the gaps around the bar.
const COUNT_COLUMNS: usize = 24;

/// Draws the metrics in at most `columns` columns. The frame has at most `rows` rows, unless the minimum needs more.
pub(super) fn draw(
    title: &str,
    metrics: &LiveMetrics,
    note: Option<&str>,
    columns: usize,
    rows: usize,
) -> Vec<StyledLine> {
    let LiveMetrics { window, last_minute, journal: journal_status, cluster: cluster_status } = metrics;
    let mut lines = draw_head(title, note, columns);
    lines.push(state(window));
    lines.extend(journal_status.as_ref().map(journal));
    lines.extend(cluster_status.as_ref().map(cluster));
    lines.push(StyledLine::default());
    lines.push(totals(window));
    if !last_minute.is_empty() {
        lines.push(StyledLine::default());
        lines.push(sparkline(last_minute, columns));
    }
    let breakdowns = breakdowns(window);
    let rows_left = rows.saturating_sub(lines.len());
    let values_max = values_shown(&breakdowns, rows_left);
    let name_columns = name_columns(&breakdowns, values_max);
    for breakdown in &breakdowns {
        lines.push(StyledLine::default());
        lines.extend(bars(breakdown, window.total_events, values_max, name_columns, columns));
    }
    lines.iter_mut().for_each(|line| line.truncate(columns));
    lines
}

/// Draws the title and the note, without metrics.
pub(super) fn draw_head(title: &str, note: Option<&str>, columns: usize) -> Vec<StyledLine> {
    let title = format!("  {}", EscapeControl(title));
    let mut lines = vec![StyledLine(vec![(Style::Bold, "weir".into()), (Style::Plain, title)])];
    lines.extend(note.map(|note| StyledLine(vec![(Style::Warning, note.to_owned())])));
    lines.iter_mut().for_each(|line| line.truncate(columns));
    lines
}

fn state(metrics: &MetricsResponse) -> StyledLine {
    let MetricsResponse { window_sec, generation, as_of, .. } = metrics;
    let as_of = EscapeControl(as_of);
    StyledLine(vec![(Style::Dim, format!("window {window_sec} s  generation {generation}  as of {as_of}"))])
}

/// The state of the journal. In every state but `ready`, the server refuses events.
fn journal(status: &JournalStatus) -> StyledLine {
    let JournalStatus { state, live_bytes, max_bytes, place, .. } = status;
    let style = if state == JournalState::Ready.as_str() { Style::Dim } else { Style::Warning };
    let percent = 100.0 * *live_bytes as f64 / (*max_bytes).max(1) as f64;
    let state = EscapeControl(state);
    let text = format!("journal {state}  {} bytes, {percent:.1} % of its limit  place {place}", grouped(*live_bytes));
    StyledLine(vec![(style, text)])
}

/// The node that answers, and how far it is. In every state but `ready`, it refuses events.
fn cluster(status: &ClusterStatus) -> StyledLine {
    let ClusterStatus { node, state, place, applied_place, age_ms, .. } = status;
    let style = if state == ClusterState::Ready.as_str() { Style::Dim } else { Style::Warning };
    let (node, state) = (EscapeControl(node), EscapeControl(state));
    StyledLine(vec![(style, format!("node {node}  {state}  place {applied_place} of {place}, {age_ms} ms old"))])
}

fn totals(metrics: &MetricsResponse) -> StyledLine {
    let mut parts = vec![];
    for (value, unit) in [
        (format!("{:.1}", metrics.events_per_sec), "events/s"),
        (grouped(metrics.unique_users), "unique users"),
        (grouped(metrics.total_events), "events"),
        (format!("{:.1} %", 100.0 * unknown_share(metrics)), "unknown"),
    ] {
        parts.push((Style::Bold, value));
        parts.push((Style::Plain, format!(" {unit}  ")));
    }
    StyledLine(parts)
}

/// The last seconds that fit into the columns. Each second is a bar of one column.
fn sparkline(events: &[u64], columns: usize) -> StyledLine {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let max = events.iter().copied().max().unwrap_or_default();
    let label = "last minute  ";
    let scale = format!("  max {}/s", grouped(max));
    let bars = columns.saturating_sub(label.len() + scale.len());
    let shown = &events[events.len().saturating_sub(bars)..];
    let level = |events: &u64| match events {
        0 => ' ',
        events => LEVELS[(u128::from(*events) * 8).div_ceil(u128::from(max)) as usize - 1],
    };
    let line = shown.iter().map(level).collect();
    StyledLine(vec![(Style::Plain, label.into()), (Style::Bar, line), (Style::Dim, scale)])
}

/// The largest number of values per breakdown with which all breakdowns fit into `rows` rows.
fn values_shown(breakdowns: &[Breakdown<'_>], rows: usize) -> usize {
    let rows_with = |values_max: usize| -> usize {
        // An empty line, the name, the values, and a line for the values that are not shown.
        breakdowns.iter().map(|breakdown| 2 + breakdown.values.len().min(values_max + 1)).sum()
    };
    let longest = breakdowns.iter().map(|breakdown| breakdown.values.len()).max().unwrap_or_default();
    let mut values_max = (VALUES_MIN..=longest.max(VALUES_MIN)).rev();
    values_max.find(|values_max| rows_with(*values_max) <= rows).unwrap_or(VALUES_MIN)
}

fn name_columns(breakdowns: &[Breakdown<'_>], values_max: usize) -> usize {
    let names = breakdowns.iter().flat_map(|breakdown| breakdown.values.iter().take(values_max));
    names.map(|(name, _)| name.width()).max().unwrap_or_default().min(NAME_COLUMNS_MAX)
}

fn bars(
    breakdown: &Breakdown<'_>,
    total: u64,
    values_max: usize,
    name_columns: usize,
    columns: usize,
) -> Vec<StyledLine> {
    let Breakdown { name, values } = breakdown;
    let bar_columns = columns.saturating_sub(2 + name_columns + COUNT_COLUMNS).min(40);
    let largest = values.first().map_or(1, |(_, events)| (*events).max(1));
    let mut lines = vec![StyledLine(vec![(Style::Bold, EscapeControl(name).to_string())])];
    for (value, events) in values.iter().take(values_max) {
        let filled = (u128::from(*events) * bar_columns as u128).div_ceil(u128::from(largest)) as usize;
        let share = 100.0 * *events as f64 / total.max(1) as f64;
        let value = padded(&EscapeControl(value).to_string(), name_columns);
        lines.push(StyledLine(vec![
            (Style::Plain, format!("  {value}  ")),
            (Style::Bar, "█".repeat(filled)),
            (Style::Dim, "·".repeat(bar_columns - filled.min(bar_columns))),
            (Style::Plain, format!(" {:>12} {share:>5.1} %", grouped(*events))),
        ]));
    }
    match values.len().saturating_sub(values_max) {
        0 if values.is_empty() => lines.push(StyledLine(vec![(Style::Dim, "  none".into())])),
        0 => {}
        more => lines.push(StyledLine(vec![(Style::Dim, format!("  and {more} more"))])),
    }
    lines
}

/// The text, truncated or padded to the columns.
fn padded(text: &str, columns: usize) -> String {
    let mut padded = truncated(text, columns);
    padded.push_str(&" ".repeat(columns - padded.width().min(columns)));
    padded
}

/// The start of the text that fits into the columns.
fn truncated(text: &str, columns: usize) -> String {
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

impl StyledLine {
    fn truncate(&mut self, columns: usize) {
        let mut left = columns;
        for (_, text) in &mut self.0 {
            if text.width() > left {
                *text = truncated(text, left);
            }
            left -= text.width().min(left);
        }
    }
}

impl fmt::Display for StyledLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::live_metrics::tests::metrics;

    fn text(metrics: &LiveMetrics, note: Option<&str>, columns: usize, rows: usize) -> Vec<String> {
        let lines = draw("http://weir.example", metrics, note, columns, rows);
        lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_frame_shows_all_metrics() {
        let metrics = LiveMetrics { window: metrics(), last_minute: vec![0, 1, 4, 8], journal: None, cluster: None };
        let expected = "\
weir  http://weir.example
window 300 s  generation 7  as of 2025-10-08T12:34:56.789Z

52.3 events/s  140 unique users  620 events  25.0 % unknown

last minute   ▁▄█  max 8/s

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
        assert_eq!(text(&metrics, None, 60, usize::MAX).join("\n"), expected);
    }

    #[test]
    fn the_journal_is_a_line_that_warns_if_events_are_refused() {
        for (name, style) in [("ready", Style::Dim), ("failed", Style::Warning), ("\u{1b}[2J", Style::Warning)] {
            let json = format!(
                r#"{{"state":{name:?},"entries":1,"place":340,"applied_place":340,"live_bytes":1310720,
                "max_bytes":2621440,"file_bytes":null,"free_bytes":null,"replay_done_ratio":1.0,"waiting_rows":0,
                "lag_ms":0}}"#
            );
            let status = serde_json::from_str(&json.replace("\\u{1b}", "\\u001b")).unwrap();
            let metrics = LiveMetrics { window: metrics(), last_minute: vec![], journal: Some(status), cluster: None };
            let line = draw("t", &metrics, None, 80, 40).swap_remove(2);
            assert_eq!(line.0[0].0, style, "{line}");
            let text = line.to_string();
            assert!(text.ends_with("  1,310,720 bytes, 50.0 % of its limit  place 340"), "{text}");
            assert!(text.starts_with("journal ") && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn the_node_of_a_cluster_is_a_line_that_warns_if_events_are_refused() {
        for (name, style) in [("ready", Style::Dim), ("clock_off", Style::Warning)] {
            let json = format!(
                r#"{{"node":"n\u001b1","state":"{name}","detail":"","is_connected":true,"place":340,"applied_place":338,
                "age_ms":120,"clock_offset_ms":null,"peers":2,"is_peer_full":false,"disputed":0,
                "generation":0,"bytes":1,"max_bytes":null,"replay_done_ratio":1.0,
                "waiting_rows":0,"waiting_reads":0,"lag_ms":0,"resent":0,"reader_restarts":0}}"#
            );
            let cluster = Some(serde_json::from_str(&json).unwrap());
            let metrics = LiveMetrics { window: metrics(), last_minute: vec![], journal: None, cluster };
            let line = draw("t", &metrics, None, 80, 40).swap_remove(2);
            let text = line.to_string();
            assert!(text.contains(&format!("{name}  place 338 of 340, 120 ms old")), "{text}");
            assert!(line.0[0].0 == style && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn a_low_terminal_shows_fewer_values_and_a_narrow_terminal_shows_shorter_lines() {
        let metrics = LiveMetrics { window: metrics(), last_minute: vec![7; 60], journal: None, cluster: None };
        let whole = text(&metrics, None, 80, usize::MAX);
        assert!(whole.len() > 16, "{whole:?}");
        let low = text(&metrics, Some("a note"), 80, 10);
        assert!(low.len() == whole.len() + 1 && low.iter().any(|line| line == "  and 1 more"), "{low:?}");
        assert_eq!(low[1], "a note");
        for columns in 0..90 {
            for line in text(&metrics, Some("a note"), columns, 10) {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn names_are_padded_by_their_width_in_columns() {
        for (name, expected) in [("ab", "ab  "), ("abcdef", "abcd"), ("日本語", "日本"), ("a日本", "a日 ")] {
            assert_eq!(padded(name, 4), expected);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn control_codes_of_a_server_are_escaped() {
        let json = r#"{"window_sec":1,"events_per_sec":0,"unique_users":0,"unknown":0,"by_plan":{"\u001b[2J":1},
            "by_type":{},"total_events":1,"generation":0,"as_of":"\u001b[2J"}"#;
        let metrics = LiveMetrics {
            window: serde_json::from_str(json).unwrap(),
            last_minute: vec![],
            journal: None,
            cluster: None,
        };
        assert!(!text(&metrics, None, 80, 40).concat().contains('\u{1b}'));
    }
}
