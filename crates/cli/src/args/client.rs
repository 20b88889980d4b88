//! The arguments of every command that connects to a running server.

use crate::client::{BaseUrl, ClientConfig, Token, Trust};
use clap::Args;
use std::path::PathBuf;
use weir_api::Role;
use weir_server::TokenSources;

/// Which server to connect to, as typed.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// The URL of the server: http://HOST[:PORT][/PREFIX] or https://….
    #[arg(long, env = "WEIR_URL", value_name = "URL", default_value = "http://127.0.0.1:3000")]
    url: BaseUrl,

    #[command(flatten)]
    trust: TrustArgs,
}

/// Which certificates a client trusts, as typed.
#[derive(Debug, Args)]
struct TrustArgs {
    /// For https: trust the CA certificates in this PEM file instead of the system CA store.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl TrustArgs {
    fn trust(&self) -> Trust {
        self.ca.clone().map_or(Trust::System, Trust::File)
    }
}

impl ServerArgs {
    /// The configuration of a client that sends this token.
    pub(super) fn client(self, role: Role, token: Option<Token>) -> ClientConfig {
        ClientConfig { trust: self.trust.trust(), url: self.url, role, token }
    }
}

/// How a client proves who it is, as typed.
#[derive(Debug, Args)]
struct TokenArgs {
    /// A file with the token for the server, instead of the variable below.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    fn token(
        &self,
        role: Role,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Option<Token>, String> {
        let Some(path) = &self.token_file else { return token_of(role, variable) };
        let token = TokenSources::first_of_file(path)?;
        Ok(Some(Token::first_of(&token).map_err(|error| format!("{}: {error}", path.display()))?))
    }
}

/// The arguments as typed.
#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    #[command(flatten)]
    server: ServerArgs,

    #[command(flatten)]
    token: TokenArgs,
}

impl ClientArgs {
    /// The configuration of the client. `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// One line, if there is no valid token in the file or the variable.
    pub(super) fn validate(
        self,
        role: Role,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<ClientConfig, String> {
        let token = self.token.token(role, variable)?;
        Ok(self.server.client(role, token))
    }
}

/// The same for clients of several servers, as typed.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    token: TokenArgs,
}

impl AccessArgs {
    /// The configuration of a client for each URL.
    ///
    /// # Errors
    /// As [`ClientArgs::validate`].
    pub(super) fn clients(
        self,
        urls: Vec<BaseUrl>,
        role: Role,
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Vec<ClientConfig>, String> {
        let (token, trust) = (self.token.token(role, variable)?, self.trust.trust());
        let client = |url| ClientConfig { url, role, token: token.clone(), trust: trust.clone() };
        Ok(urls.into_iter().map(client).collect())
    }
}

/// The first token in the variable of the role.
fn token_of(role: Role, variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Option<Token>, String> {
    let name = role.token_variable();
    let token = variable(name)?.map(|list| Token::first_of(&list)).transpose();
    token.map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ClientArgs {
        let server = ServerArgs { url: "http://weir.example".parse().unwrap(), trust: TrustArgs { ca: None } };
        ClientArgs { server, token: TokenArgs { token_file: None } }
    }

    #[test]
    fn the_token_comes_from_the_file_or_from_the_variable_of_the_role() {
        let variable = |name: &str| Ok((name == "WEIR_ADMIN_TOKEN").then(|| "given, other".to_owned()));
        let token = |args: ClientArgs, role| args.validate(role, variable).map(|config| config.token);
        assert_eq!(token(args(), Role::Admin), Ok(Some(Token::first_of("given").unwrap())));
        assert_eq!(token(args(), Role::Read), Ok(None));

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "# rotated\nfiled\nold\n").unwrap();
        let file = || ClientArgs { token: TokenArgs { token_file: Some(path.clone()) }, ..args() };
        assert_eq!(token(file(), Role::Admin), Ok(Some(Token::first_of("filed").unwrap())));
        std::fs::write(&path, "two words\n").unwrap();
        assert!(token(file(), Role::Admin).unwrap_err().ends_with(": not a valid token"));
        std::fs::remove_file(&path).unwrap();
        assert!(token(file(), Role::Admin).is_err());
    }

    #[test]
    fn an_error_names_the_variable_without_a_valid_token() {
        let variable = |_: &str| Ok(Some(String::new()));
        assert_eq!(args().validate(Role::Ingest, variable).unwrap_err(), "WEIR_INGEST_TOKEN: not a valid token");
    }
}
