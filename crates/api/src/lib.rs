//! The wire types of weir's HTTP API. Each type is defined once: it serializes, deserializes, and has an OpenAPI
//! schema.
//!
//! The server, the clients, the load generator and the tests use these types. The server writes some responses by hand
//! for speed; tests compare them with these types.
//!
//! The names of some members depend on the configuration of the server. In the schemas, `{attribute}` stands for one
//! member for each configured attribute of users. `{event_type}` stands for a configured event type. The server
//! replaces both by the configured names.
//!
//! Responses of a newer server may have further members and codes. All types ignore unknown members, and codes are
//! text: see [`ProblemDocument::known_code`].

mod breakdowns;
mod consistency;
mod events;
pub mod headers;
mod health;
mod metrics;
pub mod parameters;
mod placeholder;
mod problem;
mod reference;
mod role;
mod status;

pub use breakdowns::{Breakdowns, Counts, GroupValues};
pub use consistency::Consistency;
pub use events::{
    ContentCoding, Event, EventOrArray, EventResult, EventStatus, IngestCounts, IngestResponse, RejectedEvent,
    RejectedResponse, VerdictCode,
};
pub use health::HealthResponse;
pub use metrics::{GroupCounts, MetricsResponse, SeriesPoint, SeriesResponse};
pub use placeholder::{ATTRIBUTE, EVENT_TYPE};
pub use problem::{ProblemCode, ProblemDocument};
pub use reference::{
    Attributes, AttributesPatch, ReferencePatch, ReferenceSummary, ReferenceTable, ReferenceUpdated, UserPatch,
    UserResponse,
};
pub use role::Role;
pub use status::{ClusterState, ClusterStatus, JournalState, JournalStatus, LatencyBucket, StatusResponse};
