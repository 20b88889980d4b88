//! From OpenMetrics 1.0 to the text format 0.0.4.
//!
//! Samples are the same in both. What differs, of the types that are written here: a counter's family is called as its
//! samples are, with `_total`; an information is a gauge whose name ends in `_info`; there are neither units nor an end mark.
//! The texts of `HELP` must hold nothing that the one escapes and the other does not, which is a quote only.

use std::fmt::Write as _;

/// Translates what [`open_metrics`](super::writer::open_metrics) has written; each family begins with its `HELP` and `TYPE`.
pub(super) fn translate(open_metrics: &str) -> String {
    let mut classic = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        match line.strip_prefix("# ") {
            None => push_line(&mut classic, format_args!("{line}")),
            Some(comment) => match comment.split_once(' ') {
                Some(("HELP", of_family)) => help = of_family,
                Some(("TYPE", of_family)) => push_family(&mut classic, help, of_family),
                _ => {}
            },
        }
    }
    classic
}

/// Writes what comes before a family's samples, by the rests of the lines of its help and its type.
fn push_family(classic: &mut String, help: &str, type_: &str) {
    let (name, open_type) = type_.split_once(' ').unwrap_or((type_, "unknown"));
    let text = help.strip_prefix(name).unwrap_or_default();
    let (suffix, classic_type) = match open_type {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        same => ("", same),
    };
    push_line(classic, format_args!("# HELP {name}{suffix}{text}"));
    push_line(classic, format_args!("# TYPE {name}{suffix} {classic_type}"));
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a write to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_get_the_names_and_types_that_they_have_there() {
        let open_metrics = r##"# HELP a_seconds Time.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds 0.25
# HELP c_bytes Bytes, all.
# TYPE c_bytes counter
# UNIT c_bytes bytes
c_bytes_total{x="# EOF"} 3
# HELP d_seconds Times.
# TYPE d_seconds histogram
d_seconds_sum{k="v"} 3.5
d_seconds_count{k="v"} 3
d_seconds_bucket{le="+Inf",k="v"} 3
# HELP e What it is.
# TYPE e info
e_info{version="1.2"} 1
# HELP f What?
# TYPE f unknown
f 1
# EOF
"##;
        let classic = r##"# HELP a_seconds Time.
# TYPE a_seconds gauge
a_seconds 0.25
# HELP c_bytes_total Bytes, all.
# TYPE c_bytes_total counter
c_bytes_total{x="# EOF"} 3
# HELP d_seconds Times.
# TYPE d_seconds histogram
d_seconds_sum{k="v"} 3.5
d_seconds_count{k="v"} 3
d_seconds_bucket{le="+Inf",k="v"} 3
# HELP e_info What it is.
# TYPE e_info gauge
e_info{version="1.2"} 1
# HELP f What?
# TYPE f untyped
f 1
"##;
        assert_eq!(translate(open_metrics), classic);
        assert_eq!(translate("# EOF\n"), "");
    }
}
