//! Other people's tests, run without and with an image: the outcome of every single one must be the same.

pub mod attempt;
pub mod compare;
pub mod place;
pub mod report;
pub mod rerun;
pub mod run;
pub mod suites;

pub use attempt::{Attempt, Mode};
pub use report::Report;
pub use run::{Options, run};
pub use suites::{SUITES, Suite};
