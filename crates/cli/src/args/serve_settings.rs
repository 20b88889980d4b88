//! The arguments of `weir serve`, validated.

use crate::args::memory::MemoryBudget;
use crate::args::option_name::option_name;
use crate::args::serve::{Dedup, Reads, ServeArgs};
use crate::args::values::check_range;
use crate::serve::ServeSettings;
use std::time::Duration;
use weir::{DedupBackend, EngineConfig};
use weir_api::{Consistency, Role};
use weir_server::{
    AllowedHosts, CorsOrigins, HttpConfig, LogSettings, Settings, Timeouts, TlsFiles, TokenSources, limits,
};

impl ServeArgs {
    /// The settings of the server. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid option or variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<ServeSettings, String> {
        let budget = self.max_memory.map(|bytes| MemoryBudget::new(bytes, self.max_body_bytes));
        let engine = self.engine(budget)?;
        let log = self.log(&engine)?;
        let workers = self.workers()?;
        let http = self.http(budget)?;
        let tokens = self.tokens(&variable)?;
        let tls = self.tls()?;
        Ok(ServeSettings {
            listen: listen_address(self.listen, variable("PORT")?.as_deref())?,
            server: Settings { engine, http, tls, tokens, log },
            workers,
            log_format: self.log_format,
        })
    }

    fn engine(&self, budget: Option<MemoryBudget>) -> Result<EngineConfig, String> {
        let mut engine = EngineConfig::default();
        engine.retention_secs = self.retention;
        engine.max_skew_secs = self.max_skew;
        engine.dedup_horizon = self.dedup_horizon;
        engine.dedup = match self.dedup {
            Dedup::Lines => DedupBackend::Lines,
            Dedup::Scc => DedupBackend::Scc,
        };
        engine.dedup_capacity = self.dedup_capacity;
        engine.attributes = self.attributes.clone();
        engine.event_types = self.event_types.clone();
        engine.max_batch_events = self.max_batch_events;
        engine.max_backlog_events = engine.max_backlog_events.max(self.max_batch_events.saturating_mul(2));
        engine.max_memory_bytes = budget.map(|budget| budget.engine_bytes);
        engine.partitions = self.partitions.unwrap_or(engine.partitions);
        engine.fold_threads = self.fold_threads.unwrap_or(engine.fold_threads);
        engine.validate().map_err(|error| {
            let line = error.display_as(&option_name(error.field()));
            match self.max_memory {
                Some(bytes) => {
                    format!("{line} (of {bytes} bytes; the rest is reserved for bodies and the process itself)")
                }
                None => line,
            }
        })?;
        Ok(engine)
    }

    fn log(&self, engine: &EngineConfig) -> Result<Option<LogSettings>, String> {
        let journal = self.journal.settings(engine)?.map(LogSettings::Journal);
        #[cfg(feature = "cluster")]
        let cluster = self.cluster.settings(engine)?.map(LogSettings::Cluster);
        #[cfg(not(feature = "cluster"))]
        let cluster = None;
        Ok(journal.or(cluster))
    }

    fn workers(&self) -> Result<usize, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = self.workers.unwrap_or(cores.min(*limits::WORKERS.end()));
        check_range("workers", workers, &limits::WORKERS)?;
        Ok(workers)
    }

    fn http(&self, budget: Option<MemoryBudget>) -> Result<HttpConfig, String> {
        check_range("max-body-bytes", self.max_body_bytes, &limits::BODY_BYTES)?;
        check_range("max-connections", self.max_connections, &limits::CONNECTIONS)?;
        check_range("max-streams", self.max_streams, &limits::STREAMS)?;
        check_range("idle-timeout", self.idle_timeout, &limits::IDLE_TIMEOUT_SECS)?;
        let without_budget = limits::BODIES_BYTES_DEFAULT.max(self.max_body_bytes.saturating_mul(2));
        Ok(HttpConfig {
            max_body_bytes: self.max_body_bytes,
            max_bodies_bytes: budget.map_or(without_budget, |budget| budget.bodies_bytes),
            max_connections: self.max_connections,
            max_streams: self.max_streams,
            allowed_hosts: AllowedHosts::parse(&self.allowed_hosts)
                .map_err(|error| format!("--allowed-hosts: {error}"))?,
            cors_origins: CorsOrigins::parse(&self.cors_origins).map_err(|error| format!("--cors-origins: {error}"))?,
            reads: match self.reads {
                Reads::Quorum => Consistency::Quorum,
                Reads::Local => Consistency::Local,
            },
            timeouts: Timeouts { idle: Duration::from_secs(self.idle_timeout), ..Timeouts::default() },
            ..HttpConfig::default()
        })
    }

    fn tokens(&self, variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<TokenSources, String> {
        let mut tokens = TokenSources::default();
        let files = [&self.ingest_token_file, &self.admin_token_file, &self.read_token_file];
        for (role, file) in Role::ALL.into_iter().zip(files) {
            let name = role.token_variable();
            if let Some(list) = variable(name)? {
                tokens.add_list(role, &list).map_err(|error| format!("{name}: {error}"))?;
            }
            file.iter().for_each(|file| tokens.add_file(role, file.clone()));
        }
        Ok(tokens)
    }

    fn tls(&self) -> Result<Option<TlsFiles>, String> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("--tls-cert and --tls-key must be set together".to_owned());
        }
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        Ok(files.map(|(certificates, key)| TlsFiles { certificates, key }))
    }
}

