//! Functions that act: each becomes an action, or fails before it could do harm.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use super::{Evaluator, Step, Stop};
use crate::accept;
use crate::action::{Action, Header};
use crate::functions::{Function, Side};
use crate::program::{Node, NodeId};
use crate::trace::{End, Reason};
use crate::tree::Spelling;

/// Bytes a second and bytes of a body beyond which a limit makes no sense.
const MOST_BYTES: f64 = (1u64 << 50) as f64;

impl<'a> Evaluator<'a, '_, '_> {
    pub(super) fn effect(&mut self, function: Function, args: &[NodeId]) -> Step<()> {
        let action = match function {
            Function::AddRequestHeader => {
                Action::AddRequestHeader(self.header_line(args, Side::Request)?)
            }
            Function::SetRequestHeader => {
                Action::SetRequestHeader(self.header_line(args, Side::Request)?)
            }
            Function::RemoveRequestHeader => {
                Action::RemoveRequestHeader(self.header_name(args, Side::Request, true)?)
            }
            Function::AddResponseHeader => self.add_response_header(args)?,
            Function::SetResponseHeader => {
                Action::SetResponseHeader(self.header_line(args, Side::Response)?)
            }
            Function::RemoveResponseHeader => {
                Action::RemoveResponseHeader(self.header_name(args, Side::Response, true)?)
            }
            Function::RemoveArgument => Action::RemoveArgument(self.needed_text(args, 0)?.into()),
            Function::SetMethod => self.set_method(args)?,
            Function::SetBody => self.set_body(args)?,
            Function::Redirect => self.redirect(args)?,
            Function::Respond => self.respond(args)?,
            Function::ErrorPage => self.error_page(args)?,
            Function::LimitRate => Action::LimitRate(self.amount(args, 1.0)?),
            Function::LimitRateAfter => Action::LimitRateAfter(self.amount(args, 0.0)?),
            Function::Rewrite => {
                let target = self.needed_text(args, 0)?;
                self.make(target.len())?;
                return self.set_rewrite(target.into_owned());
            }
            Function::CacheTtl => Action::CacheTtl(self.seconds(args)?),
            Function::CacheStale => Action::CacheStale(self.seconds(args)?),
            Function::CacheKey => Action::CacheKey(self.needed_text(args, 0)?.into()),
            Function::CacheTag => Action::CacheTag(self.tag(args)?),
            Function::CacheBypass => Action::CacheBypass,
            Function::Origin => Action::Origin(self.tag(args)?),
            _ => return Ok(()),
        };
        self.act(action)
    }

    /// Takes an action in; an answer ends the set.
    fn act(&mut self, action: Action) -> Step<()> {
        if self.actions.len() >= self.env.budget.actions {
            return Err(Stop::Exhausted(End::OutOfActions));
        }
        match &action {
            Action::AddRequestHeader(_)
            | Action::SetRequestHeader(_)
            | Action::RemoveRequestHeader(_) => self.changed.request_headers = true,
            Action::AddResponseHeader(_)
            | Action::SetResponseHeader(_)
            | Action::RemoveResponseHeader(_) => self.changed.response_headers = true,
            Action::RemoveArgument(_) => self.changed.arguments = true,
            Action::SetMethod(_) => self.changed.method = true,
            Action::SetBody(_) => self.changed.body = true,
            _ => {}
        }
        let answers = matches!(action, Action::Redirect { .. } | Action::Respond { .. });
        self.actions.push(action);
        if answers { Err(Stop::Answered) } else { Ok(()) }
    }

    fn header_line(&mut self, args: &[NodeId], side: Side) -> Step<Header> {
        let program = self.program;
        if let Some(Node::Line(at)) = args.first().map(|id| program.node(*id))
            && let Some(line) = program.lines.get(at as usize)
        {
            self.make(line.name.as_str().len() + line.value.len())?;
            // A copy: threads that share a value would pass its count to and fro.
            let value = accept::header_value(line.value.as_bytes())?;
            return Ok(Header { name: line.name.clone(), value });
        }
        let name = self.header_name(args, side, false)?;
        let value = self.needed_text(args, 1)?;
        self.make(name.as_str().len() + value.len())?;
        Ok(Header { name, value: accept::header_value(&value)? })
    }

    fn header_name(&mut self, args: &[NodeId], side: Side, removes: bool) -> Step<HeaderName> {
        let program = self.program;
        match args.first().map(|id| program.node(*id)) {
            Some(Node::Name(at)) => {
                Ok(program.names.get(at as usize).cloned().ok_or(Reason::Missing)?)
            }
            _ => Ok(accept::header_name(&self.needed_text(args, 0)?, side, removes)?),
        }
    }

