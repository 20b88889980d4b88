//! The percentile distribution as text, in the format of HdrHistogram's `outputPercentileDistribution`, which its
//! plotters read (<https://hdrhistogram.github.io/HdrHistogram/plotFiles.html>).

use crate::load::recorder::ms;
use crate::load::report::finished_run::STEPS_PER_HALF;
use hdrhistogram::Histogram;
use std::fmt::Write as _;

/// The distribution. Its values are in milliseconds, as in wrk2.
pub(super) fn text(nanos: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut line = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a write to memory does not fail");
    let mut total = 0;
    for step in nanos.iter_quantiles(STEPS_PER_HALF) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (ms(step.value_iterated_to()), step.quantile_iterated_to());
        line(format_args!("{value:12.3} {quantile:14.12} {total:10}"));
        // On the last line, this number would be infinite.
        if quantile < 1.0 {
            line(format_args!(" {:14.2}", 1.0 / (1.0 - quantile)));
        }
        line(format_args!("\n"));
    }
    let (mean, deviation) = (nanos.mean() / 1e6, nanos.stdev() / 1e6);
    line(format_args!("#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n"));
    line(format_args!("#[Max     = {:12.3}, Total count    = {:12}]\n", ms(nanos.max()), nanos.len()));
    // A bucket has twice as many sub-buckets as the digits need, rounded up to a power of two.
    let sub_buckets = (2 * 10_u32.pow(nanos.sigfig().into())).next_power_of_two();
    line(format_args!("#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]\n", nanos.buckets()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_hdr_histogram() {
        let mut nanos = Histogram::<u64>::new(3).unwrap();
        for value_ms in [1, 1, 1, 2] {
            nanos.record(value_ms * 1_000_000).unwrap();
        }
        let text = text(&nanos);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1..3], ["", "       1.000 0.000000000000          3           1.00"]);
        assert!(lines.contains(&"       1.000 0.500000000000          3           2.00"), "{text}");
        // With three digits, the bucket of 2 ms ends at 2.001 ms.
        assert_eq!(
            lines[lines.len() - 4..],
            [
                "       2.001 1.000000000000          4",
                "#[Mean    =        1.250, StdDeviation   =        0.433]",
                "#[Max     =        2.001, Total count    =            4]",
                "#[Buckets =           11, SubBuckets     =         2048]",
            ]
        );
    }

    #[test]
    fn an_empty_histogram_has_a_footer_of_zeros() {
        let text = text(&Histogram::new(3).unwrap());
        assert!(text.contains("Total count    =            0"), "{text}");
    }
}
