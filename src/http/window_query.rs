//! What the parameters of `/metrics` and its kin ask for.

use crate::config::EngineConfig;
use crate::http::problem::Problem;
use crate::http::query::{Parameter, parameters};
use crate::limits;
use crate::timeline::{Filter, Query};
use std::collections::BTreeSet;

/// The parameters that a resource takes beside `window` and the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    GroupBy,
    Step,
}

/// A question, and its step where the resource takes one.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) query: Query,
    pub(crate) step_secs: u32,
}

/// Reads a query string. A parameter that is unknown, repeated though it takes one value, or no value that there can be,
/// is refused before the window is looked at, and the step, which depends on it, last.
pub(crate) fn parse(query: Option<&str>, takes: Takes, config: &EngineConfig) -> Result<Asked, Problem> {
    let (mut window, mut step, mut group_by) =
        (Single::named("window"), Single::named("step"), Single::named("group_by"));
    let mut filter = Filter::default();
    for parameter in parameters(query) {
        match &*parameter.name {
            b"window" => window.set(parameter)?,
            b"step" if takes == Takes::Step => step.set(parameter)?,
            b"group_by" if takes == Takes::GroupBy => group_by.set(parameter)?,
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
    let window_secs = window_secs(window.value.as_deref(), config.retention_secs)?;
    let step_secs = step.value.map_or(Ok(1), |step| step_secs(&step, window_secs))?;
    Ok(Asked { query: Query { window_secs, filter, group_by }, step_secs })
}

/// A parameter that has one value.
struct Single {
    name: &'static str,
    value: Option<Vec<u8>>,
}

impl Single {
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

fn window_secs(digits: Option<&[u8]>, retention_secs: u32) -> Result<u32, Problem> {
    let Some(digits) = digits else { return Ok(limits::WINDOW_SECS_DEFAULT.min(retention_secs)) };
    let secs = whole_number(digits).filter(|secs| (1..=retention_secs).contains(secs));
    secs.ok_or(Problem::InvalidWindow { max_secs: retention_secs })
}

fn step_secs(digits: &[u8], window_secs: u32) -> Result<u32, Problem> {
    let secs = whole_number(digits).filter(|secs| *secs > 0 && window_secs.is_multiple_of(*secs));
    secs.ok_or_else(|| {
        Problem::InvalidParameter(format!(
            "step must be a whole number of seconds that divides the window, {window_secs}"
        ))
    })
}

/// The number that digits say, and nothing but digits.
pub(super) fn whole_number(digits: &[u8]) -> Option<u32> {
    digits.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// A value to filter by. An empty one is no value's name, and more likely a form that was not filled in.
fn filter_value(name: &str, parameter: Parameter<'_>) -> Result<String, Problem> {
    let text = String::from_utf8(parameter.value.into_owned()).ok().filter(|text| !text.is_empty());
    text.ok_or_else(|| Problem::InvalidParameter(format!("{name} must be a value to filter by, in UTF-8")))
}

/// The indices of attributes that are named with commas between them.
fn attributes(names: &[u8], configured: &[String]) -> Result<Vec<usize>, Problem> {
    let refuse = || {
        let configured = configured.join(", ");
        Problem::InvalidParameter(format!(
            "group_by must be one or more of {configured}, each once, with commas between"
        ))
    };
    let mut indices = Vec::new();
    for name in names.split(|byte| *byte == b',') {
        let index = configured.iter().position(|attribute| attribute.as_bytes() == name).ok_or_else(refuse)?;
        if indices.contains(&index) {
            return Err(refuse());
        }
        indices.push(index);
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str, takes: Takes, retention_secs: u32) -> Result<Asked, &'static str> {
        let mut config = EngineConfig::default();
        let code = |problem: Problem| problem.code();
        config.retention_secs = retention_secs;
        parse(Some(query), takes, &config).map_err(code)
    }

    fn window(query: &str, retention_secs: u32) -> Result<u32, &'static str> {
        ask(query, Takes::GroupBy, retention_secs).map(|asked| asked.query.window_secs)
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
    fn what_a_resource_does_not_take_and_what_is_repeated_is_refused() {
        for query in
            ["windows=1", "window=1&x=2", "Window=1", "window=1&window=1", "=1", "%ff=1", "step=1", "user_id=u"]
        {
            assert_eq!(window(query, 60), Err("invalid_parameter"), "{query}");
        }
        for query in ["group_by=plan", "step=1&step=1"] {
            assert_eq!(ask(query, Takes::Step, 60).err(), Some("invalid_parameter"), "{query}");
        }
    }

    #[test]
    fn a_step_divides_the_window() {
        let step = |query: &str| ask(query, Takes::Step, 1_800).map(|asked| asked.step_secs);
        assert_eq!(["", "step=1", "step=300", "step=7&window=21"].map(step), [Ok(1), Ok(1), Ok(300), Ok(7)]);
        for query in ["step=", "step=0", "step=7", "step=301", "step=600", "step=-1", "step=1.0", "step=%ff"] {
            assert_eq!(step(query), Err("invalid_parameter"), "{query}");
        }
        assert_eq!(step("step=0&window=0"), Err("invalid_window"), "the window comes first");
    }

    #[test]
    fn filters_gather_their_values() {
        let Query { filter, .. } = ask("type=a&region=eu&type=b&type=a&region=e+u", Takes::Step, 60).unwrap().query;
        let set = |values: &[&str]| values.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(filter.types, Some(set(&["a", "b"])));
        assert_eq!(filter.attributes.into_iter().collect::<Vec<_>>(), [(1, set(&["eu", "e u"]))]);
        for query in ["type=", "type", "plan=", "plan=%ff", "type=%c3%28", "type=a&type="] {
            assert_eq!(ask(query, Takes::GroupBy, 60).err(), Some("invalid_parameter"), "{query}");
        }
    }

    #[test]
    fn groups_are_by_configured_attributes_in_the_order_asked_for() {
        let groups = |query: &str| ask(query, Takes::GroupBy, 60).map(|asked| asked.query.group_by);
        assert_eq!(groups("group_by=plan"), Ok(vec![0]));
        assert_eq!(groups("group_by=region%2Cplan"), Ok(vec![1, 0]));
        for query in ["group_by=", "group_by=type", "group_by=plan,", "group_by=plan,plan", "group_by=plan, region"] {
            assert_eq!(groups(query), Err("invalid_parameter"), "{query}");
        }
    }
}
