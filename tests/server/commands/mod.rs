//! The command line: what each command is given and what it says, and the examples and the README's walk, which are commands
//! to their readers.

mod demo;
mod examples;
mod load;
mod process;
mod readme;
mod reference;
mod send;
mod top;
