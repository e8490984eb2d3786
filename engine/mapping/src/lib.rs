//! The mapping language: expressions, rules, compile, execute. Pure.

pub mod problems;
pub mod yaml;
