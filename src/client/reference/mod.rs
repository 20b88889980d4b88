//! `weir reference`: puts the table of users from a file, and shows it.

mod csv;
mod put;
mod show;
mod table;

pub use put::{PutOptions, TableFormat, put};
pub use show::{ShowOptions, show};
