//! What the benchmarks share: the machine they ran on, what numbers mean, which interpreters; and the parts of `bench`.

pub mod backed;
pub mod callgrind;
pub mod choose;
pub mod commands;
pub mod counters;
pub mod encodings;
pub mod imports;
pub mod instructions;
pub mod launch;
pub mod machine;
pub mod memory;
pub mod order;
pub mod pages;
pub mod plots;
pub mod profile;
pub mod quiet;
pub mod report;
pub mod results;
pub mod scale;
pub mod smaps;
pub mod start;
pub mod statistics;
pub mod variations;
pub mod ways;
pub mod works;
