//! The arguments of `weir demo`.

use crate::args::ServeArgs;
use crate::args::range::within;
use crate::client::Token;
use crate::demo::{DemoSettings, DemoTokens};
use crate::limits;
use clap::Args;
use weir_api::Role;
use weir_server::TokenSources;

/// What the help ends with.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir demo
  weir demo --rate 3000 --attributes tier,country --event-types play,pause,skip

The traffic comes over HTTP as anyone's would: a slow wave with some noise, users by Zipf's law, some events repeated, late, \
broken or of unknown users, and every 30 s a table in which some users have changed their plan. Everything is made up, and \
gone with the process. All options of serve are there, with their variables.

Exit codes:
  0  it was ended by SIGTERM or SIGINT (ctrl-c)
  1  there is nothing to serve with, or nowhere to";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Events a second, on average (1 to 100000).
    #[arg(long, value_name = "EVENTS_PER_SEC", default_value_t = 800, allow_negative_numbers = true)]
    rate: u32,

    /// Users in the reference table (1 to 100000).
    #[arg(long, value_name = "N", default_value_t = 2_000, allow_negative_numbers = true)]
    users: u32,

    #[command(flatten)]
    serve: ServeArgs,
}

impl DemoArgs {
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<DemoSettings, String> {
        within("rate", self.rate, &limits::DEMO_EVENTS_PER_SEC)?;
        within("users", self.users, &limits::DEMO_USERS)?;
        let mut serve = self.serve.validate(variable)?;
        let tokens = DemoTokens {
            ingest: own_token(&mut serve.server.tokens, Role::Ingest)?,
            admin: own_token(&mut serve.server.tokens, Role::Admin)?,
        };
        Ok(DemoSettings { serve, rate: self.rate, users: self.users, tokens })
    }
}

/// One more token of a role that asks for one: the server keeps digests only of those that it was given.
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
    use crate::args::Command;
    use crate::args::tests::{assert_is_one_line, parsed};

    fn demo(args: &[&str]) -> Result<DemoSettings, String> {
        match parsed(&[&["demo"], args].concat())? {
            Command::Demo(settings) => Ok(settings),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_takes_the_options_of_serve() {
        let settings = demo(&["--attributes", "tier", "--rate", "5", "--users", "6"]).unwrap();
        assert_eq!((settings.rate, settings.users), (5, 6));
        assert_eq!(settings.serve.server.engine.attributes, ["tier"]);
        assert_eq!(settings.serve.listen, "127.0.0.1:3000");
        assert_eq!(settings.tokens, DemoTokens::default());
    }

    #[test]
    fn a_role_with_a_token_gets_one_more_and_an_open_one_stays_open() {
        let mut tokens = TokenSources::default();
        tokens.add_list(Role::Ingest, "given").unwrap();
        let own = own_token(&mut tokens, Role::Ingest).unwrap();
        assert!(own.is_some() && own_token(&mut tokens, Role::Admin).unwrap().is_none());
        let held = tokens.read().unwrap();
        assert!(!held.is_open(Role::Ingest) && held.is_open(Role::Admin));
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_it() {
        for (args, named) in [
            (&["--rate", "0"][..], "rate must be 1 to 100000, not 0"),
            (&["--users", "0"], "users must be 1 to 100000, not 0"),
            (&["--retention", "0"], "retention must be 1 to 86400, not 0"),
        ] {
            assert_is_one_line(&demo(args).unwrap_err(), named);
        }
    }
}
