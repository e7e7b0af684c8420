//! What a start takes with each step towards an image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Samples;

/// What a start has to do: each step has what the one before has, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing else: the environment without the loader.
    None,
    /// The line `import sys` of a `.pth` file.
    Pth,
    /// The import of an extension module by such a line.
    Extension,
    /// The loader's line, with the loader switched off.
    Off,
    /// The loader and the image.
    Image,
}

impl Step {
    /// All, in order.
    pub const ALL: [Step; 5] = [Step::None, Step::Pth, Step::Extension, Step::Off, Step::Image];
}

/// Starts with each step; value `i` of two steps is of the same round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Starts {
    /// The module that the step `extension` imports; none where every one that would do is part of the interpreter, and
    /// then there is no such step.
    pub extension: Option<String>,
    /// The `.pth` files that the packages bring: every step has these.
    #[serde(default)]
    pub files: Vec<String>,
    /// Each step that was measured.
    pub steps: BTreeMap<Step, Samples>,
}

impl Starts {
    /// Seconds of the processes with a step, if there are any.
    pub fn processes(&self, step: Step) -> Option<&[f64]> {
        self.steps.get(&step).map(|samples| samples.process.as_slice()).filter(|values| !values.is_empty())
    }
}
