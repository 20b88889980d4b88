//! The arguments of `weir top`.

use crate::args::access::AccessArgs;
use crate::top::TopOptions;
use clap::Args;
use weir_api::Role;

/// What the help ends with.
pub(super) const AFTER_HELP: &str = "\
Examples:
  weir top
  weir top --window 60 --type purchase --where plan=pro --where region=eu
  weir top --once > figures.txt

q, Esc or ctrl-c ends it. A filter that is given twice is an or, different ones are an and. A server that is gone is \
waited for.

Environment:
  WEIR_URL         the server
  WEIR_READ_TOKEN  the token, where the server asks for one

Exit codes:
  0  somebody ended it, or the figures were printed once
  1  the server refuses to tell, or, with --once, cannot be asked";

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    access: AccessArgs,

    /// The last seconds that are summed [default: the server's, 300].
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    #[arg(allow_negative_numbers = true)]
    window: Option<u32>,

    /// Only events of this type; more than once for more types.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Only events of users with this value of an attribute; more than once for more.
    #[arg(long = "where", value_name = "ATTRIBUTE=VALUE", value_parser = condition)]
    conditions: Vec<(String, String)>,

    /// Print the figures once, as plain text; so does a standard output that is no terminal.
    #[arg(long)]
    once: bool,
}

impl TopArgs {
    pub(super) fn validate(
        self,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<TopOptions, String> {
        let types = self.types.into_iter().map(|value| ("type".to_owned(), value));
        Ok(TopOptions {
            client: self.access.validate(Role::Read, variable)?,
            window_secs: self.window,
            filters: types.chain(self.conditions).collect(),
            once: self.once,
        })
    }
}

fn condition(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| weir::limits::NAME_BYTES.contains(&name.len()));
    let (name, value) = parts.ok_or_else(|| "not like plan=pro".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;
    use crate::args::tests::{assert_is_one_line, parsed};

    fn top(args: &[&str]) -> Result<TopOptions, String> {
        match parsed(&[&["top"], args].concat())? {
            Command::Top(options) => Ok(options),
            other => panic!("{other:?}"),
        }
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
    fn a_bad_value_is_one_line_that_names_it() {
        for (args, named) in [
            (&["--window", "0"][..], "--window"),
            (&["--window", "-1"], "--window"),
            (&["--where", "plan"], "not like plan=pro"),
            (&["--where", "=pro"], "not like plan=pro"),
        ] {
            assert_is_one_line(&top(args).unwrap_err(), named);
        }
    }
}
