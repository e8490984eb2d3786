//! System tests: the real binary between simulated peers, seen from the outside only.

mod balancing;
mod checking;
mod clients;
mod corpus;
mod covering;
mod demo;
mod deviations;
mod disk;
mod explaining;
mod files;
mod finding;
mod frames;
mod large;
mod network;
mod operating;
mod ordering;
mod privacy;
mod receivers;
mod releasing;
mod reloading;
mod replaying;
mod resending;
mod showing;
mod starting;
mod surveying;
mod testing;
