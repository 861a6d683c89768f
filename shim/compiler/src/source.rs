//! A loaded module: its text and its table of contents.

use crate::front::{self, ModuleIndex};

/// PTX text whose headers have been read.
#[derive(Debug, Clone)]
pub struct ModuleSource {
    /// The text.
    pub text: String,
    /// What it declares.
    pub index: ModuleIndex,
}

impl ModuleSource {
    /// Indexes a module; its bodies stay unread.
    ///
    /// # Errors
    /// Those of [`front::index`].
    pub fn new(text: String) -> Result<Self, front::Error> {
        let index = front::index(&text)?;
        Ok(Self { text, index })
    }
}
