//! System tests, crash tests and the architecture test.
