//! The parameters of `/metrics`, `/metrics/series` and `/metrics/stream`.

use crate::http::consistency::consistency_named;
use crate::http::problem::Problem;
use crate::http::query::{Parameter, parameters};
use crate::limits;
use std::collections::BTreeSet;
use std::str::FromStr;
use weir::{EngineConfig, Filter, Query, parse_ms, second_of};
use weir_api::Consistency;

/// The parameters that a resource supports in addition to `window` and the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllowedParams {
    /// Those of `/metrics`: `end` and `group_by`.
    Metrics,
    /// Those of `/metrics/series`: `end` and `step`.
    Series,
    /// That of `/metrics/stream`: `group_by`.
    Stream,
}

/// A parsed query string.
#[derive(Debug)]
pub(crate) struct WindowQuery {
    pub(crate) query: Query,
    /// The step of a series in seconds. It divides the window, and is 1 unless given.
    pub(crate) step_secs: u32,
    /// How fresh the answer is to be, if the request says it. A stream is always fresh, or says that it is not.
    pub(crate) consistency: Option<Consistency>,
}

/// Parses a query string.
///
/// # Errors
/// Unknown parameters, repeated single-valued parameters and invalid filters, ends and groups come first. Then the
/// window is checked. The step comes last, because it depends on the window. Only the engine can tell whether the
/// window lies within the retention, because that depends on its clock.
pub(crate) fn parse(
    query: Option<&str>,
    allowed: AllowedParams,
    config: &EngineConfig,
) -> Result<WindowQuery, Problem> {
    let [mut window, mut end, mut step, mut group_by, mut consistency] =
        ["window", "end", "step", "group_by", "consistency"].map(SingleValue::named);
    let mut filter = Filter::default();
    for parameter in parameters(query) {
        match &*parameter.name {
            b"window" => window.set(parameter)?,
            b"end" if allowed != AllowedParams::Stream => end.set(parameter)?,
            b"step" if allowed == AllowedParams::Series => step.set(parameter)?,
            b"group_by" if allowed != AllowedParams::Series => group_by.set(parameter)?,
            b"consistency" => consistency.set(parameter)?,
            b"type" => _ = filter.types.get_or_insert_default().insert(filter_value("type", parameter)?),
            name => {
                let attribute = config.attributes.iter().position(|attribute| attribute.as_bytes() == name);
                let Some(attribute) = attribute else { return Err(parameter.unknown()) };
                let values: &mut BTreeSet<_> = filter.attributes.entry(attribute).or_default();
                values.insert(filter_value(&config.attributes[attribute], parameter)?);
            }
        }
    }
    let group_by = group_by.value.map_or(Ok(Vec::new()), |names| attributes(&names, &config.attributes))?;
    let consistency = consistency.value.map(|name| consistency_named(&name)).transpose()?;
    let end_secs = end.value.map(|end| end_secs(&end)).transpose()?;
    let window_secs = window_secs(window.value.as_deref(), config.retention_secs)?;
    let step_secs = step.value.map_or(Ok(1), |step| step_secs(&step, window_secs))?;
    Ok(WindowQuery { query: Query { window_secs, end_secs, filter, group_by }, step_secs, consistency })
}

/// A parameter that may be given only once.
struct SingleValue {
    name: &'static str,
    value: Option<Vec<u8>>,
}

impl SingleValue {
    fn named(name: &'static str) -> Self {
        Self { name, value: None }
    }

    fn set(&mut self, parameter: Parameter<'_>) -> Result<(), Problem> {
        match self.value.replace(parameter.value.into_owned()) {
            None => Ok(()),
            Some(_) => Err(Problem::InvalidParameter(format!("{} is given more than once", self.name))),
        }
    }
}

/// The window in seconds, at most the retention.
fn window_secs(digits: Option<&[u8]>, retention_secs: u32) -> Result<u32, Problem> {
    let Some(digits) = digits else { return Ok(limits::WINDOW_SECS_DEFAULT.min(retention_secs)) };
    let secs = whole_number(digits).filter(|secs| (1..=retention_secs).contains(secs));
    secs.ok_or(Problem::InvalidWindow { max_secs: retention_secs })
}

