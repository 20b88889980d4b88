//! The log: its level and its format.

use clap::ValueEnum;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text, for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The client of NATS logs each of many attempts to connect. The server itself logs whether its cluster is available.
const NATS: &str = "async_nats";

fn quiet(target: &str) -> Directive {
    format!("{target}=off").parse().expect("a target and a level are a directive")
}

/// Writes the log of the process to stderr, at the level of `WEIR_LOG` (`info` by default).
///
/// # Errors
/// One line: `WEIR_LOG` is not a filter, or the process has another log already.
pub(crate) fn init(format: LogFormat) -> Result<(), String> {
    let directives = std::env::var("WEIR_LOG").unwrap_or_default();
    if let Some(word) = invalid_level(&directives) {
        return Err(format!("WEIR_LOG: {word:?} must be error, warn, info, debug, trace or TARGET=LEVEL"));
    }
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(&directives);
    let filter = filter.map_err(|error| format!("WEIR_LOG={directives:?} is not a log filter: {error}"))?;
    let filter = if directives.contains(NATS) { filter } else { filter.add_directive(quiet(NATS)) };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error of the log must not end the process. To report the error on a closed stderr would end it.
    let logs = logs.log_internal_errors(false);
    let installed = match format {
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| error.to_string())
}

/// The first directive that is one word, but not a level. The filter would take the word for a target, and would log
/// nothing else.
fn invalid_level(directives: &str) -> Option<&str> {
    let mut words = directives.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.find(|word| !word.contains(['=', '[', ':']) && word.parse::<LevelFilter>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_must_be_a_level() {
        for directives in
            ["", "info", "DEBUG", "off", "weir=debug,warn", "weir_server::http=trace", " info , hyper=off"]
        {
            assert_eq!(invalid_level(directives), None, "{directives}");
        }
        assert_eq!(invalid_level("verbose"), Some("verbose"));
        assert_eq!(invalid_level("info,wier"), Some("wier"));
    }
}
