//! What the benchmarks share: the machine they ran on, what numbers mean, which interpreters.

pub mod choose;
pub mod machine;
pub mod statistics;
