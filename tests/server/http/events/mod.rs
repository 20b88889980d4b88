//! `POST /events`.

mod forms;
mod refusals;
mod time;
mod verdicts;
