//! The commands: their arguments, output and exit codes. The examples and the tutorials of the documentation are
//! commands too.

mod demo;
mod examples;
mod health;
mod journal;
mod load;
mod process;
mod readme;
mod reference;
mod send;
mod top;
