//! Roles: what a bearer token lets its holder do.

/// What a bearer token lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Send events.
    Ingest,
    /// Change the reference table.
    Admin,
    /// Read metrics and the reference table.
    Read,
}

impl Role {
    /// All roles, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Admin, Self::Read];

    /// The name of the role in variables, options and the OpenAPI document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Admin => "admin",
            Self::Read => "read",
        }
    }

    /// The environment variable that holds the tokens of the role.
    #[must_use]
    pub const fn token_variable(self) -> &'static str {
        match self {
            Self::Ingest => "WEIR_INGEST_TOKEN",
            Self::Admin => "WEIR_ADMIN_TOKEN",
            Self::Read => "WEIR_READ_TOKEN",
        }
    }
}
