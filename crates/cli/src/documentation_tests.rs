//! The tables of the documentation, compared with the code: the settings of README.md and the limits of
//! docs/operations.md.

use crate::args;
use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The limits of all crates.
mod limits {
    pub(super) use crate::limits::*;
    pub(super) use weir::limits::*;
    pub(super) use weir_server::limits::*;
}

/// The files that define the limits.
const LIMITS: [&str; 3] = ["src/limits.rs", "crates/server/src/limits.rs", "crates/cli/src/limits.rs"];

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The rows of the table of a page that contains `marker`, as cells, without the header.
fn table(page: &str, marker: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(repository(page)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let mut tables = lines.split(|line| !line.starts_with('|'));
    let table = tables.find(|table| table.iter().any(|line| line.contains(marker)));
    let rows = &table.unwrap_or_else(|| panic!("{page} has no table with {marker}"))[2..];
    rows.iter()
        .map(|row| row.replace("\\|", "/").split('|').skip(1).map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The texts between backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_settings_of_the_readme_are_those_of_the_command_line() {
    let definition = args::definition();
    let arguments: Vec<_> = definition.find_subcommand("serve").unwrap().get_arguments().collect();
    let mut without_a_row: BTreeSet<_> = arguments.iter().filter_map(|argument| argument.get_long()).collect();
    for row in table("README.md", "`--retention ") {
        let [flags, variables, default] = [0, 1, 2].map(|column| code(&row[column]));
        assert!(!flags.is_empty(), "a row without a flag: {row:?}");
        let mut unnamed: BTreeSet<_> = variables.into_iter().filter(|variable| variable.starts_with("WEIR_")).collect();
        for flag in flags.iter().map(|flag| flag.split(' ').next().unwrap().trim_start_matches("--")) {
            let argument = arguments.iter().find(|argument| argument.get_long() == Some(flag));
            let argument = argument.unwrap_or_else(|| panic!("there is no flag --{flag}: {row:?}"));
            assert!(without_a_row.remove(flag), "--{flag} has two rows");
            let variable = argument.get_env().unwrap().to_str().unwrap();
            assert!(unnamed.remove(variable), "the variable of --{flag} is {variable}: {row:?}");
            let values: Vec<_> = argument.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
            match &default[..] {
                // The code derives this default from the environment, so only the help names it.
                [address] if flag == "listen" => {
                    assert!(argument.get_help().unwrap().to_string().contains(&format!("[default: {address}, ")));
                }
                named => assert_eq!(named.join(","), values.join(","), "the default of --{flag}"),
            }
        }
        assert!(unnamed.is_empty(), "variables without a flag: {row:?}");
    }
    assert!(without_a_row.is_empty(), "flags without a row: {without_a_row:?}");
}

/// A limit, as a number or as a time in milliseconds.
trait Limit {
    fn value(&self) -> String;
}

impl Limit for usize {
    fn value(&self) -> String {
        self.to_string()
    }
}

impl Limit for u64 {
    fn value(&self) -> String {
        self.to_string()
    }
}

impl Limit for RangeInclusive<usize> {
    fn value(&self) -> String {
        self.end().value()
    }
}

/// The one limit of this type is the logarithm of a size.
impl Limit for u32 {
    fn value(&self) -> String {
        (1_usize << self).value()
    }
}

impl Limit for Duration {
    fn value(&self) -> String {
        format!("{} ms", self.as_millis())
    }
}

/// The limits in a text of the documentation.
fn values(text: &str) -> Vec<String> {
    let words = text.split([' ', ';', '(', ')']).map(|word| word.trim_end_matches([',', '.', ':']));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).chain([""]).collect();
    let value = |pair: &[&str]| {
        let number: usize = pair[0].replace(',', "").parse().ok()?;
        Some(match pair[1] {
            "KiB" => (number << 10).value(),
            "MiB" => (number << 20).value(),
            "GiB" => (number << 30).value(),
            "%" => return None,
            "ms" => Duration::from_millis(number as u64).value(),
            "s" => Duration::from_secs(number as u64).value(),
            _ => number.value(),
        })
    };
    words.windows(2).filter_map(value).collect()
}

/// The limits of one row: the flag, and the constants in the order of their values.
struct Row {
    flag: &'static str,
    names: &'static [&'static str],
    values: Vec<String>,
}

macro_rules! rows {
    ($($flag:literal: $($name:ident),*;)*) => {
        [$(Row { flag: $flag, names: &[$(stringify!($name)),*], values: vec![$(limits::$name.value()),*] }),*]
    };
}

/// The rows of the limits table, in any order.
fn documented_limits() -> impl IntoIterator<Item = Row> {
    rows! {
        "--max-connections": CONNECTIONS_DEFAULT;
        "": HEAD_BYTES_MAX, HEADERS_MAX;
        "": TARGET_BYTES_MAX;
        "": HEAD_TIMEOUT;
        "--idle-timeout": IDLE_TIMEOUT;
        "": TRANSFER_BYTES_PER_SEC_MIN, TRANSFER_TIMEOUT;
        "": ; // the transfer rate of a response, which is that of a body
        "--max-body-bytes": BODY_BYTES_DEFAULT;
        "--max-batch-events": BATCH_EVENTS_DEFAULT;
        "": GZIP_MEMBERS_MAX, ZSTD_WINDOW_LOG_MAX;
        "": JSON_DEPTH_MAX;
        "": ID_BYTES, ATTRIBUTE_VALUE_BYTES;
        "": REFERENCE_USERS_MAX, ATTRIBUTE_VALUES_MAX, GROUPS_MAX;
        "--max-memory": BODIES_BYTES_DEFAULT;
        "--max-memory": RESPONSE_BYTES_FREE;
        "": CONCURRENT_QUERIES, CONCURRENT_REFERENCE_CHANGES;
        "": CONCURRENT_SCANS, SCANS_QUEUED_PER_PERMIT;
        "": SERIES_COUNTERS_MAX, SERIES_BYTES_MAX;
        "--max-streams": STREAMS_DEFAULT, STREAM_QUERIES_MAX;
        "": ; // the part of the queue that one client may hold
        "--max-memory": ENCODER_BYTES;
        "": ALLOWED_MAX;
        "": REJECTS_KEPT, REJECTS_OF_BATCH_MAX;
        "": BATCHES_QUEUED_PER_PERMIT, QUEUED_PER_PERMIT, QUERIES_QUEUED_PER_PERMIT;
        "": QUEUE_TIMEOUT;
        "": QUEUE_DELAY_MAX;
        "": BACKLOG_EVENTS_DEFAULT;
        "--dedup-capacity": ; // the ids in the dedup tables, which have no limit by default
        "--max-memory": ; // the memory of the engine, which has no limit by default
        "--journal-max": JOURNAL_BYTES_DEFAULT;
        "": LOG_ANSWER_TIMEOUT;
        "": TOKENS_MAX, TOKEN_BYTES;
        "": DRAIN_TIMEOUT, SHUTDOWN_TIMEOUT;
    }
}

/// The first words of the limits of commands other than serve, which are not in the table.
const COMMANDS: [&str; 6] = ["LOAD_", "CLIENT_", "SEND_", "SIGNAL_", "TOP_", "DEMO_"];

/// The allowed values of settings, which are in the help and not in the table.
const SETTINGS: &str = "\
    BATCH_EVENTS BODY_BYTES RETENTION_SECS SKEW_SECS PARTITIONS FOLD_THREADS EVENT_TYPES ATTRIBUTES NAME_BYTES \
    DEDUP_CAPACITY WORKERS IDLE_TIMEOUT_SECS CONNECTIONS STREAMS JOURNAL_BYTES \
    CLUSTER_BYTES CLUSTER_BYTES_DEFAULT";

/// Limits of the implementation, which are not in the table.
const DETAILS: &str = "\
    STALL_SLACK_SECS TAPE_NODES_KEPT_MAX TEXT_BYTES_KEPT_MAX BATCH_ROWS_KEPT_MAX RECORD_BYTES_MAX \
    RETIRED_LIST_BYTES_MAX RETIRED_BAG_BYTES SPARSE_COUNTER_BYTES_MAX \
    UNFOLDED_EVENT_BYTES_MAX REFERENCE_BYTES_PER_BODY_BYTE REFERENCE_COPIES_MAX PREPARED_USER_BYTES_MAX \
    WRITER_FOLD_PART FOLD_SLICE CONNECTION_BUFFER_BYTES_MAX LINGER_TIMEOUT FILES_BESIDE_CONNECTIONS \
    UNREAD_BODY_TIMEOUT MEMORY_SLACK_BYTES_MIN FREED_MEMORY_KEPT RSS_POLL_PERIOD BODY_RESERVED_TIMES \
    INLINE_BODY_BYTES INLINE_USUAL_BODY_BYTES INLINE_EVENTS ROUTES_MAX VALUES_EXPOSED_MAX STREAM_PERIOD \
    REJECTS_SHOWN_DEFAULT QUEUE_PROBE_PERIOD LATE_PROBES ADAPTIVE_LIMIT_MIN TOKEN_FILE_BYTES_MAX ACCEPT_PAUSE \
    ACCEPT_WARNING_PERIOD REQUEST_LINE_BYTES_MAX UNCOMPRESSED_BYTES_MAX COMPRESSED_PIECE_BYTES PEER_PARTS \
    PEER_POLL_PERIOD PREFLIGHT_MAX_AGE HOST_CHARS_SHOWN WINDOW_SECS_DEFAULT POINTER_NAME_BYTES_MAX \
    PARTITIONS_DEFAULT_MAX DEDUP_IDS_PER_16_LINES DEDUP_LEAD_MS DEDUP_LEAD_MS_PER_MIB DEDUP_LEAD_TIMES_MAX \
    DEDUP_DOUBLED_TABLES_MAX DEDUP_OVERFLOW_ID_BYTES DEDUP_OVERFLOW_LINES_FILLED DEDUP_OVERFLOW_LINES_MIN \
    DEDUP_OVERFLOW_PART DEDUP_PIN_STRIPES DEDUP_RETIRED_PHASES_MAX DEDUP_SMALL_TABLE_BYTES_MAX DEDUP_TABLES_MAX \
    DEDUP_TABLE_BYTES_MIN DEDUP_WIPE_LINES LOG_CHANGE_BYTES_PER_SEC LOG_STOP_TIMEOUT LOG_POLL_PERIOD \
    QUIET_OPENING_TIMEOUT REPLAY_REPORT_PERIOD CLOCK_JUMP_MS_MAX LOG_TIME_AGE_MAX CLUSTER_OPEN_TIMEOUT \
    CLUSTER_OPEN_PERIOD SECRET_FILE_BYTES_MAX UNESCAPED_ID_BYTES_MAX UNPACED_BODY_BYTES";

#[test]
fn the_limits_of_the_documentation_are_those_of_the_code() {
    let definition = args::definition();
    let serve = definition.find_subcommand("serve").unwrap();
    let mut rows = table("docs/operations.md", "`--max-connections`");
    let mut names = BTreeSet::new();
    for Row { flag, names: of_row, values: expected } in documented_limits() {
        names.extend(of_row);
        let is_same = |row: &Vec<String>| {
            code(&row[2]).join(" ") == flag && values(&format!("{} {}", row[0], row[1])) == expected
        };
        let at = rows.iter().position(is_same);
        rows.remove(at.unwrap_or_else(|| panic!("no row for {of_row:?} with {expected:?} and {flag:?}: {rows:#?}")));
        let is_known = flag.is_empty() || serve.get_arguments().any(|argument| argument.get_long() == flag.get(2..));
        assert!(is_known, "there is no flag {flag}");
    }
    assert!(rows.is_empty(), "rows without a limit in this test: {rows:#?}");

    let code: String = LIMITS.iter().map(|path| fs::read_to_string(repository(path)).unwrap()).collect();
    let constants = code.lines().filter_map(|line| {
        let constant = line.strip_prefix("pub const ").or_else(|| line.strip_prefix("pub(crate) const "))?;
        constant.split(':').next()
    });
    let constants: BTreeSet<_> =
        constants.filter(|name| !COMMANDS.iter().any(|command| name.starts_with(command))).collect();
    names.extend(SETTINGS.split_whitespace().chain(DETAILS.split_whitespace()));
    assert_eq!(constants, names, "each limit is in the table or in a list of this test");
}
