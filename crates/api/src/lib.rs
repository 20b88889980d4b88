//! The wire types of weir's HTTP interface, each defined once: serde in both directions, and the OpenAPI schema.
//!
//! The server, the clients, the load generator and the tests use these types. What the server writes by hand for speed is
//! held to them by tests.
//!
//! The names of some members depend on the server's configuration. In the schemas, `{attribute}` stands for one member for
//! each configured attribute of users, and `{event_type}` for a configured event type; the server puts the names in.

mod events;
pub mod headers;
mod health;
mod metrics;
pub mod parameters;
mod placeholder;
mod problem;
mod reference;
mod role;

pub use events::{
    ContentCoding, Event, EventOrArray, EventResult, EventStatus, IngestCounts, IngestResponse, RejectedEvent,
    RejectedResponse, VerdictCode,
};
pub use health::HealthResponse;
pub use metrics::{Breakdowns, Counts, GroupCounts, GroupValues, MetricsResponse, SeriesPoint, SeriesResponse};
pub use placeholder::{ATTRIBUTE, EVENT_TYPE};
pub use problem::{ProblemCode, ProblemDocument};
pub use reference::{
    Attributes, AttributesPatch, ReferencePatch, ReferenceSummary, ReferenceTable, ReferenceUpdated, UserPatch,
    UserResponse,
};
pub use role::Role;
