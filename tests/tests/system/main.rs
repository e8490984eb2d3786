//! System tests: the real binary between simulated peers, seen from the outside only.

mod starting;
