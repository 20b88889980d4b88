//! `GET /healthz`, `GET /livez` and `GET /readyz`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The response of a healthy server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"ok": true}))]
pub struct HealthResponse {
    /// Always true. A server that is not ready sends a [`ProblemDocument`](crate::ProblemDocument) instead.
    pub ok: bool,
}
