//! The arguments of `weir demo`.

use crate::args::serve::ServeArgs;
use crate::args::values::check_range;
use crate::client::Token;
use crate::demo::{DemoSettings, DemoTokens};
use crate::limits;
use clap::Args;
use weir_api::Role;
use weir_server::TokenSources;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir demo
  weir demo --rate 3000 --attributes tier,country --event-types play,pause,skip
  weir demo --journal demo-journal

The traffic is sent over HTTP. Its rate is a slow wave with some noise, and its users follow a Zipf distribution. Some \
events are repeated, late, malformed or from unknown users. Every 30 s a new reference table is uploaded, in which \
some users have changed their plan. All data is generated. It is lost when the process ends, unless --journal \
names a directory for it. All options of serve are available, with their variables.

Exit codes:
  0  the demo was stopped by SIGTERM or SIGINT (Ctrl-C)
  1  the server could not start, or failed; the line on stderr says why";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Events per second, on average (1 to 100000).
    #[arg(long, value_name = "EVENTS_PER_SEC", default_value_t = 800, allow_negative_numbers = true)]
    rate: u32,

    /// Users in the reference table (1 to 100000).
    #[arg(long, value_name = "N", default_value_t = 2_000, allow_negative_numbers = true)]
    users: u32,

    #[command(flatten)]
    serve: ServeArgs,
}

impl DemoArgs {
    /// The settings of the demo. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid option or variable.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<DemoSettings, String> {
        check_range("rate", self.rate, &limits::DEMO_EVENTS_PER_SEC)?;
        check_range("users", self.users, &limits::DEMO_USERS)?;
        let mut serve = self.serve.validate(variable)?;
        let tokens = DemoTokens {
            ingest: own_token(&mut serve.server.tokens, Role::Ingest)?,
            admin: own_token(&mut serve.server.tokens, Role::Admin)?,
        };
        Ok(DemoSettings { serve, rate: self.rate, users: self.users, tokens })
    }
}

/// A token of the demo's own, if the role needs a token. The server keeps only digests of the configured tokens, so the
/// demo cannot use those.
fn own_token(tokens: &mut TokenSources, role: Role) -> Result<Option<Token>, String> {
    if tokens.is_open(role) {
        return Ok(None);
    }
    let random = || getrandom::u64().map_err(|error| error.to_string());
    let token = format!("demo-{:016x}{:016x}", random()?, random()?);
    tokens.add_list(role, &token)?;
    Token::first_of(&token).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};

    fn demo(args: &[&str]) -> Result<DemoSettings, String> {
        parse::<DemoArgs>(args)?.validate(variable)
    }

    #[test]
    fn the_options_of_serve_are_options_of_demo() {
        let settings = demo(&["--attributes", "tier", "--rate", "5", "--users", "6"]).unwrap();
        assert_eq!((settings.rate, settings.users), (5, 6));
        assert_eq!(settings.serve.server.engine.attributes, ["tier"]);
        assert_eq!(settings.serve.listen, "127.0.0.1:3000");
        assert_eq!(settings.tokens, DemoTokens::default());
    }

    #[test]
    fn a_role_with_a_token_gets_another_token_and_an_open_role_stays_open() {
        let mut tokens = TokenSources::default();
        tokens.add_list(Role::Ingest, "given").unwrap();
        let own = own_token(&mut tokens, Role::Ingest).unwrap();
        assert!(own.is_some() && own_token(&mut tokens, Role::Admin).unwrap().is_none());
        let held = tokens.read().unwrap();
        assert!(!held.is_open(Role::Ingest) && held.is_open(Role::Admin));
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&["--rate", "0"][..], "rate must be 1 to 100000, not 0"),
            (&["--users", "0"], "users must be 1 to 100000, not 0"),
            (&["--retention", "0"], "retention must be 1 to 86400, not 0"),
        ] {
            assert_is_one_line(&demo(args).unwrap_err(), named);
        }
    }
}
