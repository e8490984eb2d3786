//! The mapping language: expressions, rules, compile, execute. Pure.
