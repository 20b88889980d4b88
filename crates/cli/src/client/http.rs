//! The HTTP client. Its calls block, and its connections are kept alive (ureq, with rustls). It uses no proxy and
//! follows no redirect.

use crate::client::base_url::BaseUrl;
use crate::client::request_error::{ErrorResponse, RequestError};
use crate::client::token::Token;
use crate::client::trust::Trust;
use crate::limits;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, RETRY_AFTER};
use ureq::http::{HeaderName, Method, Request, Response};
use weir_api::Role;

/// Which server a client connects to, and with which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientConfig {
    /// The URL of the server.
    pub url: BaseUrl,
    /// The role that the requests need.
    pub role: Role,
    /// The token of that role, if the server needs one.
    pub token: Option<Token>,
    /// Which CA certificates the client trusts.
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
    /// One line, if the CA certificates cannot be read.
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, String> {
        Self::with_timeout(config, limits::CLIENT_TIMEOUT)
    }

    /// [`new`](Self::new), with a limit of the time of each request.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub(crate) fn with_timeout(config: &ClientConfig, timeout: Duration) -> Result<Self, String> {
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(timeout.min(limits::CLIENT_CONNECT_TIMEOUT)))
            .timeout_global(Some(timeout));
        if config.url.has_tls() {
            agent = agent.tls_config(config.trust.tls_config()?);
        }
        let authorization = config.token.as_ref().map(Token::authorization);
        Ok(Self { agent: agent.build().new_agent(), url: config.url.clone(), role: config.role, authorization })
    }

    /// The URL of the server.
    #[must_use]
    pub(crate) fn url(&self) -> &BaseUrl {
        &self.url
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// [`RequestError`].
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, RequestError> {
        self.exchange(Method::GET, path, &[], &[])
    }

    /// Sends a request, with a body unless it is a `GET`, and returns the body of a successful response.
    ///
    /// # Errors
    /// [`RequestError`].
    pub(crate) fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: &[u8],
    ) -> Result<Vec<u8>, RequestError> {
        let has_body = method != Method::GET;
        let mut request = Request::builder().method(method).uri(self.url.join(path));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let failed = |error: &ureq::Error| RequestError::from_transport(self.url.to_string(), error);
        let response = if has_body {
            request.body(body).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        } else {
            request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        };
        let (head, mut body) = response.map_err(|error| failed(&error))?.into_parts();
        let text = body.with_config().limit(limits::CLIENT_RESPONSE_BYTES_MAX).read_to_vec();
        let text = text.map_err(|error| failed(&error))?;
        if head.status.is_success() { Ok(text) } else { Err(self.rejected(&Response::from_parts(head, text))) }
    }

    /// The error for a successful response that the client cannot parse.
    #[must_use]
    pub(crate) fn invalid_response(&self, reason: &impl ToString) -> RequestError {
        RequestError::InvalidResponse { url: self.url.to_string(), reason: reason.to_string() }
    }

    fn rejected(&self, response: &Response<Vec<u8>>) -> RequestError {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let response = ErrorResponse {
            url: self.url.to_string(),
            status: response.status().as_u16(),
            problem: serde_json::from_slice(response.body()).unwrap_or_default(),
            retry_after: retry_after.map(Duration::from_secs),
            role: self.role,
        };
        RequestError::Rejected(Box::new(response))
    }
}
