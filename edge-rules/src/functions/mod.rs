//! The functions that rules call: what they are named, what they take, and the pure ones themselves.

pub(crate) mod codec;
pub(crate) mod numbers;
pub(crate) mod strings;
mod table;
pub(crate) mod time;

pub use table::Function;
pub(crate) use table::SIGNATURES;

/// What an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Known only when it runs.
    Any,
    Text,
    Number,
    Truth,
    Address,
    /// An effect: the empty text.
    Nothing,
}

impl Type {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Type::Any => "any value",
            Type::Text => "text",
            Type::Number => "a number",
            Type::Truth => "true or false",
            Type::Address => "an address",
            Type::Nothing => "an action, which has no value",
        }
    }
}

/// Which message a header belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Param {
    Any,
    Truth,
    Text,
    Number,
    Address,
    /// A regular expression.
    Pattern,
    /// Counts if it is not empty.
    Flag,
    /// The name of a header; `true` if it is to be taken away.
    Name(Side, bool),
    /// The value of a header.
    Value,
    /// Where a redirect leads.
    Location,
    RedirectStatus,
    ExitStatus,
    Method,
    /// `k` or `m`.
    Unit,
    /// The name of a tag or an origin.
    Tag,
}

impl Param {
    /// What kind of value that is.
    pub(crate) fn type_(self) -> Type {
        match self {
            Param::Any | Param::Flag => Type::Any,
            Param::Truth => Type::Truth,
            Param::Number | Param::RedirectStatus | Param::ExitStatus => Type::Number,
            Param::Address => Type::Address,
            Param::Text
            | Param::Pattern
            | Param::Name(..)
            | Param::Value
            | Param::Location
            | Param::Method
            | Param::Unit
            | Param::Tag => Type::Text,
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) function: Function,
    /// The name after `$`; empty if it has none there.
    pub(crate) dollar: &'static str,
    /// The name in conditions and templates; empty if it has none there.
    pub(crate) when: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) required: u8,
    /// The last parameter may repeat.
    pub(crate) repeat: bool,
    pub(crate) result: Type,
    /// The phases in which it may stand, one bit each.
    pub(crate) phases: u8,
}

impl Signature {
    /// The parameter of the argument at `index`; none for one too many.
    pub(crate) fn param(&self, index: usize) -> Option<Param> {
        match self.params.get(index) {
            Some(param) => Some(*param),
            None if self.repeat => self.params.last().copied(),
            None => None,
        }
    }

    /// Whether it is true or false, and so many arguments are not too many.
    pub(crate) fn is_plain_truth(&self, args: u16) -> bool {
        self.result == Type::Truth && (self.repeat || usize::from(args) <= self.params.len())
    }
}

impl Function {
    pub(crate) fn signature(self) -> &'static Signature {
        // Every variant has a row, which a test holds; the first stands in for none.
        SIGNATURES.get(self as usize).unwrap_or(&SIGNATURES[0])
    }

    /// How customers know it: `$WHEN`, `lower`, or in words for what an operator or an action makes.
    pub fn name(self) -> String {
        let signature = self.signature();
        if !signature.when.is_empty() {
            signature.when.into()
        } else if !signature.dollar.is_empty() {
            format!("${}", signature.dollar)
        } else {
            format!("{self:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_finds_its_row() {
        for (index, row) in SIGNATURES.iter().enumerate() {
            assert_eq!(row.function as usize, index);
            assert!(row.required as usize <= row.params.len(), "{row:?}");
            assert_eq!(row.function.signature().function, row.function);
        }
    }

    #[test]
    fn the_documented_functions_are_all_there_once() {
        let mut names: Vec<_> =
            SIGNATURES.iter().map(|row| row.dollar).filter(|name| !name.is_empty()).collect();
        assert_eq!(names.len(), 47);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 47);
    }
}
