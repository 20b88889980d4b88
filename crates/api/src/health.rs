//! Health.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"ok": true}))]
pub struct HealthResponse {
    /// Always true: a process that does not serve does not answer.
    pub ok: bool,
}
