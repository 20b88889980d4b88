//! How fresh the answer to a read is.

use utoipa::ToSchema;

/// How fresh the answer to a read is, where several nodes of a cluster acknowledge events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Consistency {
    /// It has all that any node of the cluster has acknowledged before the read.
    #[default]
    Quorum,
    /// It has what the asked node has applied, and says how far that may be behind.
    Local,
}

impl Consistency {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Quorum, Self::Local];

    /// The name as it is in a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Local => "local",
        }
    }
}