    fn add_response_header(&mut self, args: &[NodeId]) -> Step<Action> {
        let header = self.header_line(args, Side::Response)?;
        let replaces = match args.get(2) {
            Some(flag) => self.text(*flag)?.is_some_and(|flag| !flag.is_empty()),
            None => false,
        };
        Ok(match replaces {
            true => Action::SetResponseHeader(header),
            false => Action::AddResponseHeader(header),
        })
    }

    /// A request with a body stays one of the methods that have one.
    fn set_method(&mut self, args: &[NodeId]) -> Step<Action> {
        let method = accept::method(&self.needed_text(args, 0)?)?;
        if self.body()?.is_some_and(|body| !body.is_empty()) && !has_body(method) {
            return Err(Reason::MethodAndBody.into());
        }
        Ok(Action::SetMethod(method))
    }

    fn set_body(&mut self, args: &[NodeId]) -> Step<Action> {
        let body = self.needed_text(args, 0)?;
        if !has_body(self.method()) {
            return Err(Reason::MethodAndBody.into());
        }
        self.make(body.len())?;
        Ok(Action::SetBody(body.into()))
    }

    fn redirect(&mut self, args: &[NodeId]) -> Step<Action> {
        let location = accept::location(&self.needed_text(args, 0)?)?;
        let status = match args.get(1) {
            Some(status) => self.number(*status)?.unwrap_or(302.0),
            None => 302.0,
        };
        self.make(location.len())?;
        Ok(Action::Redirect { status: accept::redirect_status(status)?, location })
    }

    /// A body that is missing is an empty one: a refusal must not fail for want of its text.
    fn respond(&mut self, args: &[NodeId]) -> Step<Action> {
        let status = args.first().map_or(Ok(None), |id| self.number(*id))?;
        let status = accept::exit_status(status.ok_or(Reason::Missing)?)?;
        let body = args.get(1).map_or(Ok(None), |id| self.text(*id))?.unwrap_or_default();
        let content_type = match args.get(2).filter(|_| self.spelling() == Spelling::When) {
            Some(id) => self.text(*id)?,
            None => None,
        };
        let content_type = match &content_type {
            Some(text) => Some(visible(&accept::header_value(text)?)?),
            None => None,
        };
        self.make(body.len())?;
        Ok(Action::Respond { status, body: body.into(), content_type })
    }

    fn error_page(&mut self, args: &[NodeId]) -> Step<Action> {
        let location = accept::location(&self.needed_text(args, 0)?)?;
        let mut statuses = Vec::new();
        // The `$` spelling's function knows only 404.
        let named = if self.spelling() == Spelling::When { args } else { &[] };
        for id in named.iter().skip(1) {
            let status = self.number(*id)?.ok_or(Reason::Missing)?;
            statuses.push(accept::exit_status(status)?);
        }
        if statuses.is_empty() {
            statuses.push(404);
        }
        Ok(Action::ErrorPage { statuses: statuses.into(), location })
    }

    /// An amount in KiB or MiB, in bytes; at least `least`.
    fn amount(&mut self, args: &[NodeId], least: f64) -> Step<u64> {
        let amount = args.first().map_or(Ok(None), |id| self.number(*id))?;
        let unit = accept::unit(&self.needed_text(args, 1)?)?;
        let bytes = (amount.ok_or(Reason::Missing)? * unit as f64).round();
        let fits = (least..=MOST_BYTES).contains(&bytes);
        if fits { Ok(bytes as u64) } else { Err(Reason::Rate.into()) }
    }

    fn seconds(&mut self, args: &[NodeId]) -> Step<u32> {
        let seconds = args.first().map_or(Ok(None), |id| self.number(*id))?;
        let seconds = seconds.ok_or(Reason::Missing)?.floor();
        let fits = (0.0..=f64::from(u32::MAX)).contains(&seconds);
        if fits { Ok(seconds as u32) } else { Err(Reason::OutOfRange.into()) }
    }

    fn tag(&mut self, args: &[NodeId]) -> Step<Box<str>> {
        Ok(accept::tag(&self.needed_text(args, 0)?)?.into())
    }

    /// The text of an argument; an action fails where it is missing.
    fn needed_text(&mut self, args: &[NodeId], at: usize) -> Step<Cow<'a, [u8]>> {
        let text = args.get(at).map_or(Ok(None), |id| self.text(*id))?;
        text.ok_or(Reason::Missing.into())
    }
}

fn has_body(method: &str) -> bool {
    matches!(method, "PUT" | "POST")
}

fn visible(value: &HeaderValue) -> Step<Box<str>> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| Reason::HeaderValue)?;
    Ok(text.into())
}
