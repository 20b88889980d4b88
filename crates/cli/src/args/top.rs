//! The arguments of `weir top`.

use crate::args::client::ClientArgs;
use crate::top::TopOptions;
use clap::Args;
use weir_api::Role;

/// The end of the help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir top
  weir top --window 60 --type purchase --where plan=pro --where region=eu
  weir top --once > metrics.txt

q, Esc or Ctrl-C quits. Filters with the same name are an OR; filters with different names are an AND. If the server \
does not respond, weir top shows the last metrics and retries.

Environment:
  WEIR_URL         the URL of the server
  WEIR_READ_TOKEN  the token, if the server needs one

Exit codes:
  0  the user quit, or the metrics were printed once
  1  the server rejected the request, or, with --once, did not respond";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    client: ClientArgs,

    /// The length of the window, in seconds [default: the default of the server, 300].
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    #[arg(allow_negative_numbers = true)]
    window: Option<u32>,

    /// Show only events of this type; repeat it for more types.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Show only events of users with this value of an attribute; repeat it for more filters.
    #[arg(long = "where", value_name = "ATTRIBUTE=VALUE", value_parser = condition)]
    conditions: Vec<(String, String)>,

    /// Print the metrics once, as plain text. This is the default if standard output is not a terminal.
    #[arg(long)]
    once: bool,
}

impl TopArgs {
    /// What to show. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line that names the invalid variable or file.
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<TopOptions, String> {
        let types = self.types.into_iter().map(|value| ("type".to_owned(), value));
        Ok(TopOptions {
            client: self.client.validate(Role::Read, variable)?,
            window_secs: self.window,
            filters: types.chain(self.conditions).collect(),
            once: self.once,
        })
    }
}

fn condition(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| weir::limits::NAME_BYTES.contains(&name.len()));
    let (name, value) = parts.ok_or_else(|| "must be ATTRIBUTE=VALUE, such as plan=pro".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::environment::variable;
    use crate::args::testing::{assert_is_one_line, parse};

    fn top(args: &[&str]) -> Result<TopOptions, String> {
        parse::<TopArgs>(args)?.validate(variable)
    }

    #[test]
    fn filters_are_collected() {
        let options = top(&[]).unwrap();
        assert_eq!((options.window_secs, options.filters.len(), options.once), (None, 0, false));
        let args = "--window 60 --type click --where plan=a=b --type view --where region= --once";
        let options = top(&args.split(' ').collect::<Vec<_>>()).unwrap();
        let filters = [("type", "click"), ("type", "view"), ("plan", "a=b"), ("region", "")];
        assert_eq!(options.filters, filters.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((options.window_secs, options.once), (Some(60), true));
    }

    #[test]
    fn an_error_is_one_line_that_names_the_option() {
        for (args, named) in [
            (&["--window", "0"][..], "--window"),
            (&["--window", "-1"], "--window"),
            (&["--where", "plan"], "must be ATTRIBUTE=VALUE"),
            (&["--where", "=pro"], "must be ATTRIBUTE=VALUE"),
        ] {
            assert_is_one_line(&top(args).unwrap_err(), named);
        }
    }
}
