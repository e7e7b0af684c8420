//! Why there is nothing to search.

use std::io;
use std::path::PathBuf;

/// A mistake in what was asked for. What goes wrong during the search is a [`super::Skip`].
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// A directory named by the user cannot be looked at.
    #[error("cannot search `{}`", path.display())]
    Root {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A directory named by the user is something else.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// As it was given.
        path: PathBuf,
    },
    /// A directory with a name that an image cannot hold.
    #[error("the path of `{}` is not UTF-8", path.display())]
    NotText {
        /// As it was given.
        path: PathBuf,
    },
    /// A pattern that cannot be understood.
    #[error("`{pattern}` is not a pattern of module names")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
}

impl DiscoverError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            DiscoverError::NotADirectory { .. } => Some("name modules with dots and without `.py`: `json.decoder`"),
            DiscoverError::Pattern { .. } => Some("patterns match whole names: `test.*`, `*.tests.*`"),
            _ => None,
        }
    }
}
