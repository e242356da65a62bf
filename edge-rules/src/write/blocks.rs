//! Files of rules in the `$` spelling, laid out afresh.

use super::chunks;
use crate::budget::Limits;
use crate::document::Read;
use crate::dollar::blocks::{Block, blocks};
use crate::error::Error;
use crate::program::Program;

/// Lays out a file of rules in the `$` spelling, as [`Program::from_rules`] reads it: what compiles
/// is the same, comments stay.
///
/// # Errors
/// What is wrong with the rules; such a file is not laid out.
pub fn format_rules(source: &str, limits: &Limits) -> Result<String, Vec<Error>> {
    Program::from_rules(source, limits)?;
    let blocks = blocks(source).map_err(|error| vec![error])?;
    let written: Read<Vec<String>> = blocks.iter().map(|block| block.write(limits)).collect();
    written.map(|blocks| blocks.join("\n")).map_err(|error| vec![error])
}

impl Block<'_> {
    /// The block, each line with its end.
    fn write(&self, limits: &Limits) -> Read<String> {
        let mut lines: Vec<String> = self.comments.iter().map(ToString::to_string).collect();
        for key in ["name", "pattern", "state", "testers"] {
            for (_, value, _) in self.entries.iter().filter(|(known, ..)| *known == key) {
                let value = match key {
                    "testers" => value.split(',').map(str::trim).collect::<Vec<_>>().join(", "),
                    _ => value.to_string(),
                };
                lines.push(format!("{key}: {value}").trim_ascii_end().into());
            }
        }
        if !self.text.is_empty() {
            let rule = self.tree(limits)?;
            lines.extend(chunks(&rule.items, rule.stop));
        }
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }
}
