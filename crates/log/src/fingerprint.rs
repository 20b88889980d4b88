//! The settings that the entries of a log depend on, as named texts. A journal keeps them, so it can be read without
//! the configuration of the server that wrote it.

use std::collections::BTreeMap;
use std::fmt;

use weir::{DedupBackend, EngineConfig, Horizon};

/// The value of a setting that is not set.
const NONE: &str = "none";

const LINES: &str = "lines";
const SCC: &str = "scc";

/// A fingerprint that says no valid settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSettings(String);

impl fmt::Display for UnknownSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; use the version of weir that wrote it", self.0)
    }
}

impl std::error::Error for UnknownSettings {}

/// The fingerprint of an engine's settings. Limits of bodies, batches, threads and memory are no part of it.
#[must_use]
pub fn fingerprint(config: &EngineConfig) -> BTreeMap<String, String> {
    let number_or_none = |number: Option<String>| number.unwrap_or_else(|| NONE.to_owned());
    let settings = [
        ("retention_secs", config.retention_secs.to_string()),
        ("max_skew_secs", config.max_skew_secs.to_string()),
        ("dedup_horizon_secs", number_or_none(config.horizon_secs().map(|secs| secs.to_string()))),
        ("dedup", if config.dedup == DedupBackend::Scc { SCC } else { LINES }.to_owned()),
        ("dedup_capacity", number_or_none(config.dedup_capacity.map(|ids| ids.to_string()))),
        ("attributes", config.attributes.join(",")),
        ("event_types", config.event_types.join(",")),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The settings of a fingerprint. What a fingerprint does not say has its default.
///
/// # Errors
/// If the fingerprint is not one of [`fingerprint`].
pub fn config(fingerprint: &BTreeMap<String, String>) -> Result<EngineConfig, UnknownSettings> {
    let text = |name: &str| {
        let value = fingerprint.get(name);
        value.map(String::as_str).ok_or_else(|| UnknownSettings(format!("the setting {name} is missing")))
    };
    let names = |name: &str| Ok(text(name)?.split(',').map(str::to_owned).collect());
    let mut config = EngineConfig::default();
    config.retention_secs = number("retention_secs", text("retention_secs")?)?;
    config.max_skew_secs = number("max_skew_secs", text("max_skew_secs")?)?;
    config.dedup_horizon = Some(match text("dedup_horizon_secs")? {
        NONE => Horizon::Unbounded,
        secs => Horizon::Secs(number("dedup_horizon_secs", secs)?),
    });
    config.dedup = match text("dedup")? {
        LINES => DedupBackend::Lines,
        SCC => DedupBackend::Scc,
        other => return Err(UnknownSettings(format!("the setting dedup is {other:?}"))),
    };
    config.dedup_capacity = match text("dedup_capacity")? {
        NONE => None,
        ids => Some(number("dedup_capacity", ids)?),
    };
    config.attributes = names("attributes")?;
    config.event_types = names("event_types")?;
    config.validate().map_err(|error| UnknownSettings(error.to_string()))?;
    Ok(config)
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, UnknownSettings> {
    text.parse().map_err(|_| UnknownSettings(format!("the setting {name} is {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other_settings() -> EngineConfig {
        let mut config = EngineConfig::default();
        (config.retention_secs, config.max_skew_secs) = (60, 5);
        config.dedup_horizon = Some(Horizon::Secs(100));
        config.dedup_capacity = Some(1_000);
        (config.attributes, config.event_types) = (vec!["tier".to_owned()], vec!["play".to_owned(), "stop".to_owned()]);
        config
    }

    #[test]
    fn the_settings_come_back() {
        let mut scc = EngineConfig::default();
        (scc.dedup, scc.dedup_horizon) = (DedupBackend::Scc, Some(Horizon::Unbounded));
        for config in [EngineConfig::default(), other_settings(), scc] {
            let back = super::config(&fingerprint(&config)).unwrap();
            assert_eq!(fingerprint(&back), fingerprint(&config));
            assert_eq!((back.attributes, back.dedup_capacity), (config.attributes, config.dedup_capacity));
            assert_eq!(back.dedup_horizon, Some(config.dedup_horizon.unwrap_or(Horizon::Secs(2_040))));
        }
    }

    #[test]
    fn a_fingerprint_without_valid_settings_is_an_error_that_names_the_setting() {
        let good = fingerprint(&other_settings());
        for (name, value) in
            [("retention_secs", "0"), ("retention_secs", "x"), ("dedup", "btree"), ("dedup_horizon_secs", "1")]
        {
            let mut bad = good.clone();
            bad.insert(name.to_owned(), value.to_owned());
            let error = config(&bad).unwrap_err().to_string();
            assert!(error.contains(name.trim_end_matches("_secs")), "{name}: {error}");
        }
        for name in good.keys() {
            let mut bad = good.clone();
            bad.remove(name);
            assert!(config(&bad).unwrap_err().to_string().contains(name.as_str()), "{name}");
        }
    }
}
