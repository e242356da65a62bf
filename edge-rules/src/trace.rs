//! What became of each rule, and why.

use std::fmt;

use crate::functions::Function;

/// Why the evaluation of a rule failed. The rule ends there, the request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A missing value stands where text is made.
    Missing,
    /// True or false stands where text is made.
    NotText,
    /// The text is not a number.
    NotANumber,
    /// A number is too large, too small or not whole.
    OutOfRange,
    /// Division by zero.
    DivideByZero,
    /// The text is not base64.
    BadBase64,
    /// A `%` is not followed by two hex digits, or what they say is not UTF-8.
    BadEscape,
    /// The text is empty.
    Empty,
    /// The pattern does not parse.
    BadPattern,
    /// The pattern's automaton would be too large.
    LargePattern,
    /// Not a header name.
    HeaderName,
    /// A header value with a control character: CR, LF and NUL would split the message.
    HeaderValue,
    /// The edge answers for this header; a rule may not change it.
    ProtectedHeader,
    /// No such status for this action.
    Status,
    /// No such method.
    Method,
    /// With this method there may be no body, or with this body not this method.
    MethodAndBody,
    /// A location is empty or holds a control character.
    Location,
    /// A rewrite does not begin with `/`.
    Target,
    /// A unit of speed is neither `k` nor `m`, or the amount is out of range.
    Rate,
    /// A name of an origin or a tag is empty or holds a control character.
    Name,
    /// A text would be longer than the budget allows.
    LongText,
}

impl Reason {
    /// The word for it in traces and counters.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Missing => "missing_value",
            Reason::NotText => "not_text",
            Reason::NotANumber => "not_a_number",
            Reason::OutOfRange => "out_of_range",
            Reason::DivideByZero => "divide_by_zero",
            Reason::BadBase64 => "bad_base64",
            Reason::BadEscape => "bad_escape",
            Reason::Empty => "empty_text",
            Reason::BadPattern => "bad_pattern",
            Reason::LargePattern => "large_pattern",
            Reason::HeaderName => "bad_header_name",
            Reason::HeaderValue => "bad_header_value",
            Reason::ProtectedHeader => "protected_header",
            Reason::Status => "bad_status",
            Reason::Method => "bad_method",
            Reason::MethodAndBody => "method_and_body",
            Reason::Location => "bad_location",
            Reason::Target => "bad_target",
            Reason::Rate => "bad_rate",
            Reason::Name => "bad_name",
            Reason::LongText => "long_text",
        }
    }
}

/// A failed evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// The function that failed; none where the rule's own text did.
    pub function: Option<Function>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.word())?;
        self.function.map_or(Ok(()), |function| write!(f, " in {}", function.name()))
    }
}

/// What became of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its condition is false.
    Unmatched,
    /// It ran to its end.
    Matched,
    /// It failed on the way; what it had done before stays.
    Failed(Failure),
    /// It answered the request, which ended the set.
    Answered,
    /// It is in test, and this request is none of its testers'.
    InTest,
    /// It is disabled.
    Disabled,
}

/// One rule's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The rule: its number in the set, from 0.
    pub rule: u32,
    /// What became of it.
    pub fate: Fate,
    /// How many actions there were when it ended; those since the event before are its own.
    pub actions: u32,
}

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum End {
    /// Every rule has had its turn.
    #[default]
    Finished,
    /// A rule that took effect said to stop.
    Stopped,
    /// A rule answered the request.
    Answered,
    /// The budget of steps was used up.
    OutOfSteps,
    /// The budget of text was used up.
    OutOfText,
    /// There were more actions than the budget allows.
    OutOfActions,
}

impl End {
    /// The word for it in traces and counters.
    pub fn word(self) -> &'static str {
        match self {
            End::Finished => "finished",
            End::Stopped => "stopped",
            End::Answered => "answered",
            End::OutOfSteps => "out_of_steps",
            End::OutOfText => "out_of_text",
            End::OutOfActions => "out_of_actions",
        }
    }

    /// Whether the budget ended it.
    pub fn is_exhausted(self) -> bool {
        matches!(self, End::OutOfSteps | End::OutOfText | End::OutOfActions)
    }
}
