//! The report as an HTML page, without scripts and external resources.

use crate::load::report::chart::{Chart, number, step};
use crate::load::report::escape;
use crate::load::report::finished_run::{QUANTILES, Report};

const PAGE: &str = include_str!("page.html");

/// The maximum number of nines on the percentile axis.
const NINES_MAX: u32 = 7;

pub(super) fn page(report: &Report) -> String {
    let quantiles = QUANTILES.iter().map(|&(name, quantile)| {
        format!("<tr><th>{name}</th><td>{:.3} ms</td></tr>", report.records.latency_ms(quantile))
    });
    let rows: String = quantiles.collect();
    // The text of the report is inserted last, because it contains user input, which could look like a placeholder.
    PAGE.replace("{{percentiles}}", &percentiles(report))
        .replace("{{rate}}", &rate(report))
        .replace("{{rows}}", &rows)
        .replace("{{events_per_sec}}", &number(report.events_per_sec().round()))
        .replace("{{latency_from}}", report.latency_from())
        .replace("{{text}}", &escape::html(&report.to_string()))
}

/// The latency over 1 / (1 - quantile), on a logarithmic axis, as the HdrHistogram plotters draw it.
fn percentiles(report: &Report) -> String {
    let requests = report.records.latency.len().max(1) as f64;
    // The slowest of n requests is at 1 - 1/n.
    let x = |quantile: f64| (1.0 / (1.0 - quantile)).min(requests).log10();
    let points: Vec<_> = report.percentiles().map(|(quantile, latency_ms)| (x(quantile), latency_ms)).collect();
    let end = (requests.log10().ceil() as u32).clamp(1, NINES_MAX);
    let ticks: Vec<_> = (0..=end).map(|nines| (f64::from(nines), percent(nines))).collect();
    let end = f64::from(end);
    let points: Vec<_> = points.into_iter().filter(|(x, _)| *x <= end).collect();
    Chart {
        title: "Latency by percentile",
        x_label: "percentile",
        y_label: "latency, ms",
        x_ticks: &ticks,
        points: &points,
    }
    .svg()
}

/// 0%, 90%, 99%, 99.9% and so on.
fn percent(nines: u32) -> String {
    match nines {
        0 => "0%".to_owned(),
        1 => "90%".to_owned(),
        2 => "99%".to_owned(),
        nines => format!("99.{}%", "9".repeat(nines as usize - 2)),
    }
}

/// The events of each second. The last second is not a whole second, so it is shown only if there is no other.
fn rate(report: &Report) -> String {
    let seconds = &report.records.seconds;
    let whole = &seconds[..seconds.len().saturating_sub(1).max(1).min(seconds.len())];
    let points: Vec<_> = whole.iter().enumerate().map(|(at, second)| (at as f64 + 1.0, second.events as f64)).collect();
    let end = whole.len().max(1);
    let every = (step(end as f64) as usize).max(1);
    let mut ticks: Vec<_> = (0..=end).step_by(every).map(|second| (second as f64, second.to_string())).collect();
    if !end.is_multiple_of(every) {
        ticks.push((end as f64, String::new()));
    }
    Chart { title: "Events per second", x_label: "seconds", y_label: "events/s", x_ticks: &ticks, points: &points }
        .svg()
}
