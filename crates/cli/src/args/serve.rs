//! The arguments of `weir serve`, as typed.

#[cfg(feature = "cluster")]
use crate::args::serve_cluster::ClusterArgs;
use crate::args::serve_journal::JournalArgs;
use crate::args::values::size_bytes;
use crate::telemetry::LogFormat;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use weir::{EngineConfig, Horizon};
use weir_server::limits;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir
  weir serve --journal /var/lib/weir/journal --journal-max 64GiB
  weir serve --cluster nats://n1:4222,n2:4222,n3:4222 --cluster-secret-file secret --cluster-init
  weir serve --listen 0.0.0.0:3443 --tls-cert cert.pem --tls-key key.pem --max-memory 4GiB
  WEIR_INGEST_TOKEN=$(openssl rand -base64 32) weir --retention 3600

Environment:
Each option of serve can also be set by the environment variable in its description. The command line takes \
precedence. WEIR_LOG sets the log level: error, warn, info (the default), debug or trace. WEIR_INGEST_TOKEN, \
WEIR_ADMIN_TOKEN and WEIR_READ_TOKEN hold the tokens of a role, separated by commas. They are not options, because \
every user of a machine can read the options of a process.

Signals:
SIGTERM or SIGINT stops the server: it answers the requests in flight and exits with code 0. A second signal ends the \
process at once. SIGHUP reloads the token files and the TLS certificate.

Exit codes:
  0  the server was stopped by SIGTERM or SIGINT, and the requests in flight were answered
  1  the server could not start, or failed; the line on stderr says why
130, 143  a second SIGINT or SIGTERM ended the process at once";

/// The dedup backend.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Dedup {
    Lines,
    Scc,
}

