//! Every bound of the language: what a rule set may be, and what one evaluation may cost.
//!
//! [`Limits`] are judged when a set is loaded, so that what breaks them never runs. [`Budget`] holds
//! for one evaluation, where a bound cannot be judged before: what it ends has a name, see
//! [`End`](crate::End).

/// What a rule set may be; checked at load.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of one set's text. Default: 1 MiB.
    pub set_bytes: usize,
    /// Bytes of one rule's text or condition. Default: 16 KiB.
    pub rule_bytes: usize,
    /// Rules in a set. Default: 2,000.
    pub rules: usize,
    /// How deep expressions may nest. Default: 32.
    pub depth: usize,
    /// Expressions in one rule, its actions included. Default: 4,000.
    pub nodes: usize,
    /// Bytes of one pattern. Default: 1 KiB.
    pub pattern_bytes: usize,
    /// States that one pattern's automaton may need, as estimated from its text. Default: 2,000.
    pub pattern_states: usize,
    /// The same for all patterns of a set together. Default: 40,000.
    pub set_pattern_states: usize,
    /// Members of one `in { … }`. Default: 10,000.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            set_bytes: 1 << 20,
            rule_bytes: 16 << 10,
            rules: 2_000,
            depth: 32,
            nodes: 4_000,
            pattern_bytes: 1 << 10,
            pattern_states: 2_000,
            set_pattern_states: 40_000,
            members: 10_000,
        }
    }
}

/// What one evaluation of a set may cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Steps: one for each expression, and more for work that grows with the text it looks at.
    /// Default: 30,000, which is a millisecond at most on most machines.
    pub steps: u32,
    /// Bytes of text that all rules together may make. Default: 256 KiB.
    pub made_bytes: usize,
    /// Bytes that one text may have. Default: 64 KiB.
    pub text_bytes: usize,
    /// Actions. Default: 256.
    pub actions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { steps: 30_000, made_bytes: 256 << 10, text_bytes: 64 << 10, actions: 256 }
    }
}