/// The last second of the window: the second that contains a date-time, or a whole number of seconds since the epoch.
fn end_secs(text: &[u8]) -> Result<i64, Problem> {
    let secs = whole_number(text).or_else(|| parse_ms(text).map(second_of));
    secs.ok_or_else(|| {
        let forms = "an RFC 3339 date-time (with + written as %2B) or whole seconds since 1970-01-01T00:00:00Z";
        Problem::InvalidParameter(format!("end must be {forms}"))
    })
}

/// The step in seconds, which divides the window.
fn step_secs(digits: &[u8], window_secs: u32) -> Result<u32, Problem> {
    let secs = whole_number(digits).filter(|secs| *secs > 0 && window_secs.is_multiple_of(*secs));
    secs.ok_or_else(|| {
        Problem::InvalidParameter(format!(
            "step must be a whole number of seconds that divides the window, {window_secs}"
        ))
    })
}

/// Parses a number that consists of digits only.
pub(super) fn whole_number<N: FromStr>(digits: &[u8]) -> Option<N> {
    digits.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// A value to filter by. An empty value matches nothing. It is more likely an empty field of a form, so it is an error.
fn filter_value(name: &str, parameter: Parameter<'_>) -> Result<String, Problem> {
    let text = String::from_utf8(parameter.value.into_owned()).ok().filter(|text| !text.is_empty());
    text.ok_or_else(|| Problem::InvalidParameter(format!("{name} must be a non-empty UTF-8 string")))
}

/// The indices of the attributes in a comma-separated list of their names.
fn attributes(names: &[u8], configured: &[String]) -> Result<Vec<usize>, Problem> {
    let invalid = || {
        let configured = configured.join(", ");
        Problem::InvalidParameter(format!(
            "group_by must be a comma-separated list of distinct attributes, of {configured}"
        ))
    };
    let mut indices = Vec::new();
    for name in names.split(|byte| *byte == b',') {
        let index = configured.iter().position(|attribute| attribute.as_bytes() == name).ok_or_else(invalid)?;
        if indices.contains(&index) {
            return Err(invalid());
        }
        indices.push(index);
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str, allowed: AllowedParams, retention_secs: u32) -> Result<WindowQuery, &'static str> {
        let mut config = EngineConfig::default();
        config.retention_secs = retention_secs;
        parse(Some(query), allowed, &config).map_err(|problem| problem.code().as_str())
    }

    fn window(query: &str, retention_secs: u32) -> Result<u32, &'static str> {
        parsed(query, AllowedParams::Metrics, retention_secs).map(|parsed| parsed.query.window_secs)
    }

    #[test]
    fn a_window_is_a_whole_number_of_seconds_up_to_the_retention() {
        assert_eq!(window("", 1_800), Ok(300));
        assert_eq!(window("", 60), Ok(60));
        assert_eq!(window("window=1", 60), Ok(1));
        assert_eq!(window("window=060", 60), Ok(60));
        assert_eq!(window("win%64ow=%360", 60), Ok(60));
        let huge = "9".repeat(100);
        for value in
            ["", "0", "61", "-1", "+1", "%2B1", "1.0", "1e1", "a", " 1", "1%20", "%ff", "%D9%A1", "0x10", &huge]
        {
            assert_eq!(window(&format!("window={value}"), 60), Err("invalid_window"), "{value}");
        }
        assert_eq!(window("window", 60), Err("invalid_window"));
    }

    #[test]
    fn unknown_and_repeated_parameters_are_rejected() {
        for query in
            ["windows=1", "window=1&x=2", "Window=1", "window=1&window=1", "=1", "%ff=1", "step=1", "user_id=u"]
        {
            assert_eq!(window(query, 60), Err("invalid_parameter"), "{query}");
        }
        for (query, allowed) in [
            ("group_by=plan", AllowedParams::Series),
            ("step=1&step=1", AllowedParams::Series),
            ("end=1&end=1", AllowedParams::Series),
            ("end=1&end=1", AllowedParams::Metrics),
            ("step=1", AllowedParams::Stream),
            ("end=1", AllowedParams::Stream),
        ] {
            assert_eq!(parsed(query, allowed, 60).err(), Some("invalid_parameter"), "{query} {allowed:?}");
        }
    }

    #[test]
    fn an_end_is_a_date_time_or_whole_seconds_since_the_epoch() {
        let end = |query: &str, allowed| parsed(query, allowed, 60).map(|parsed| parsed.query.end_secs);
        for allowed in [AllowedParams::Metrics, AllowedParams::Series] {
            assert_eq!(end("", allowed), Ok(None));
            for (value, secs) in [
                ("1759926896", 1_759_926_896),
                ("0", 0),
                ("0001759926896", 1_759_926_896),
                ("9223372036854775807", i64::MAX),
                ("2025-10-08T12:34:56Z", 1_759_926_896),
                ("2025-10-08T12:34:56.999999Z", 1_759_926_896),
                ("2025-10-08t14:34:56.001%2B02:00", 1_759_926_896),
                ("2025-10-08T12:34:60Z", 1_759_926_899),
                ("1969-12-31T23:59:59.5Z", -1),
            ] {
                assert_eq!(end(&format!("end={value}"), allowed), Ok(Some(secs)), "{value}");
            }
            for value in [
                "",
                "-1",
                "%2B1",
                "+1",
                "1.0",
                "1e9",
                "%20",
                "1%20",
                "%ff",
                "%D9%A1",
                "now",
                "9223372036854775808",
                "2025-10-08",
                "2025-10-08T12:34:56",
                "2025-10-08+12:34:56Z",
                "2025-10-08T14:34:56+02:00",
                "2025-02-30T12:34:56Z",
            ] {
                assert_eq!(end(&format!("end={value}"), allowed), Err("invalid_parameter"), "{value}");
            }
            assert_eq!(end("end", allowed), Err("invalid_parameter"));
            assert_eq!(
                end("end=x&window=0", allowed),
                Err("invalid_parameter"),
                "the end is checked before the window"
            );
        }
    }

    #[test]
    fn a_step_divides_the_window() {
        let step = |query: &str| parsed(query, AllowedParams::Series, 1_800).map(|parsed| parsed.step_secs);
        assert_eq!(["", "step=1", "step=300", "step=7&window=21"].map(step), [Ok(1), Ok(1), Ok(300), Ok(7)]);
        for query in ["step=", "step=0", "step=7", "step=301", "step=600", "step=-1", "step=1.0", "step=%ff"] {
            assert_eq!(step(query), Err("invalid_parameter"), "{query}");
        }
        assert_eq!(step("step=0&window=0"), Err("invalid_window"), "the window is checked first");
    }

    #[test]
    fn filters_collect_their_values() {
        let Query { filter, .. } =
            parsed("type=a&region=eu&type=b&type=a&region=e+u", AllowedParams::Series, 60).unwrap().query;
        let set = |values: &[&str]| values.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(filter.types, Some(set(&["a", "b"])));
        assert_eq!(filter.attributes.into_iter().collect::<Vec<_>>(), [(1, set(&["eu", "e u"]))]);
        for query in ["type=", "type", "plan=", "plan=%ff", "type=%c3%28", "type=a&type="] {
            assert_eq!(parsed(query, AllowedParams::Metrics, 60).err(), Some("invalid_parameter"), "{query}");
        }
    }

    #[test]
    fn groups_are_by_configured_attributes_in_the_given_order() {
        let groups = |query: &str| parsed(query, AllowedParams::Metrics, 60).map(|parsed| parsed.query.group_by);
        assert_eq!(groups("group_by=plan"), Ok(vec![0]));
        assert_eq!(groups("group_by=region%2Cplan"), Ok(vec![1, 0]));
        for query in ["group_by=", "group_by=type", "group_by=plan,", "group_by=plan,plan", "group_by=plan, region"] {
            assert_eq!(groups(query), Err("invalid_parameter"), "{query}");
        }
    }
}
