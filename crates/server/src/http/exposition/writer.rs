//! Metric families as text, written by the encoders of the Prometheus project.

use crate::histogram::HistogramSnapshot;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text, text as open_metrics_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// No sample has an exemplar.
const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, u64>> = None;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ExpositionFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus. In it, a counter's family has the name of its samples, and an info metric
    /// is a gauge.
    Classic,
}

impl ExpositionFormat {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes one family after the other. A name ends with its unit if that is seconds or bytes. The name of a counter
/// lacks the `_total` of its samples, and the name of an info metric lacks the `_info` of its sample.
#[derive(Debug)]
pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

/// Encodes the families that `write` writes as one complete exposition.
pub(super) fn text(
    format: ExpositionFormat,
    write: impl Fn(&mut Writer<'_>) -> fmt::Result + Send + Sync + 'static,
) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(write)));
    let mut text = String::new();
    let written = match format {
        ExpositionFormat::OpenMetrics => open_metrics_text::encode(&mut text, &registry),
        ExpositionFormat::Classic => prometheus_text::encode(&mut text, &registry),
    };
    written.expect("a write to memory does not fail");
    text
}

/// A collector around a function, because only a collector gets an encoder.
struct Families<F>(F);

impl<F> fmt::Debug for Families<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Families").finish_non_exhaustive()
    }
}

impl<F: Fn(&mut Writer<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Families<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0(&mut Writer(encoder))
    }
}

impl Writer<'_> {
    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |family| family.encode_gauge(&value))
    }

    /// A gauge for each set of labels.
    pub(super) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |family| {
            samples.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
        })
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |family| family.encode_counter(&count, NO_EXEMPLAR))
    }

    /// A histogram without labels.
    pub(super) fn histogram(&mut self, name: &str, help: &str, snapshot: &HistogramSnapshot) -> fmt::Result {
        let HistogramSnapshot { sum_secs, count, buckets } = snapshot;
        self.family(name, help, MetricType::Histogram, |family| {
            family.encode_histogram::<NoLabelSet>(*sum_secs, *count, buckets, None)
        })
    }

    /// A counter for each set of labels.
    pub(super) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |family| {
            let mut samples = samples.into_iter();
            samples.try_for_each(|(labels, count)| family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR))
        })
    }

    /// A histogram for each set of labels.
    pub(super) fn histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, HistogramSnapshot)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, |family| {
            samples.into_iter().try_for_each(|(labels, HistogramSnapshot { sum_secs, count, buckets })| {
                let mut histogram = family.encode_family(&labels)?;
                histogram.encode_histogram::<NoLabelSet>(sum_secs, count, &buckets, None)
            })
        })
    }

    /// An info metric: labels that do not change while the process lives.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &impl EncodeLabelSet) -> fmt::Result {
        self.family(name, help, MetricType::Info, |family| family.encode_info(labels))
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let (name, unit) = match name.rsplit_once('_') {
            Some((name, "seconds")) => (name, Some(&Unit::Seconds)),
            Some((name, "bytes")) => (name, Some(&Unit::Bytes)),
            _ => (name, None),
        };
        write(&mut self.0.encode_descriptor(name, help, unit, kind)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(writer: &mut Writer<'_>) -> fmt::Result {
        writer.gauge("a_seconds", "Time.", 0.25)?;
        writer.gauges("b", "Parts.", [([("k", "\\ \" \n é")], 1.0), ([("k", "")], f64::MAX)])?;
        writer.counters("c_bytes", "Bytes.", [([("x", "1"), ("y", "2")], u64::MAX)])?;
        let buckets = vec![(1e-6, 2), (0.5, 0), (1.0, 0), (f64::INFINITY, 1)];
        writer.histograms(
            "d_seconds",
            "Times.",
            [([("k", "v")], HistogramSnapshot { sum_secs: 3.5, count: 3, buckets })],
        )?;
        writer.info("e", "What it is.", &[("version", "1.2")])
    }

    #[test]
    fn families_are_written_with_their_units_and_labels_are_escaped() {
        assert_eq!(
            text(ExpositionFormat::OpenMetrics, write),
            r#"# HELP a_seconds Time.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds 0.25
# HELP b Parts.
# TYPE b gauge
b{k="\\ \" \n é"} 1.0
b{k=""} 1.7976931348623157e308
# HELP c_bytes Bytes.
# TYPE c_bytes counter
# UNIT c_bytes bytes
c_bytes_total{x="1",y="2"} 18446744073709551615
# HELP d_seconds Times.
# TYPE d_seconds histogram
# UNIT d_seconds seconds
d_seconds_sum{k="v"} 3.5
d_seconds_count{k="v"} 3
d_seconds_bucket{le="0.000001",k="v"} 2
d_seconds_bucket{le="0.5",k="v"} 2
d_seconds_bucket{le="1.0",k="v"} 2
d_seconds_bucket{le="+Inf",k="v"} 3
# HELP e What it is.
# TYPE e info
e_info{version="1.2"} 1
# EOF
"#
        );
    }

    #[test]
    fn the_classic_format_has_its_own_names_and_types() {
        assert_eq!(
            text(ExpositionFormat::Classic, write),
            r#"# HELP a_seconds Time.
# TYPE a_seconds gauge
a_seconds 0.25
# HELP b Parts.
# TYPE b gauge
b{k="\\ \" \n é"} 1.0
b{k=""} 1.7976931348623157e308
# HELP c_bytes_total Bytes.
# TYPE c_bytes_total counter
c_bytes_total{x="1",y="2"} 18446744073709551615
# HELP d_seconds Times.
# TYPE d_seconds histogram
d_seconds_bucket{k="v",le="1e-06"} 2
d_seconds_bucket{k="v",le="0.5"} 2
d_seconds_bucket{k="v",le="1"} 2
d_seconds_bucket{k="v",le="+Inf"} 3
d_seconds_sum{k="v"} 3.5
d_seconds_count{k="v"} 3
# HELP e_info What it is.
# TYPE e_info gauge
e_info{version="1.2"} 1
"#
        );
    }
}
