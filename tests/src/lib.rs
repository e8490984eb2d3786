//! System tests, crash tests and the architecture test; here what they share.

pub mod authority;
pub mod bare;
pub mod broker;
pub mod faulty_disk;
pub mod foreign;
pub mod lab;
pub mod load;
pub mod measured;
pub mod peers;
pub mod proxy;
pub mod rounds;
pub mod running;
pub mod simulation;
pub mod site;
pub mod traffic;
