//! Listeners and destinations: bytes in, bytes out.
