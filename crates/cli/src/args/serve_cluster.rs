//! The arguments of `weir serve` for a cluster.

use crate::args::values::{check_range, size_bytes};
use clap::Args;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;
use weir::EngineConfig;
use weir_server::{ClusterLogin, ClusterSettings, ClusterUrl, limits};

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// Be a node of a cluster, whose log is on these NATS servers with JetStream: nats://HOST:PORT,…[/STREAM], or
    /// tls:// for connections with TLS. Then accepted events and the reference table survive the loss of a server and
    /// of all nodes, and every node gives the same answers [default: no cluster; default stream: WEIR].
    #[arg(
        long,
        env = "WEIR_CLUSTER",
        value_name = "URL",
        conflicts_with = "journal",
        requires = "cluster_secret_file"
    )]
    cluster: Option<ClusterUrl>,

    /// A file with the secret of the cluster: 64 hexadecimal digits, the same on all nodes. Make it once with: openssl
    /// rand -hex 32.
    #[arg(long, env = "WEIR_CLUSTER_SECRET_FILE", value_name = "FILE", requires = "cluster")]
    cluster_secret_file: Option<PathBuf>,

    /// Create the streams of the cluster if they are missing. Without it, a missing stream ends the start: a wrong
    /// account looks like an empty cluster.
    #[arg(long, env = "WEIR_CLUSTER_INIT", requires = "cluster", value_parser = BoolishValueParser::new())]
    cluster_init: bool,

    /// The size limit of a new stream of events: bytes, or with a suffix KiB, MiB or GiB (64MiB to 16384GiB). New
    /// events get a 503 at 90 % of it until older events have expired.
    #[arg(long, env = "WEIR_CLUSTER_MAX", value_name = "SIZE", default_value = "16GiB", value_parser = size_bytes)]
    #[arg(allow_negative_numbers = true, requires = "cluster")]
    cluster_max: usize,

    /// The name of this node, for people [default: the name of the machine].
    #[arg(long, env = "WEIR_CLUSTER_NODE", value_name = "NAME", requires = "cluster")]
    cluster_node: Option<String>,

    /// The name for the NATS servers, with --cluster-password-file.
    #[arg(long, env = "WEIR_CLUSTER_USER", value_name = "NAME", requires_all = ["cluster", "cluster_password_file"])]
    cluster_user: Option<String>,

    /// A file with the password for the NATS servers.
    #[arg(long, env = "WEIR_CLUSTER_PASSWORD_FILE", value_name = "FILE", requires = "cluster_user")]
    cluster_password_file: Option<PathBuf>,

    /// A file with a token for the NATS servers.
    #[arg(long, env = "WEIR_CLUSTER_TOKEN_FILE", value_name = "FILE", requires = "cluster")]
    #[arg(conflicts_with = "cluster_user")]
    cluster_token_file: Option<PathBuf>,

    /// A file with a JWT and the seed of a key for the NATS servers, as nsc writes it.
    #[arg(long, env = "WEIR_CLUSTER_CREDENTIALS_FILE", value_name = "FILE", requires = "cluster")]
    #[arg(conflicts_with_all = ["cluster_user", "cluster_token_file"])]
    cluster_credentials_file: Option<PathBuf>,

    /// For tls://: trust the CA certificates in this PEM file instead of the system CA store.
    #[arg(long, env = "WEIR_CLUSTER_CA", value_name = "FILE", requires = "cluster")]
    cluster_ca: Option<PathBuf>,

    /// The monitoring ports of the NATS servers, http://HOST:PORT, separated by commas. The start is refused if a
    /// server says there that it does not sync each entry before it answers [default: none, and a warning].
    #[arg(long, env = "WEIR_CLUSTER_MONITOR", value_name = "URL,…", value_delimiter = ',', requires = "cluster")]
    cluster_monitor: Vec<String>,

    /// For development: streams with one copy are good enough. A single NATS server can lose what was acknowledged.
    #[arg(long, env = "WEIR_CLUSTER_UNSAFE_R1", requires = "cluster", value_parser = BoolishValueParser::new())]
    cluster_unsafe_r1: bool,
}

