//! Judges the arguments of a call: how many, of what type, and constants by their value.

use super::{Compiler, Judged, Scope};
use crate::accept;
use crate::error::{Error, Span};
use crate::functions::{Function, Param, Signature, Type, numbers};
use crate::program::{List, Node, NodeId};
use crate::trace::Reason;
use crate::tree::{Expr, Kind, Spelling};

impl Compiler<'_> {
    pub(super) fn arguments(
        &mut self,
        scope: &mut Scope,
        signature: &Signature,
        args: &[Expr],
        span: Span,
    ) -> Judged<List> {
        count(scope.spelling, signature, args.len(), span)?;
        let mut ids = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            ids.push(self.argument(scope, signature, index, arg, args)?);
        }
        if signature.function == Function::Equal && scope.spelling == Spelling::When {
            same_types(args)?;
        }
        self.list(&ids, span)
    }

    pub(super) fn argument(
        &mut self,
        scope: &mut Scope,
        signature: &Signature,
        index: usize,
        arg: &Expr,
        all: &[Expr],
    ) -> Judged<NodeId> {
        // One argument too many is evaluated and ignored.
        let Some(param) = signature.param(index) else { return self.expr(scope, arg) };
        types(scope.spelling, signature, index, param, arg)?;
        let constant = arg.constant();
        if param == Param::Pattern {
            return self.pattern_argument(scope, signature, arg, all);
        }
        let left_out = index >= usize::from(signature.required) && constant == Some("");
        let Some(text) = constant.filter(|_| !left_out) else {
            if let Kind::Number(number) = arg.kind {
                number_constant(param, number)
                    .map_err(|reason| refused(reason, param, arg.span, &numbers::write(number)))?;
            }
            return self.expr(scope, arg);
        };
        if param.type_() == Type::Number {
            let number = numbers::read(text.as_bytes())
                .and_then(|number| number_constant(param, number))
                .map_err(|reason| refused(reason, param, arg.span, text))?;
            let node = self.number(number);
            return self.node(scope, node, arg.span);
        }
        text_constant(param, text).map_err(|reason| refused(reason, param, arg.span, text))?;
        self.expr(scope, arg)
    }

    /// A constant pattern is judged now; with a flag that is not constant it cannot be.
    fn pattern_argument(
        &mut self,
        scope: &mut Scope,
        signature: &Signature,
        arg: &Expr,
        all: &[Expr],
    ) -> Judged<NodeId> {
        let flag = match signature.params.get(2) {
            Some(Param::Flag) => all.get(2).map_or(Some(""), Expr::constant),
            _ => Some(""),
        };
        match (arg.constant(), flag) {
            (Some(text), Some(flag)) => {
                let (id, groups) = self.pattern(text, !flag.is_empty(), arg.span)?;
                if signature.function == Function::Group {
                    group_number(all, groups)?;
                }
                self.node(scope, Node::Pattern(id), arg.span)
            }
            (None, _) if scope.spelling == Spelling::When => {
                Err(Error::new(arg.span, "the pattern must be a plain text"))
            }
            _ => self.expr(scope, arg),
        }
    }
}

/// The number of a group must be constant and within the pattern's groups.
fn group_number(args: &[Expr], groups: usize) -> Judged<()> {
    let Some(arg) = args.get(2) else { return Ok(()) };
    match arg.kind {
        Kind::Number(number) if number >= 0.0 && number <= groups as f64 => Ok(()),
        Kind::Number(_) => Err(Error::new(arg.span, "the pattern has no such group")
            .hint(format!("its groups are 0 (the whole match) to {groups}"))),
        _ => Err(Error::new(arg.span, "the number of the group must be a plain number")),
    }
}

/// Too few arguments are an error; too many are one where types are judged.
pub(super) fn count(
    spelling: Spelling,
    signature: &Signature,
    given: usize,
    span: Span,
) -> Judged<()> {
    let required = usize::from(signature.required);
    let most = signature.params.len();
    let name = shown(signature, spelling);
    let (kind, bound) = if given < required {
        ("at least", required)
    } else if given > most && !signature.repeat && spelling == Spelling::When {
        ("at most", most)
    } else {
        return Ok(());
    };
    let exactly = required == most && !signature.repeat && spelling == Spelling::When;
    let kind = if exactly { "" } else { kind };
    let s = if bound == 1 { "" } else { "s" };
    let message = format!("`{name}` takes {kind} {bound} argument{s}, and here are {given}");
    Err(Error::new(span, message.replace("  ", " ")))
}

