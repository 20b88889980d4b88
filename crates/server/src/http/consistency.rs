//! How fresh the answer to a read is: in a cluster, other nodes acknowledge events, too.

use crate::http::app::App;
use crate::http::header;
use crate::http::problem::Problem;
use crate::http::query::parameters;
use crate::log::is_old;
use axum::response::Response;
use weir_api::{Consistency, headers};

/// The parameter that asks for a consistency.
const PARAMETER: &str = "consistency";

/// The consistency of this name.
///
/// # Errors
/// The name is neither `quorum` nor `local`.
pub(super) fn consistency_named(name: &[u8]) -> Result<Consistency, Problem> {
    let known = Consistency::ALL.into_iter().find(|known| known.as_str().as_bytes() == name);
    known.ok_or_else(|| Problem::InvalidParameter(format!("{PARAMETER} must be quorum or local")))
}

/// The consistency that a query string asks for, in which other parameters are ignored.
///
/// # Errors
/// The value is invalid, or the parameter is repeated.
pub(super) fn consistency_of(query: Option<&str>) -> Result<Option<Consistency>, Problem> {
    let mut values = parameters(query).filter(|parameter| *parameter.name == *PARAMETER.as_bytes());
    let value = values.next().map(|parameter| consistency_named(&parameter.value)).transpose()?;
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Problem::InvalidParameter(format!("{PARAMETER} is given more than once"))),
    }
}

/// What an answer says of its freshness: how far it may be behind, if it is local.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Freshness {
    behind_ms: Option<i64>,
}

impl Freshness {
    /// Waits until this node has what a read needs. Without a cluster it always has. The caller holds no permit of a
    /// limiter.
    ///
    /// # Errors
    /// In a cluster, there is no quorum of NATS servers, or they do not answer in time.
    pub(super) async fn of(app: &App, asked: Option<Consistency>) -> Result<Self, Problem> {
        let Some(log) = app.intake.log().filter(|log| log.is_shared()) else { return Ok(Self { behind_ms: None }) };
        match asked.unwrap_or(app.config.reads) {
            Consistency::Local => Ok(Self { behind_ms: Some(log.age_ms()) }),
            Consistency::Quorum => match log.barrier().await {
                Ok(()) => Ok(Self { behind_ms: None }),
                Err(_) => Err(Problem::NotUpToDate),
            },
        }
    }

    /// The same for a result of a live stream: a local one is not shown either when it is old.
    ///
    /// # Errors
    /// As [`of`](Self::of), or log time is old.
    pub(super) async fn of_stream(app: &App) -> Result<(), Problem> {
        let Self { behind_ms } = Self::of(app, None).await?;
        if behind_ms.is_some_and(is_old) { Err(Problem::NotUpToDate) } else { Ok(()) }
    }

    /// Says in the answer how far it may be behind.
    pub(super) fn mark(self, mut response: Response) -> Response {
        if let Some(behind_ms) = self.behind_ms {
            response.headers_mut().insert(headers::WEIR_BEHIND_MS, header::value(behind_ms.to_string()));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_quorum_or_local_and_given_once() {
        let of = |query| consistency_of(Some(query));
        assert_eq!(of("").unwrap(), None);
        assert_eq!(of("x=1&consistency=local").unwrap(), Some(Consistency::Local));
        assert_eq!(of("consistency=%71uorum").unwrap(), Some(Consistency::Quorum));
        for query in ["consistency=", "consistency=Local", "consistency=local&consistency=local"] {
            assert!(matches!(of(query), Err(Problem::InvalidParameter(_))), "{query}");
        }
    }
}
