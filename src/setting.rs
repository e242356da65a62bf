//! What a feature says of its own settings: a [`Complaint`] names the field, the trouble and the way out.
//!
//! Features check values; `site` and `config` know the file and find the line and column.

/// Something wrong with a setting whose syntax was fine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The field, relative to the table that the feature owns: `servers[1].url`.
    pub field: String,
    /// What is wrong, as a clause that names the offending text.
    pub message: String,
    /// What to write instead, if that can be said.
    pub suggestion: Option<String>,
}

impl Complaint {
    /// A complaint about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Complaint { field: field.into(), message: message.into(), suggestion: None }
    }

    /// A complaint about a value that is too small or too large.
    pub fn out_of_bounds(field: impl Into<String>, value: impl std::fmt::Display) -> Self {
        Complaint::new(field, format!("{value} is out of bounds"))
    }

    /// The same complaint with a way out.
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The same complaint seen from the table that holds the feature's own.
    pub fn within(mut self, table: &str) -> Self {
        self.field =
            if self.field.is_empty() { table.into() } else { format!("{table}.{}", self.field) };
        self
    }
}
