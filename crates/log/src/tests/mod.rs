//! The log over a simulated one: late and lost answers, copies, crashes, torn ends and removed beginnings.

mod cluster_node;
mod cluster_peers;
mod frames;
mod full_log;
mod model;
mod orders;
mod recorded;
mod reference;
mod sim_log;
mod sim_node;
mod simulation;
mod state_machine;
mod threads;
