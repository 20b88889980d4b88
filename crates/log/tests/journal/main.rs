//! The journal: what it promises, on real files and on a disk whose power can be cut.

mod child;
mod directory;
mod failures;
mod follow;
mod helpers;
mod power_cut;
mod read_only;
mod sim_disk;
mod space;
