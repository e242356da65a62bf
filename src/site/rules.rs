//! A document's rules: judged when it is read, with places in the operator's own text.

use std::ops::Range;
use std::sync::Arc;

use edge_rules::{Function, Limits, Program};
use toml::de::DeTable;

use super::diagnostic::{Diagnostic, nearest};

/// The rules of a document as a program; patterns are parsed and bounded, not built. The origins that
/// they name are looked for if the document is `whole`.
///
/// # Errors
/// The first thing that is wrong with the rules.
pub fn checked_rules(
    file: &str,
    text: &str,
    document: &DeTable<'_>,
    whole: bool,
) -> Result<Option<Arc<Program>>, Diagnostic> {
    let Some((_, rules)) = document.iter().find(|(key, _)| key.get_ref() == "rules") else {
        return Ok(None);
    };
    let program = Program::from_value(text, rules, &Limits::default()).map_err(|errors| {
        let Some(first) = errors.first() else { return Diagnostic::whole_file(file, "bad rules") };
        let span = first.span.start as usize..first.span.end as usize;
        let found = Diagnostic::at(file, text, span, first.message.as_str());
        let others = errors.len() - 1;
        match (&first.hint, others) {
            (Some(hint), _) => found.suggest(hint.as_str()),
            (None, 0) => found,
            (None, _) => found.suggest(format!("{others} more rules are wrong")),
        }
    })?;
    let is_unknown = |name: &&str| whole && !other_origins(document).any(|it| it == *name);
    if let Some(unknown) = program.constants(Function::Origin).find(is_unknown) {
        return Err(unknown_origin(file, text, document, rules.span(), unknown));
    }
    Ok((!program.is_empty()).then(|| Arc::new(program)))
}

/// The names of the other origins of a document.
fn other_origins<'d>(document: &'d DeTable<'_>) -> impl Iterator<Item = &'d str> {
    let named = document.iter().find(|(key, _)| key.get_ref() == "origins");
    let table = named.and_then(|(_, value)| value.get_ref().as_table());
    table.into_iter().flat_map(|table| table.keys().map(|key| key.get_ref().as_ref()))
}

/// A rule names an origin that the document has not.
fn unknown_origin(
    file: &str,
    text: &str,
    document: &DeTable<'_>,
    rules: Range<usize>,
    name: &str,
) -> Diagnostic {
    // A literal text stands in the rules as it is, after the key that asks for it. The span of several
    // tables is that of the first one's head.
    let within = text.get(rules.start..).unwrap_or_default();
    let key = within.match_indices("origin").map(|(at, _)| at);
    let place = key.filter_map(|at| Some(at + within.get(at..)?.find(name)?)).next();
    let span = place.map_or(rules.clone(), |at| rules.start + at..rules.start + at + name.len());
    let message = format!("there is no origin `{name}` here");
    let found = Diagnostic::at(file, text, span, message);
    match nearest(name, &other_origins(document).collect::<Vec<_>>()) {
        Some(near) => found.suggest(format!("did you mean `{near}`?")),
        None => found.suggest(format!("add a table [origins.{name}] with its servers")),
    }
}
