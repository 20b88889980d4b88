//! The report of a run, on the terminal and in files.

mod chart;
mod escape;
mod files;
mod finished_run;
mod hgrm;
mod html;
mod json;
mod table;

pub(crate) use finished_run::Report;

#[cfg(test)]
mod tests;
