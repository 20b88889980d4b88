//! `weir journal`: shows, checks and migrates the journal in a directory that no server has open.

mod inspect;
mod migrate;
mod report;

pub(crate) use inspect::{InspectOptions, inspect, verify};
pub(crate) use migrate::{ChangedSettings, MigrateOptions, migrate};
