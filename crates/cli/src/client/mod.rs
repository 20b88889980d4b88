//! What the commands share that speak to a running server: where it is, who asks, and what it says. Blocking calls on
//! connections that are kept alive (ureq, with rustls); no proxy is asked, and no redirect followed.

mod base_url;
mod failure;
mod printable;
pub(crate) mod reference;
pub(crate) mod send;
mod source;
mod token;
mod trust;

pub(crate) use base_url::BaseUrl;
pub(crate) use failure::{Failure, Refusal};
pub(crate) use printable::Printable;
pub(crate) use source::Source;
pub(crate) use token::Token;
pub(crate) use trust::Trust;

use crate::limits;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request, Response};
use weir_api::Role;

/// Which server to speak to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The server.
    pub url: BaseUrl,
    /// What the requests take.
    pub role: Role,
    /// The token to show.
    pub token: Option<Token>,
    /// Whose certificates are believed.
    pub trust: Trust,
}

/// A client of one server.
pub(crate) struct Client {
    agent: Agent,
    url: BaseUrl,
    role: Role,
    authorization: Option<String>,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// One line, when the certificates to trust cannot be read.
    pub(crate) fn new(access: &Access) -> Result<Self, String> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(limits::CLIENT_CONNECT_TIMEOUT))
            .timeout_global(Some(limits::CLIENT_TIMEOUT));
        if access.url.has_tls() {
            config = config.tls_config(access.trust.tls_config()?);
        }
        let authorization = access.token.as_ref().map(Token::authorization);
        Ok(Self { agent: config.build().new_agent(), url: access.url.clone(), role: access.role, authorization })
    }

    /// The server's URL.
    #[must_use]
    pub(crate) fn url(&self) -> &BaseUrl {
        &self.url
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        self.exchange(Method::GET, path, &[], &[])
    }

    /// Sends a request, with a body unless it is a `GET`, and returns the body of a successful answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let has_body = method != Method::GET;
        let mut request = Request::builder().method(method).uri(self.url.join(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let lost = |error: &ureq::Error| Failure::of_transport(self.url.to_string(), error);
        let response = if has_body {
            request.body(body).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        } else {
            request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        };
        let (head, mut body) = response.map_err(|error| lost(&error))?.into_parts();
        let text = body.with_config().limit(limits::CLIENT_RESPONSE_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| lost(&error))?;
        if head.status.is_success() { Ok(text) } else { Err(self.refusal(&Response::from_parts(head, text))) }
    }

    /// The failure for an answer that has come and is not understood.
    #[must_use]
    pub(crate) fn unsound(&self, reason: &impl ToString) -> Failure {
        Failure::Unsound { url: self.url.to_string(), reason: reason.to_string() }
    }

    fn refusal(&self, response: &Response<Vec<u8>>) -> Failure {
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let refusal = Refusal {
            url: self.url.to_string(),
            status: response.status().as_u16(),
            problem: serde_json::from_slice(response.body()).unwrap_or_default(),
            retry_after: retry_after.map(Duration::from_secs),
            role: self.role,
        };
        Failure::Refused(Box::new(refusal))
    }
}
