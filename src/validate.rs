//! Validation of an engine's settings.

use crate::config::{DedupBackend, EngineConfig, Horizon};
use crate::error::ConfigError;
use crate::{limits, memory};
use std::fmt;
use std::ops::RangeInclusive;

/// Words that have a meaning in a query or in a response. They cannot name an attribute.
const RESERVED: [&str; 10] =
    ["type", "user_id", "window", "end", "step", "group_by", "consistency", "events", "unique_users", "unknown"];

impl EngineConfig {
    /// Checks that an engine can be built with these settings.
    ///
    /// # Errors
    /// The first setting that is invalid.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("retention_secs", self.retention_secs, &limits::RETENTION_SECS)?;
        within("max_skew_secs", self.max_skew_secs, &limits::SKEW_SECS)?;
        within("max_batch_events", self.max_batch_events, &limits::BATCH_EVENTS)?;
        within("max_backlog_events", self.max_backlog_events, &(self.max_batch_events..=usize::MAX / 2))?;
        within("partitions", self.partitions, &limits::PARTITIONS)?;
        within("fold_threads", self.fold_threads, &limits::FOLD_THREADS)?;
        if !self.partitions.is_power_of_two() {
            return Err(ConfigError::new("partitions", format!(" must be a power of two, not {}", self.partitions)));
        }
        if let Some(capacity) = self.dedup_capacity {
            within("dedup_capacity", capacity, &limits::DEDUP_CAPACITY)?;
            if self.dedup != DedupBackend::Lines {
                return Err(ConfigError::new(
                    "dedup_capacity",
                    " needs the dedup backend \"lines\"; omit one of the two",
                ));
            }
        }
        self.validate_horizon()?;
        names("attributes", &self.attributes, &limits::ATTRIBUTES, is_identifier)?;
        if let Some(name) = self.attributes.iter().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(ConfigError::new("attributes", format!(": {name:?} is reserved")));
        }
        names("event_types", &self.event_types, &limits::EVENT_TYPES, |name| {
            name.trim() == name && !name.contains(char::is_control)
        })?;
        self.validate_memory()
    }

    fn validate_horizon(&self) -> Result<(), ConfigError> {
        let min_secs = self.min_horizon_secs();
        match self.dedup_horizon {
            Some(Horizon::Secs(secs)) if secs < min_secs => Err(ConfigError::new(
                "dedup_horizon",
                format!(" must be at least retention + 2 x skew = {min_secs} seconds, or unbounded, not {secs}"),
            )),
            _ => Ok(()),
        }
    }

    fn validate_memory(&self) -> Result<(), ConfigError> {
        let min_bytes = memory::min_bytes(self);
        match self.max_memory_bytes {
            Some(max_bytes) if max_bytes < min_bytes => Err(ConfigError::new(
                "max_memory_bytes",
                format!(" must be at least {min_bytes} bytes with these settings, not {max_bytes}"),
            )),
            _ => Ok(()),
        }
    }
}

fn within<T: Copy + PartialOrd + fmt::Display>(
    field: &'static str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(field, format!(" must be {} to {}, not {value}", range.start(), range.end())))
}

/// Checks a list of names: their number, that each is well formed, and that no two are equal.
fn names(
    field: &'static str,
    names: &[String],
    count: &RangeInclusive<usize>,
    well_formed: impl Fn(&str) -> bool,
) -> Result<(), ConfigError> {
    let error = |reason| Err(ConfigError::new(field, reason));
    if !count.contains(&names.len()) {
        return error(format!(" takes {} to {} names, not {}", count.start(), count.end(), names.len()));
    }
    for (i, name) in names.iter().enumerate() {
        if !limits::NAME_BYTES.contains(&name.len()) || !well_formed(name) {
            return error(format!(": {name:?} is not a valid name"));
        }
        if names[..i].contains(name) {
            return error(format!(": {name:?} is given twice"));
        }
    }
    Ok(())
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl Fn(&mut EngineConfig)) -> String {
        let mut config = EngineConfig::default();
        change(&mut config);
        config.validate().expect_err("an invalid setting").to_string()
    }

    #[test]
    fn the_default_is_valid() {
        EngineConfig::default().validate().unwrap();
    }

    #[test]
    fn each_setting_is_checked_and_named() {
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(error(|c| c.retention_secs = 0), "retention_secs must be 1 to 86400, not 0");
        assert!(error(|c| c.max_skew_secs = 90_000).starts_with("max_skew_secs"));
        assert!(error(|c| c.max_batch_events = 0).starts_with("max_batch_events"));
        assert!(error(|c| c.max_backlog_events = 99_999).starts_with("max_backlog_events must be 100000 to"));
        assert_eq!(error(|c| c.partitions = 3), "partitions must be a power of two, not 3");
        assert!(error(|c| c.partitions = 0).starts_with("partitions"));
        assert!(error(|c| c.fold_threads = 0).starts_with("fold_threads"));
        assert_eq!(
            error(|c| (c.dedup, c.dedup_capacity) = (DedupBackend::Scc, Some(1))),
            "dedup_capacity needs the dedup backend \"lines\"; omit one of the two"
        );
        assert!(error(|c| c.dedup_capacity = Some(0)).starts_with("dedup_capacity must be 1 to"));
        assert!(error(|c| c.dedup_horizon = Some(Horizon::Secs(2_039))).contains("at least"));
        assert!(error(|c| c.attributes = vec![]).starts_with("attributes takes 1 to 8"));
        assert!(error(|c| c.attributes = strings(&["a", "b", "c", "d", "e", "f", "g", "h", "i"])).contains("not 9"));
        assert!(error(|c| c.attributes = strings(&["plan", "plan"])).contains("twice"));
        for name in ["1a", "", "a-b", "a b", "é"] {
            assert!(error(|c| c.attributes = strings(&[name])).contains("valid name"), "{name}");
        }
        for name in RESERVED {
            assert!(error(|c| c.attributes = strings(&[name])).contains("reserved"), "{name}");
        }
        for name in ["", " view", "view ", "a\nb"] {
            assert!(error(|c| c.event_types = strings(&["click", name])).starts_with("event_types"), "{name:?}");
        }
    }

    #[test]
    fn an_error_can_be_displayed_with_another_name() {
        let config = EngineConfig { attributes: vec!["type".to_owned()], ..EngineConfig::default() };
        let error = config.validate().unwrap_err();
        assert_eq!((error.field(), error.to_string()), ("attributes", "attributes: \"type\" is reserved".to_owned()));
        assert_eq!(error.display_as("--attributes"), "--attributes: \"type\" is reserved");
    }

    #[test]
    fn a_horizon_may_be_longer_or_unbounded() {
        let config = EngineConfig { dedup_horizon: Some(Horizon::Secs(2_040)), ..EngineConfig::default() };
        config.validate().unwrap();
        let config = EngineConfig { dedup_horizon: Some(Horizon::Unbounded), ..EngineConfig::default() };
        config.validate().unwrap();
    }
}