/// The function as this spelling names it.
fn shown(signature: &Signature, spelling: Spelling) -> String {
    match spelling {
        Spelling::Dollar => format!("${}", signature.dollar),
        Spelling::When => signature.function.name(),
    }
}

fn types(
    spelling: Spelling,
    signature: &Signature,
    index: usize,
    param: Param,
    arg: &Expr,
) -> Judged<()> {
    let (wanted, found) = (param.type_(), arg.type_());
    let fits = match (spelling, wanted, found) {
        (_, Type::Any, _) | (_, _, Type::Any) => true,
        // An action is an empty text, and anything can be asked whether it is true.
        (Spelling::Dollar, Type::Truth, _) => true,
        (Spelling::Dollar, Type::Text, found) => found != Type::Truth,
        (Spelling::Dollar, Type::Number, found) => !matches!(found, Type::Truth | Type::Nothing),
        (_, wanted, found) => wanted == found,
    };
    if fits {
        return Ok(());
    }
    let name = shown(signature, spelling);
    let (wanted, found) = (wanted.word(), found.word());
    let message = if signature.params.len() > 1 || signature.repeat {
        format!("argument {} of `{name}` is {wanted}, but this is {found}", index + 1)
    } else {
        format!("`{name}` takes {wanted}, but this is {found}")
    };
    Err(Error::new(arg.span, message))
}

fn same_types(args: &[Expr]) -> Judged<()> {
    let [left, right] = args else { return Ok(()) };
    let (wanted, found) = (left.type_(), right.type_());
    if wanted == found || wanted == Type::Any || found == Type::Any {
        return Ok(());
    }
    let message = format!("{} cannot be compared with {}", found.word(), wanted.word());
    Err(Error::new(right.span, message))
}

fn number_constant(param: Param, number: f64) -> Result<f64, Reason> {
    match param {
        Param::RedirectStatus => accept::redirect_status(number).map(f64::from),
        Param::ExitStatus => accept::exit_status(number).map(f64::from),
        _ => Ok(number),
    }
}

fn text_constant(param: Param, text: &str) -> Result<(), Reason> {
    let text = text.as_bytes();
    match param {
        Param::Name(side, removes) => accept::header_name(text, side, removes).map(drop),
        Param::Value => accept::header_value(text).map(drop),
        Param::Location => accept::location(text).map(drop),
        Param::Method => accept::method(text).map(drop),
        Param::Unit => accept::unit(text).map(drop),
        Param::Tag => accept::tag(text).map(drop),
        _ => Ok(()),
    }
}

/// What is wrong with a constant, in a customer's words.
fn refused(reason: Reason, param: Param, span: Span, text: &str) -> Error {
    let short: String = text.chars().take(40).collect();
    let (message, hint) = match reason {
        Reason::NotANumber => (format!("expected a number, found the text `{short}`"), ""),
        Reason::HeaderName => (
            format!("`{short}` is not a header name"),
            "a name has letters, digits and `-` or `_`, and no spaces",
        ),
        Reason::HeaderValue => (
            "a header value cannot hold line breaks or other control characters".into(),
            "use one line, or several headers",
        ),
        Reason::ProtectedHeader if matches!(param, Param::Name(_, true)) => {
            (format!("`{short}` is the edge's own and cannot be removed"), "")
        }
        Reason::ProtectedHeader => (format!("`{short}` is the edge's own and cannot be set"), ""),
        Reason::Status if param == Param::RedirectStatus => {
            (format!("{short} is not a redirect"), "redirects are 301, 302, 303, 307 and 308")
        }
        Reason::Status => {
            (format!("{short} is not a status to answer with"), "statuses are 200 to 599")
        }
        Reason::Method => (
            format!("`{short}` is not a method that can be set"),
            "methods are GET, HEAD, PUT, POST, DELETE, OPTIONS and PATCH",
        ),
        Reason::Location => ("a location is a URL without control characters".into(), ""),
        Reason::Rate => (format!("`{short}` is not a unit"), "write k for KiB or m for MiB"),
        Reason::Name => {
            (format!("`{short}` is not a name"), "a name has visible ASCII letters without spaces")
        }
        other => (format!("`{short}` will not do here: {}", other.word()), ""),
    };
    let error = Error::new(span, message);
    if hint.is_empty() { error } else { error.hint(hint) }
}
