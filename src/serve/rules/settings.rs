//! What customers' rules may cost the node.

use edge_rules::Budget;
use serde::{Deserialize, Serialize};

use crate::quantity::Size;
use crate::setting::Complaint;

/// The node's `[rules]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Steps that the rules of one phase may take for one request, 1,000 to 10,000,000: one for each
    /// expression, more where it looks at much text. Default: 30,000, a millisecond at most.
    pub steps: u32,
    /// Memory for built patterns of all sites, for each serving thread, 64 KiB or more; the least
    /// recently needed go first. Default: 16 MiB.
    pub pattern_cache: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { steps: Budget::default().steps, pattern_cache: Size::mib(16) }
    }
}

impl Settings {
    /// What is wrong with the values; empty when nothing is.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if !(1_000..=10_000_000).contains(&self.steps) {
            complaints.push(Complaint::new("steps", "goes from 1000 to 10000000").suggest("30000"));
        }
        if self.pattern_cache < Size::kib(64) {
            complaints
                .push(Complaint::new("pattern_cache", "must hold some patterns").suggest("16MiB"));
        }
        complaints
    }

    /// What one evaluation may cost.
    pub(super) fn budget(&self) -> Budget {
        Budget { steps: self.steps, ..Budget::default() }
    }
}