fn listen_address(listen: Option<String>, port: Option<&str>) -> Result<String, String> {
    match (listen, port) {
        (Some(listen), _) => Ok(listen),
        (None, None | Some("")) => Ok("127.0.0.1:3000".to_owned()),
        (None, Some(port)) => {
            let port: u16 = port.parse().map_err(|_| format!("PORT must be 0 to 65535, not {port:?}"))?;
            Ok(format!("127.0.0.1:{port}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};

    fn settings(args: &[&str]) -> Result<ServeSettings, String> {
        parse::<ServeArgs>(args)?.validate(variable)
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen, "127.0.0.1:3000");
        assert_eq!(settings.server.engine, EngineConfig::default());
        assert_eq!(settings.server.http, HttpConfig::default());
    }

    #[test]
    fn the_port_of_the_environment_is_used_without_a_listen_address() {
        assert_eq!(listen_address(None, Some("80")).unwrap(), "127.0.0.1:80");
        assert_eq!(listen_address(None, Some("")).unwrap(), "127.0.0.1:3000");
        assert_eq!(listen_address(Some("x:1".into()), Some("80")).unwrap(), "x:1");
        assert_eq!(listen_address(None, Some("http")).unwrap_err(), "PORT must be 0 to 65535, not \"http\"");
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&["--retention", "0"][..], "retention must be 1 to 86400, not 0"),
            (&["--retention", "-1"], "--retention"),
            (&["--retention", "abc"], "--retention"),
            (&["--retention"], "--retention"),
            (&["--dedup-horizon", "5"], "dedup-horizon must be at least"),
            (&["--dedup-horizon", "soon"], "--dedup-horizon"),
            (&["--dedup", "btree"], "'--dedup <BACKEND>' [possible values: lines, scc]"),
            (&["--dedup", "scc", "--dedup-capacity", "1"], "dedup-capacity needs the dedup backend"),
            (&["--attributes", "type"], "reserved"),
            (&["--event-types", ""], "event-types"),
            (&["--max-body-bytes", "0"], "max-body-bytes must be 1 to 1073741824, not 0"),
            (&["--max-body-bytes", "2GiB"], "max-body-bytes"),
            (&["--fold-threads", "0"], "fold-threads must be 1 to 256, not 0"),
            (&["--workers", "0"], "workers must be 1 to 512, not 0"),
            (&["--partitions", "3"], "power of two"),
            (&["--log-format", "xml"], "'--log-format <FORMAT>' [possible values: text, json]"),
            (&["--no-such-flag"], "--no-such-flag"),
            (&["--max-connections", "0"], "max-connections must be 1 to 1000000, not 0"),
            (&["--max-streams", "100001"], "max-streams must be 0 to 100000, not 100001"),
            (&["--idle-timeout", "0"], "idle-timeout must be 1 to 86400, not 0"),
            (&["--allowed-hosts", "weir.example/x"], "--allowed-hosts: \"weir.example/x\" is not a host"),
            (&["--cors-origins", "https://a,b"], "--cors-origins: \"b\" is not an origin"),
            (&["--journal-max", "1GiB"], "--journal <DIR>"),
            (&["--journal-must-exist"], "--journal <DIR>"),
            (&["--journal-clock-override"], "--journal <DIR>"),
            (&["--journal", "d", "--journal-max", "1MiB"], "journal-max must be 67108864 to"),
            (
                &["--journal", "d", "--dedup-horizon", "unbounded"],
                "--dedup-horizon unbounded cannot be used with --journal",
            ),
            (&["--tls-cert", "cert.pem"], "--tls-key"),
            (&["--tls-key", "key.pem"], "--tls-cert"),
        ] {
            assert_is_one_line(&settings(args).unwrap_err(), named);
        }
    }
}
