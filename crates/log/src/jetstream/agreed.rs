//! What the nodes of a cluster have agreed on, and an operator changes while they run. It is in the metadata of the
//! streams, which each node reads every few seconds.

use super::error::ClusterError;
use crate::frame::FRAME_VERSION;
use async_nats::jetstream::stream::Config;

/// The version of the frames that the nodes write.
pub(super) const FRAMES_OF: &str = "weir.frame_version";
/// The names of the fingerprint's settings begin with this.
pub(super) const SETTING: &str = "weir.setting.";
/// The event types that the nodes take, in the order of their numbers.
pub(super) const EVENT_TYPES: &str = "weir.setting.event_types";

/// The version of the frames that the nodes write.
pub(super) fn frame_version(config: &Config) -> u8 {
    config.metadata.get(FRAMES_OF).map_or(1, |version| version.parse().unwrap_or(u8::MAX))
}

/// The event types that the nodes take; none if the stream says nothing of them.
pub(super) fn event_types(config: &Config) -> Option<Vec<&str>> {
    config.metadata.get(EVENT_TYPES).map(|names| names.split(',').collect())
}

/// Whether the event types `all` begin with those of a stream. Then a node with all of them reads the stream.
pub(super) fn is_prefix(of_stream: Option<&String>, all: Option<&String>) -> bool {
    let (Some(of_stream), Some(all)) = (of_stream, all) else { return false };
    all.strip_prefix(of_stream.as_str()).is_some_and(|rest| rest.starts_with(','))
}

pub(super) fn allow_frame_version(config: &mut Config, version: u8) -> Result<(), ClusterError> {
    let present = frame_version(config);
    if !(present..=FRAME_VERSION).contains(&version) {
        let text = format!("the frames cannot have version {version}; give {present} to {FRAME_VERSION}");
        return Err(ClusterError::Setting(text));
    }
    config.metadata.insert(FRAMES_OF.to_owned(), version.to_string());
    Ok(())
}

pub(super) fn allow_event_types(config: &mut Config, names: &[String]) -> Result<(), ClusterError> {
    let (present, names) = (config.metadata.get(EVENT_TYPES), names.join(","));
    if present != Some(&names) && !is_prefix(present, Some(&names)) {
        let present = present.map_or("", String::as_str);
        let text = format!("event types can only be appended; give {present} and the new ones after it");
        return Err(ClusterError::Setting(text));
    }
    config.metadata.insert(EVENT_TYPES.to_owned(), names);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(metadata: &[(&str, &str)]) -> Config {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config { metadata, ..Config::default() }
    }

    #[test]
    fn a_version_is_raised_up_to_what_this_weir_knows_and_never_lowered() {
        let mut old = config(&[]);
        assert_eq!(frame_version(&old), 1);
        allow_frame_version(&mut old, FRAME_VERSION).unwrap();
        assert_eq!(frame_version(&old), FRAME_VERSION);
        for version in [0, FRAME_VERSION - 1, FRAME_VERSION + 1] {
            let error = allow_frame_version(&mut old, version).unwrap_err().to_string();
            assert!(error.contains(&format!("give {FRAME_VERSION} to {FRAME_VERSION}")), "{error}");
        }
        assert_eq!(frame_version(&config(&[(FRAMES_OF, "300")])), u8::MAX, "newer than any version");
    }

    #[test]
    fn event_types_are_only_appended() {
        let mut stream = config(&[(EVENT_TYPES, "click,view")]);
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        for wrong in ["click", "view,click", "click,viewed", "click,viewed,view", "buy,click,view"] {
            let error = allow_event_types(&mut stream, &names(wrong)).unwrap_err().to_string();
            assert!(error.contains("give click,view and the new ones"), "{error}");
        }
        allow_event_types(&mut stream, &names("click,view")).unwrap();
        allow_event_types(&mut stream, &names("click,view,buy")).unwrap();
        assert_eq!(event_types(&stream), Some(vec!["click", "view", "buy"]));
        assert!(allow_event_types(&mut config(&[]), &names("click")).is_err());
    }
}
