//! Roles: what a bearer token allows.

/// What a bearer token allows. A role without a token is open to everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Send events: `POST`.
    Ingest,
    /// Change the reference table: `PUT` and `PATCH`.
    Admin,
    /// Read metrics, rejected events and the reference table: `GET` and `HEAD`.
    Read,
}

impl Role {
    /// All roles, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Admin, Self::Read];

    /// The name of the role in options, log lines, problems and the OpenAPI document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Admin => "admin",
            Self::Read => "read",
        }
    }

    /// The environment variable with the tokens of the role.
    #[must_use]
    pub const fn token_variable(self) -> &'static str {
        match self {
            Self::Ingest => "WEIR_INGEST_TOKEN",
            Self::Admin => "WEIR_ADMIN_TOKEN",
            Self::Read => "WEIR_READ_TOKEN",
        }
    }
}