impl ClusterArgs {
    /// The settings of the cluster, if there is one, beside an engine with these settings.
    ///
    /// # Errors
    /// One line that names the invalid option.
    pub(super) fn settings(&self, engine: &EngineConfig) -> Result<Option<ClusterSettings>, String> {
        let Some((url, secret_file)) = self.cluster.clone().zip(self.cluster_secret_file.clone()) else {
            return Ok(None);
        };
        if engine.horizon_secs().is_none() {
            let line = "--dedup-horizon unbounded cannot be used with --cluster: the log would grow for ever; set a \
                        horizon in seconds";
            return Err(line.to_owned());
        }
        let max_bytes = self.cluster_max as u64;
        check_range("cluster-max", max_bytes, &limits::CLUSTER_BYTES)?;
        Ok(Some(ClusterSettings {
            url,
            node: self.cluster_node.clone(),
            may_create: self.cluster_init,
            may_have_one_replica: self.cluster_unsafe_r1,
            max_bytes,
            secret_file,
            monitors: self.cluster_monitor.clone(),
            login: self.login(),
            ca_file: self.cluster_ca.clone(),
        }))
    }

    fn login(&self) -> ClusterLogin {
        let Self { cluster_user, cluster_password_file, cluster_token_file, cluster_credentials_file, .. } = self;
        match (cluster_user.clone().zip(cluster_password_file.clone()), cluster_token_file, cluster_credentials_file) {
            (Some((user, file)), ..) => ClusterLogin::Password { user, file },
            (_, Some(file), _) => ClusterLogin::TokenFile(file.clone()),
            (.., Some(file)) => ClusterLogin::CredentialsFile(file.clone()),
            _ => ClusterLogin::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::serve::ServeArgs;
    use crate::args::testing::{assert_is_one_line, parse};
    use weir_server::LogSettings;

    const BASE: [&str; 4] = ["--cluster", "nats://a:1,b:2/orders", "--cluster-secret-file", "s"];

    fn log(args: &[&str]) -> Result<Option<LogSettings>, String> {
        Ok(parse::<ServeArgs>(args)?.validate(variable)?.server.log)
    }

    fn cluster(args: &[&str]) -> Result<ClusterSettings, String> {
        match log(&[&BASE, args].concat())? {
            Some(LogSettings::Cluster(settings)) => Ok(settings),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cluster_has_the_settings_that_are_given() {
        let default = ClusterSettings {
            url: "nats://a:1,b:2/orders".parse().unwrap(),
            node: None,
            may_create: false,
            may_have_one_replica: false,
            max_bytes: limits::CLUSTER_BYTES_DEFAULT,
            secret_file: "s".into(),
            monitors: vec![],
            login: ClusterLogin::None,
            ca_file: None,
        };
        assert_eq!(cluster(&[]), Ok(default.clone()));
        let args = ["--cluster-init", "--cluster-unsafe-r1", "--cluster-max", "64MiB", "--cluster-node", "n1"];
        let more = ["--cluster-ca", "ca.pem", "--cluster-monitor", "http://a:8222,http://b:8222"];
        let given = cluster(&[&args[..], &more].concat()).unwrap();
        let expected = ClusterSettings {
            node: Some("n1".to_owned()),
            may_create: true,
            may_have_one_replica: true,
            max_bytes: 64 << 20,
            monitors: vec!["http://a:8222".to_owned(), "http://b:8222".to_owned()],
            ca_file: Some("ca.pem".into()),
            ..default
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn a_node_has_one_login() {
        let login = |args: &[&str]| cluster(args).unwrap().login;
        let password = ClusterLogin::Password { user: "u".to_owned(), file: "p".into() };
        assert_eq!(login(&["--cluster-user", "u", "--cluster-password-file", "p"]), password);
        assert_eq!(login(&["--cluster-token-file", "t"]), ClusterLogin::TokenFile("t".into()));
        assert_eq!(login(&["--cluster-credentials-file", "c"]), ClusterLogin::CredentialsFile("c".into()));
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&["--cluster", "nats://a"][..], "--cluster-secret-file <FILE>"),
            (&["--cluster", "http://a", "--cluster-secret-file", "s"], "unknown scheme"),
            (&["--cluster-init"], "--cluster <URL>"),
            (&["--cluster-max", "1GiB"], "--cluster <URL>"),
        ] {
            assert_is_one_line(&log(args).unwrap_err(), named);
        }
        for (args, named) in [
            (&["--journal", "d"][..], "cannot be used with '--journal <DIR>'"),
            (&["--cluster-max", "1MiB"], "cluster-max must be 67108864 to"),
            (&["--dedup-horizon", "unbounded"], "--dedup-horizon unbounded cannot be used with --cluster"),
            (&["--cluster-user", "u"], "--cluster-password-file <FILE>"),
            (&["--cluster-password-file", "p"], "--cluster-user <NAME>"),
            (&["--cluster-token-file", "t", "--cluster-credentials-file", "c"], "cannot be used with"),
            (&["--reads", "fast"], "'--reads <CONSISTENCY>' [possible values: quorum, local]"),
        ] {
            assert_is_one_line(&cluster(args).unwrap_err(), named);
        }
    }
}
