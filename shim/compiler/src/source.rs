//! A loaded module: its text and its table of contents.

use crate::front::ast::Symbol;
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

    /// The line of the text that holds a byte, with its number, for messages.
    #[must_use]
    pub fn line(&self, offset: usize) -> String {
        let place = front::Error::at(
            &self.text,
            offset,
            front::Reason::Unsupported(String::new()),
        );
        format!("line {}: {}", place.line, place.source_line)
    }

    /// The bytes that a variable in global or constant memory starts with;
    /// `None` if there is no such variable, or an address is among them.
    #[must_use]
    pub fn initial_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let Some(Symbol::Module(place)) = self.index.symbol(name) else {
            return None;
        };
        let variable = &self.index.variables[place];
        let resolve = |name: &str| self.index.symbol(name);
        let initializer = front::initializer(&self.text, variable, resolve).ok()?;
        let mut bytes = initializer.bytes;
        bytes.resize(usize::try_from(variable.size()).ok()?, 0);
        initializer.relocations.is_empty().then_some(bytes)
    }
}
