//! What can be said of an expression without a request.

use crate::field::{Field, Keyed};
use crate::functions::Function;
use crate::tree::{Expr, Kind};

/// Functions that only fail where a text becomes too long, and are missing where an argument is.
fn is_plain(function: Function) -> bool {
    matches!(
        function,
        Function::Lower
            | Function::Upper
            | Function::Len
            | Function::Md5
            | Function::Escape
            | Function::EncodeBase64
            | Function::Concat
            | Function::Default
    )
}

/// Whether the value is always there.
pub(super) fn is_there(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Text(_) | Kind::Number(_) | Kind::Random(_) => true,
        Kind::Fact(field) => matches!(
            field,
            Field::Scheme
                | Field::Method
                | Field::Host
                | Field::Path
                | Field::Target
                | Field::Url
                | Field::HttpVersion
                | Field::Client
                | Field::Time
        ),
        Kind::Join(parts) => parts.iter().all(is_there),
        Kind::Call(Function::Pcall, _) => true,
        Kind::Call(Function::Default | Function::Or, args) => args.iter().any(is_there),
        Kind::Call(function, args) => is_plain(*function) && args.iter().all(is_there),
        _ => false,
    }
}

/// Whether it cannot fail, though it may be missing.
pub(super) fn is_safe(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Text(_)
        | Kind::Number(_)
        | Kind::Random(_)
        | Kind::Fact(_)
        | Kind::Listed(..)
        | Kind::Label(_)
        | Kind::Group(_)
        | Kind::Captured(..) => true,
        Kind::Join(parts) => parts.iter().all(|part| is_there(part) && is_safe(part)),
        Kind::Call(function, args) => is_plain(*function) && args.iter().all(is_safe),
        _ => false,
    }
}

/// Whether no action of a rule can change it, so that it does not matter when it is looked up.
pub(super) fn is_fixed(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Text(_) | Kind::Number(_) | Kind::Label(_) | Kind::Group(_) | Kind::Captured(..) => {
            true
        }
        Kind::Fact(field) => !matches!(
            field,
            Field::Method | Field::Query | Field::Target | Field::Url | Field::Body
        ),
        Kind::Join(parts) | Kind::Call(_, parts) => parts.iter().all(is_fixed),
        _ => false,
    }
}

/// Whether it is another value each time.
pub(super) fn is_random(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Random(_) => true,
        Kind::Call(Function::RandomInteger | Function::RandomText, _) => true,
        Kind::Join(parts) | Kind::Call(_, parts) | Kind::Capture(_, parts) => {
            parts.iter().any(is_random)
        }
        Kind::In(value, _) => is_random(value),
        _ => false,
    }
}

/// Whether an action does what it says whatever the request is.
pub(super) fn is_certain(function: Function, args: &[Expr]) -> bool {
    let judged_at_load = matches!(
        function,
        Function::AddRequestHeader
            | Function::SetRequestHeader
            | Function::RemoveRequestHeader
            | Function::AddResponseHeader
            | Function::SetResponseHeader
            | Function::RemoveResponseHeader
            | Function::RemoveArgument
            | Function::Redirect
            | Function::Respond
            | Function::ErrorPage
    );
    let constant = |arg: &Expr| matches!(arg.kind, Kind::Text(_) | Kind::Number(_));
    judged_at_load && args.iter().all(constant)
}

/// Whether it looks at a header of the request.
pub(super) fn reads_headers(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Listed(list, _) => {
            matches!(list, Keyed::Header | Keyed::Cookie | Keyed::FormArgument)
        }
        Kind::Join(parts) | Kind::Call(_, parts) => parts.iter().any(reads_headers),
        _ => false,
    }
}

/// Path, then `$PCALL(?$_QUERY)`: what the other spelling calls `http.request.uri`.
pub(super) fn is_query_behind(before: Option<&Expr>, expr: &Expr) -> bool {
    let is_path = before.is_some_and(|expr| matches!(expr.kind, Kind::Fact(Field::Path)));
    let Kind::Call(Function::Pcall, args) = &expr.kind else { return false };
    let [Expr { kind: Kind::Join(parts), .. }] = args.as_slice() else { return false };
    let [mark, query] = parts.as_slice() else { return false };
    is_path && mark.constant() == Some("?") && matches!(query.kind, Kind::Fact(Field::Query))
}
