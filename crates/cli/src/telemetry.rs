//! Logs: what, how much, and in which form.

use clap::ValueEnum;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the process's logs to stderr, at the level that `WEIR_LOG` names (`info` by default).
///
/// # Errors
/// One line, when `WEIR_LOG` is not a filter, or when the process sends its logs elsewhere already.
pub(crate) fn init(format: LogFormat) -> Result<(), String> {
    let directives = std::env::var("WEIR_LOG").unwrap_or_default();
    if let Some(word) = not_a_level(&directives) {
        return Err(format!("WEIR_LOG: {word:?} is not error, warn, info, debug or trace, nor TARGET=LEVEL"));
    }
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(&directives);
    let filter = filter.map_err(|error| format!("WEIR_LOG={directives:?} is not a log filter: {error}"))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A log that nobody can read any more must not end the process, which a report of that to stderr would do.
    let logs = logs.log_internal_errors(false);
    let installed = match format {
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| error.to_string())
}

/// The first directive that is one word and no level. The filter would take it for a target, and be silent about all else.
fn not_a_level(directives: &str) -> Option<&str> {
    let mut words = directives.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.find(|word| !word.contains(['=', '[', ':']) && word.parse::<LevelFilter>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_must_be_a_level() {
        for directives in ["", "info", "DEBUG", "off", "weir=debug,warn", "weir::http=trace", " info , hyper=off"] {
            assert_eq!(not_a_level(directives), None, "{directives}");
        }
        assert_eq!(not_a_level("verbose"), Some("verbose"));
        assert_eq!(not_a_level("info,wier"), Some("wier"));
    }
}
