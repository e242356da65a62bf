//! Functions that decide: they look at no more arguments than they need.

use core::net::IpAddr;

use super::{Evaluator, Step, Stop, Value};
use crate::address;
use crate::functions::{Function, Type, strings};
use crate::program::{Node, NodeId, Set};

impl<'a> Evaluator<'a, '_, '_> {
    /// The value of a condition or a selection; none if the function is neither.
    pub(super) fn condition(
        &mut self,
        function: Function,
        args: &[NodeId],
    ) -> Step<Option<Value<'a>>> {
        if function.signature().result == Type::Truth {
            return Ok(Some(Value::Truth(self.truth_of(function, args)?)));
        }
        match function {
            Function::When => {
                if self.all(args)? {
                    Ok(Some(super::NOTHING))
                } else {
                    Err(Stop::Unmatched)
                }
            }
            Function::Or => Ok(Some(self.first_true(args)?.unwrap_or(Value::Missing))),
            Function::Select => self.select(args).map(Some),
            Function::Pcall => self.protected(args).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a value is true; what can only be true or false is not made a value first.
    fn truth(&mut self, id: NodeId) -> Step<bool> {
        match self.program.node(id) {
            Node::Call(function, list) if function.signature().is_plain_truth(list.len) => {
                self.spend(0)?;
                let args = self.program.list(list);
                self.truth_of(function, args).map_err(|stop| super::named(stop, function))
            }
            _ => Ok(self.value(id)?.is_true()),
        }
    }

    /// The functions that are true or false.
    fn truth_of(&mut self, function: Function, args: &[NodeId]) -> Step<bool> {
        Ok(match function {
            Function::All => !args.is_empty() && self.all(args)?,
            Function::Any => self.first_true(args)?.is_some(),
            _ => match (function, args) {
                (Function::Not, [value]) => !self.truth(*value)?,
                (Function::Exists, [value]) => self.value(*value)? != Value::Missing,
                (Function::Equal, [a, b]) => self.equal(*a, *b)?,
                (Function::Greater, [a, b]) => self.compare(*a, *b, |a, b| a > b)?,
                (Function::GreaterEqual, [a, b]) => self.compare(*a, *b, |a, b| a >= b)?,
                (Function::Less, [a, b]) => self.compare(*a, *b, |a, b| a < b)?,
                (Function::LessEqual, [a, b]) => self.compare(*a, *b, |a, b| a <= b)?,
                (Function::Match, [text, pattern]) => self.is_match(*text, *pattern, None)?,
                (Function::Match, [text, pattern, flag]) => {
                    self.is_match(*text, *pattern, Some(*flag))?
                }
                (Function::Contains, [a, b]) => self.both(*a, *b, strings::contains)?,
                (Function::StartsWith, [a, b]) => self.both(*a, *b, <[u8]>::starts_with)?,
                (Function::EndsWith, [a, b]) => self.both(*a, *b, <[u8]>::ends_with)?,
                (Function::Wildcard, [a, b]) => self.fits(*a, *b, false)?,
                (Function::StrictWildcard, [a, b]) => self.fits(*a, *b, true)?,
                _ => false,
            },
        })
    }

    fn all(&mut self, args: &[NodeId]) -> Step<bool> {
        for id in args {
            if !self.truth(*id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn first_true(&mut self, args: &[NodeId]) -> Step<Option<Value<'a>>> {
        for id in args {
            let value = self.value(*id)?;
            if value.is_true() {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn select(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let [condition, yes, no] = args else { return Ok(Value::Missing) };
        let chosen = if self.truth(*condition)? { yes } else { no };
        self.value(*chosen)
    }

    /// The value of the argument, or the empty text where it fails or is missing.
    fn protected(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let [protected] = args else { return Ok(super::NOTHING) };
        match self.value(*protected) {
            Ok(Value::Missing) | Err(Stop::Failed(_)) => Ok(super::NOTHING),
            other => other,
        }
    }

    fn equal(&mut self, a: NodeId, b: NodeId) -> Step<bool> {
        let (a, b) = (self.value(a)?, self.value(b)?);
        match (&a, &b) {
            // Texts of different lengths are not looked at.
            (Value::Text(a), Value::Text(b)) if a.len() == b.len() => self.spend(a.len())?,
            (Value::Text(_), other) | (other, Value::Text(_)) => self.spend_written(other)?,
            _ => {}
        }
        Ok(a.equals(&b))
    }

    fn compare(&mut self, a: NodeId, b: NodeId, holds: fn(f64, f64) -> bool) -> Step<bool> {
        let (a, b) = (self.number(a)?, self.number(b)?);
        Ok(a.zip(b).is_some_and(|(a, b)| holds(a, b)))
    }

    fn both(&mut self, a: NodeId, b: NodeId, holds: fn(&[u8], &[u8]) -> bool) -> Step<bool> {
        let (Some(a), Some(b)) = (self.text(a)?, self.text(b)?) else { return Ok(false) };
        self.spend(4 * (a.len() + b.len()))?;
        Ok(holds(&a, &b))
    }

    fn fits(&mut self, text: NodeId, shape: NodeId, case: bool) -> Step<bool> {
        let (Some(text), Some(shape)) = (self.text(text)?, self.text(shape)?) else {
            return Ok(false);
        };
        self.spend(8 * (text.len() + shape.len()))?;
        Ok(strings::wildcard(&text, &shape, case))
    }

    pub(super) fn is_in(&mut self, value: NodeId, set: u32) -> Step<bool> {
        let value = self.value(value)?;
        if let Value::Text(text) = &value {
            self.spend(text.len())?;
        }
        let program = self.program;
        Ok(match (program.sets.get(set as usize), value) {
            (Some(Set::Networks(networks)), Value::Address(address)) => {
                address::holds(networks, address)
            }
            (Some(Set::Numbers(ranges)), Value::Number(number)) => {
                let after = ranges.partition_point(|(first, _)| *first <= number);
                let range = after.checked_sub(1).and_then(|at| ranges.get(at));
                range.is_some_and(|(_, last)| number <= *last)
            }
            (Some(Set::Texts(texts)), Value::Text(text)) => {
                let compare = |known: &_| program.text_of(*known).as_bytes().cmp(&text);
                texts.binary_search_by(compare).is_ok()
            }
            _ => false,
        })
    }

    pub(super) fn is_in_networks(&self, set: u32, address: IpAddr) -> bool {
        match self.program.sets.get(set as usize) {
            Some(Set::Networks(networks)) => address::holds(networks, address),
            _ => false,
        }
    }
}
