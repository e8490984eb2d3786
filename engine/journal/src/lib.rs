//! Everything accepted and what became of it, on disk.
