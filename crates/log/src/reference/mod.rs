//! Changes of the reference table, in an order of their own.
//!
//! A change is kept as the body that came, and every reader of the log judges it against the table that the changes
//! before it have made. So a refusal comes out the same for ever, and need not be recorded. A *base* is a copy of the
//! whole table. It stands for all changes before it, which can then be trimmed.

mod entry;
mod queue;
mod reader;
mod table;

pub use queue::{ChangeAnswer, ChangeAsker, ChangeSubmission, NotChanged};
pub(crate) use queue::{Changes, Next};
pub(crate) use reader::ReferenceReader;
pub(crate) use table::{entry_of, table};
