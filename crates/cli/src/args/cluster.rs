//! The arguments of `weir cluster`.

use crate::args::client::AccessArgs;
#[cfg(feature = "cluster")]
use crate::args::serve::ServeArgs;
use crate::client::BaseUrl;
use crate::cluster::StatusOptions;
use clap::{Args, Subcommand};
use weir_api::Role;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir cluster status --url http://n1:3000 --url http://n2:3000 --url http://n3:3000

Exit codes:
  0  the command succeeded
  1  a node does not take events, or something cannot be allowed; the line on stderr says why";

const STATUS_AFTER_HELP: &str = "\
Examples:
  weir cluster status --url http://n1:3000 --url http://n2:3000 --url http://n3:3000
  weir cluster status --url https://n1.example --ca ca.pem --json

A row for each node: its state, the place of the log up to which it has applied all entries, the age of the newest of \
them, how far the clock of the log is ahead of the clock of the node, the other nodes that it has heard, the \
generation of its reference table, and its version. A node that takes no events has a line below the table that says \
why.

Environment:
  WEIR_URL         the URLs of the nodes, separated by commas
  WEIR_READ_TOKEN  the token, if the nodes need one

Exit codes:
  0  each node takes events
  1  a node does not answer, or takes no events";

#[cfg(feature = "cluster")]
const ALLOW_EVENT_TYPES_AFTER_HELP: &str = "\
Examples:
  weir cluster allow-event-types --cluster nats://n1:4222,n2:4222,n3:4222 --cluster-secret-file secret --event-types \
click,view,purchase,refund

The options are those of weir serve on a node. New event types stand after the present ones. First restart all nodes \
with the new types; until they are allowed, events of these types are overloaded. A node without the new types would \
stop at the first such event.

Exit codes:
  0  the types are allowed; the nodes follow within 20 seconds
  1  the types do not begin with the present ones, or the NATS servers do not answer";

#[cfg(feature = "cluster")]
const ALLOW_FRAMES_AFTER_HELP: &str = "\
Examples:
  weir cluster allow-frames --cluster nats://n1:4222,n2:4222,n3:4222 --cluster-secret-file secret

The options are those of weir serve on a node. After an upgrade, the nodes go on writing frames that the version \
before reads. Run this when all nodes have the new version. Then no older node can be started.

Exit codes:
  0  the frames are allowed; the nodes follow within 20 seconds
  1  the NATS servers do not answer, or the settings do not fit the cluster";

/// The subcommands of `weir cluster`.
#[derive(Debug, Subcommand)]
pub(super) enum ClusterArgs {
    /// Show how far each node of a cluster is.
    #[command(after_help = STATUS_AFTER_HELP)]
    Status(StatusArgs),
    /// Let the nodes take the configured event types, once all nodes know them.
    #[cfg(feature = "cluster")]
    #[command(after_help = ALLOW_EVENT_TYPES_AFTER_HELP)]
    AllowEventTypes(ServeArgs),
    /// Let the nodes write the newest frames, once all nodes have this version.
    #[cfg(feature = "cluster")]
    #[command(after_help = ALLOW_FRAMES_AFTER_HELP)]
    AllowFrames(ServeArgs),
}

/// The arguments of `weir cluster status`, as typed.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The URL of a node; repeat it for each node.
    #[arg(long, env = "WEIR_URL", value_name = "URL", value_delimiter = ',', default_value = "http://127.0.0.1:3000")]
    url: Vec<BaseUrl>,

    #[command(flatten)]
    access: AccessArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// Which nodes to ask. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line, if there is no valid token in the file or the variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<StatusOptions, String> {
        let nodes = self.access.clients(self.url, Role::Read, variable)?;
        Ok(StatusOptions { nodes, json: self.json })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};

    fn urls(args: &[&str]) -> Result<Vec<String>, String> {
        let options = parse::<StatusArgs>(args)?.validate(variable)?;
        Ok(options.nodes.iter().map(|node| node.url.to_string()).collect())
    }

    #[test]
    fn each_node_has_a_url() {
        assert_eq!(urls(&[]).unwrap(), ["http://127.0.0.1:3000"]);
        let given = urls(&["--url", "http://a", "--url", "https://b/x,http://c"]).unwrap();
        assert_eq!(given, ["http://a", "https://b/x", "http://c"]);
        assert_is_one_line(&urls(&["--url", "ftp://a"]).unwrap_err(), "--url");
    }
}
