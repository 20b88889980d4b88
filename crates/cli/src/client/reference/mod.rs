//! `weir reference`: uploads the reference table of users from a file, and shows it.

mod csv;
mod csv_syntax;
mod put;
mod show;
mod upload;

pub(crate) use put::{PutOptions, TableFormat, put};
pub(crate) use show::{ShowOptions, show};