/// How fresh the answers to reads are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Reads {
    Quorum,
    Local,
}

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The address to listen on [default: 127.0.0.1:3000, or 127.0.0.1:$PORT if PORT is set].
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR:PORT")]
    pub(super) listen: Option<String>,

    /// The longest window of a query, in seconds (1 to 86400).
    #[arg(long, env = "WEIR_RETENTION", value_name = "SECS", default_value_t = EngineConfig::default().retention_secs)]
    #[arg(allow_negative_numbers = true)]
    pub(super) retention: u32,

    /// The largest difference between the ts of an event and the server's clock, in both directions, in seconds
    /// (0 to 86400).
    #[arg(long, env = "WEIR_MAX_SKEW", value_name = "SECS", default_value_t = EngineConfig::default().max_skew_secs)]
    #[arg(allow_negative_numbers = true)]
    pub(super) max_skew: u32,

    /// How long an accepted event_id is remembered, in seconds or "unbounded" [default and minimum: retention + 2 x
    /// max-skew].
    #[arg(long, env = "WEIR_DEDUP_HORIZON", value_name = "SECS|unbounded", value_parser = horizon)]
    #[arg(allow_negative_numbers = true)]
    pub(super) dedup_horizon: Option<Horizon>,

    /// Where event_ids are remembered. "lines" is faster and takes less memory, and may remember an id for up to two
    /// horizons and two minutes. "scc" remembers an id for exactly the horizon.
    #[arg(long, env = "WEIR_DEDUP", value_name = "BACKEND", value_enum, default_value_t = Dedup::Lines)]
    pub(super) dedup: Dedup,

    /// Remember event_ids in a table of a fixed size, for this many ids per horizon, at about 40 bytes per id. Events
    /// beyond the capacity are rejected as overloaded [default: tables that grow and shrink with the ids].
    #[arg(long, env = "WEIR_DEDUP_CAPACITY", value_name = "IDS")]
    #[arg(allow_negative_numbers = true)]
    pub(super) dedup_capacity: Option<usize>,

    /// The attributes of users that metrics are broken down by, in the order of the responses: 1 to 8 names, separated
    /// by commas [default: plan,region].
    #[arg(long, env = "WEIR_ATTRIBUTES", value_name = "NAME,…", value_delimiter = ',')]
    #[arg(default_values_t = EngineConfig::default().attributes, hide_default_value = true)]
    pub(super) attributes: Vec<String>,

    /// The types of events: 1 to 64 names, separated by commas [default: click,view,purchase].
    #[arg(long, env = "WEIR_EVENT_TYPES", value_name = "NAME,…", value_delimiter = ',')]
    #[arg(default_values_t = EngineConfig::default().event_types, hide_default_value = true)]
    pub(super) event_types: Vec<String>,

    /// The largest request body, as sent and after decompression: bytes, or with a suffix KiB, MiB or GiB (up to 1GiB).
    #[arg(long, env = "WEIR_MAX_BODY_BYTES", value_name = "SIZE", default_value = "16MiB", value_parser = size_bytes)]
    #[arg(allow_negative_numbers = true)]
    pub(super) max_body_bytes: usize,

    /// The maximum number of events in one request (1 to 10000000).
    #[arg(long, env = "WEIR_MAX_BATCH_EVENTS", value_name = "N")]
    #[arg(default_value_t = EngineConfig::default().max_batch_events, allow_negative_numbers = true)]
    pub(super) max_batch_events: usize,

    /// The memory limit of the process: bytes, or with a suffix KiB, MiB or GiB. Events that do not fit get a 503 until
    /// older events have expired [default: no limit].
    #[arg(long, env = "WEIR_MAX_MEMORY", value_name = "SIZE", value_parser = size_bytes, allow_negative_numbers = true)]
    pub(super) max_memory: Option<usize>,

    #[command(flatten)]
    pub(super) journal: JournalArgs,

    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,

    /// How fresh the answers to reads are that do not say it. It makes a difference only in a cluster. "quorum": a read
    /// sees all that any node has acknowledged before. "local": a read is answered from the node's own state, also
    /// without a quorum, and says how far that may be behind.
    #[arg(long, env = "WEIR_READS", value_name = "CONSISTENCY", value_enum, default_value_t = Reads::Quorum)]
    pub(super) reads: Reads,

    /// The maximum number of connections; further connections get a 503 (1 to 1000000).
    #[arg(long, env = "WEIR_MAX_CONNECTIONS", value_name = "N", default_value_t = limits::CONNECTIONS_DEFAULT)]
    #[arg(allow_negative_numbers = true)]
    pub(super) max_connections: usize,

    /// The maximum number of live streams; further streams get a 503 (0 to 100000).
    #[arg(long, env = "WEIR_MAX_STREAMS", value_name = "N", default_value_t = limits::STREAMS_DEFAULT)]
    #[arg(allow_negative_numbers = true)]
    pub(super) max_streams: usize,

    /// The keep-alive idle timeout of a connection, in seconds (1 to 86400).
    #[arg(long, env = "WEIR_IDLE_TIMEOUT", value_name = "SECS", default_value_t = limits::IDLE_TIMEOUT.as_secs())]
    #[arg(allow_negative_numbers = true)]
    pub(super) idle_timeout: u64,

    /// A file of tokens that may post events, one per line. Without a token here or in WEIR_INGEST_TOKEN, every client
    /// may post events.
    #[arg(long, env = "WEIR_INGEST_TOKEN_FILE", value_name = "FILE")]
    pub(super) ingest_token_file: Option<PathBuf>,

    /// A file of tokens that may change the reference table.
    #[arg(long, env = "WEIR_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(super) admin_token_file: Option<PathBuf>,

    /// A file of tokens that may read metrics and the reference table.
    #[arg(long, env = "WEIR_READ_TOKEN_FILE", value_name = "FILE")]
    pub(super) read_token_file: Option<PathBuf>,

    /// Serve HTTPS, with the certificate chain in this PEM file.
    #[arg(long, env = "WEIR_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The PEM file with the private key of the certificate.
    #[arg(long, env = "WEIR_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Further host names that requests may have in their Host field, separated by commas, or "*" for all. Requests
    /// with a token need none. A server on a loopback address accepts loopback names; others accept all names until
    /// some are listed here.
    #[arg(long, env = "WEIR_ALLOWED_HOSTS", value_name = "HOST,…|*", value_delimiter = ',')]
    pub(super) allowed_hosts: Vec<String>,

    /// The origins whose web pages may post events and read metrics, separated by commas, or "*" for all [default:
    /// none].
    #[arg(long, env = "WEIR_CORS_ORIGINS", value_name = "ORIGIN,…|*", value_delimiter = ',')]
    pub(super) cors_origins: Vec<String>,

    /// The number of threads that serve connections [default: one per core].
    #[arg(long, env = "WEIR_WORKERS", value_name = "N", allow_negative_numbers = true)]
    pub(super) workers: Option<usize>,

    /// The number of partitions of the users, a power of two up to 256. They are folded in parallel [default: one per
    /// core, rounded up to a power of two, at most 16].
    #[arg(long, env = "WEIR_PARTITIONS", value_name = "N", allow_negative_numbers = true)]
    pub(super) partitions: Option<usize>,

    /// The number of threads that fold the partitions [default: one per two cores, at most 16].
    #[arg(long, env = "WEIR_FOLD_THREADS", value_name = "N", allow_negative_numbers = true)]
    pub(super) fold_threads: Option<usize>,

    /// The format of the log lines on stderr.
    #[arg(long, env = "WEIR_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

/// A dedup horizon.
pub(super) fn horizon(text: &str) -> Result<Horizon, String> {
    if text.eq_ignore_ascii_case("unbounded") {
        return Ok(Horizon::Unbounded);
    }
    text.parse().map(Horizon::Secs).map_err(|_| "must be a whole number of seconds, or \"unbounded\"".to_owned())
}
