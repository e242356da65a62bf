//! Functions that make values. A missing argument makes the result missing; a wrong one fails.

use std::borrow::Cow;

use super::{Evaluator, Step, Value};
use crate::functions::{Function, codec, numbers, strings, time};
use crate::program::NodeId;
use crate::trace::Reason;

impl<'a> Evaluator<'a, '_, '_> {
    pub(super) fn pure(&mut self, function: Function, args: &[NodeId]) -> Step<Value<'a>> {
        match function {
            Function::Add
            | Function::Subtract
            | Function::Multiply
            | Function::Divide
            | Function::Modulo => self.arithmetic(function, args),
            Function::Floor => self.rounded(args, f64::floor),
            Function::Ceil => self.rounded(args, f64::ceil),
            Function::RandomInteger => self.random_integer(args),
            Function::UnixTime => self.unix_time(args),
            Function::FormatTime => self.format_time(args),
            Function::Default => self.or_default(args),
            Function::Concat => self.concat(args),
            Function::Group => self.group_of(args),
            Function::HostLabel => {
                let number = self.argument_number(args, 0)?;
                Ok(number.map_or(Value::Missing, |number| self.label(number.max(0.0) as usize)))
            }
            Function::RandomText => {
                let Some(letters) = self.argument_number(args, 0)? else {
                    return Ok(Value::Missing);
                };
                if !(1.0..=32.0).contains(&letters) {
                    return Err(Reason::OutOfRange.into());
                }
                Ok(self.random_text(letters as usize))
            }
            _ => self.of_text(function, args),
        }
    }

    /// The functions whose first argument is a text.
    fn of_text(&mut self, function: Function, args: &[NodeId]) -> Step<Value<'a>> {
        let Some(text) = self.argument_text(args, 0)? else {
            return self.ignored(args);
        };
        self.spend(weight(function) * text.len())?;
        let made = match function {
            Function::Lower => return Ok(Value::Text(strings::lower(text))),
            Function::Upper => return Ok(Value::Text(strings::upper(text))),
            Function::Len => return Ok(Value::Number(text.len() as f64)),
            Function::Byte => {
                let first = text.first().copied().ok_or(Reason::Empty)?;
                return Ok(Value::Number(f64::from(first)));
            }
            Function::ToNumber => return Ok(Value::Number(numbers::read(&text)?)),
            Function::Unescape => return Ok(Value::Text(codec::unescape(text)?)),
            Function::Sub | Function::Substring => return self.part(function, text, args),
            Function::Gsub => return self.replace(text, args),
            Function::Int => return self.convert(&text, args),
            Function::EncodeBase64 => {
                self.room(text.len() / 3 * 4 + 4)?;
                codec::encode_base64(&text)
            }
            Function::DecodeBase64 => codec::decode_base64(&text)?,
            Function::Escape => {
                self.room(text.len())?;
                codec::escape(&text)
            }
            Function::Md5 => codec::hex(&codec::md5(&text)),
            Function::Md5Bin => codec::md5(&text).to_vec(),
            _ => return Ok(Value::Missing),
        };
        self.made(made)
    }

    fn arithmetic(&mut self, function: Function, args: &[NodeId]) -> Step<Value<'a>> {
        let (a, b) = (self.argument_number(args, 0)?, self.argument_number(args, 1)?);
        let Some((a, b)) = a.zip(b) else { return Ok(Value::Missing) };
        let result = match function {
            Function::Add => numbers::finite(a + b),
            Function::Subtract => numbers::finite(a - b),
            Function::Multiply => numbers::finite(a * b),
            Function::Divide => numbers::divide(a, b),
            _ => numbers::modulo(a, b),
        };
        Ok(Value::Number(result?))
    }

    fn rounded(&mut self, args: &[NodeId], round: fn(f64) -> f64) -> Step<Value<'a>> {
        let number = self.argument_number(args, 0)?;
        Ok(number.map_or(Value::Missing, |number| Value::Number(round(number))))
    }

    fn part(
        &mut self,
        function: Function,
        text: Cow<'a, [u8]>,
        args: &[NodeId],
    ) -> Step<Value<'a>> {
        let from = self.argument_number(args, 1)?;
        let to = match args.get(2) {
            Some(id) => self.number(*id)?,
            None => Some(text.len() as f64),
        };
        let Some((from, to)) = from.zip(to) else { return Ok(Value::Missing) };
        Ok(Value::Text(match function {
            Function::Sub => strings::sub(text, from, to),
            _ => strings::substring(text, from, to),
        }))
    }

    fn replace(&mut self, text: Cow<'a, [u8]>, args: &[NodeId]) -> Step<Value<'a>> {
        let (find, by) = (self.argument_text(args, 1)?, self.argument_text(args, 2)?);
        let most = match self.optional_number(args, 3)? {
            Some(most) if most >= 0.0 => most as usize,
            _ => usize::MAX,
        };
        let Some((find, by)) = find.zip(by) else { return Ok(Value::Missing) };
        let places = (text.len() / find.len().max(1)).min(most);
        self.spend_steps(u32::try_from(places).unwrap_or(u32::MAX))?;
        let room = self.env.budget.text_bytes.min(self.made);
        let replaced = strings::replace(text, &find, &by, most, room).ok_or(Reason::LongText)?;
        if let Cow::Owned(made) = &replaced {
            self.make(made.len())?;
        }
        Ok(Value::Text(replaced))
    }

    fn convert(&mut self, text: &[u8], args: &[NodeId]) -> Step<Value<'a>> {
        let from = self.optional_number(args, 1)?.unwrap_or(10.0);
        let to = self.optional_number(args, 2)?.unwrap_or(10.0);
        self.made(numbers::convert(text, from, to)?.into_bytes())
    }

    fn random_integer(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let Some(first) = self.argument_number(args, 0)? else { return Ok(Value::Missing) };
        let (low, high) = match self.optional_number(args, 1)? {
            Some(second) => (first, second),
            None => (0.0, first),
        };
        let bits = (self.env.random)();
        Ok(Value::Number(numbers::random(low, high, bits)?))
    }

    fn unix_time(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let mut parts = [0.0; 6];
        for (at, part) in parts.iter_mut().enumerate() {
            match self.argument_number(args, at)? {
                Some(number) => *part = number,
                None => return Ok(Value::Missing),
            }
        }
        Ok(Value::Number(time::unix_time(parts, self.env.zone)?))
    }

    fn format_time(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let time = self.argument_number(args, 0)?;
        let separator = self.argument_text(args, 1)?.unwrap_or_default();
        let separator = std::str::from_utf8(&separator).map_err(|_| Reason::OutOfRange)?;
        let Some(time) = time else { return Ok(Value::Missing) };
        self.room(4 * separator.len())?;
        self.made(time::format_time(time, separator, self.env.zone)?.into_bytes())
    }

    fn or_default(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let [value, default, ..] = args else { return Ok(Value::Missing) };
        match self.value(*value)? {
            Value::Missing => self.value(*default),
            value => Ok(value),
        }
    }

    fn concat(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let mut joined = Vec::new();
        for id in args {
            let Some(text) = self.text(*id)? else { return Ok(Value::Missing) };
            self.make(joined.len() + text.len())?;
            joined.extend_from_slice(&text);
        }
        Ok(Value::Text(Cow::Owned(joined)))
    }

    /// The remaining arguments are evaluated though the first is missing: they may act.
    fn ignored(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        for id in args.iter().skip(1) {
            self.value(*id)?;
        }
        Ok(Value::Missing)
    }

    fn argument_text(&mut self, args: &[NodeId], at: usize) -> Step<Option<Cow<'a, [u8]>>> {
        args.get(at).map_or(Ok(None), |id| self.text(*id))
    }

    fn argument_number(&mut self, args: &[NodeId], at: usize) -> Step<Option<f64>> {
        args.get(at).map_or(Ok(None), |id| self.number(*id))
    }

    /// A number that may be left out, missing or empty.
    fn optional_number(&mut self, args: &[NodeId], at: usize) -> Step<Option<f64>> {
        match args.get(at).map_or(Ok(Value::Missing), |id| self.value(*id))? {
            Value::Text(text) if text.is_empty() => Ok(None),
            value => Ok(value.into_number()?),
        }
    }

    /// Fails before a text is made that is too long.
    fn room(&self, bytes: usize) -> Step<()> {
        if bytes > self.env.budget.text_bytes { Err(Reason::LongText.into()) } else { Ok(()) }
    }
}

/// How much longer a function takes for a byte than looking at it does.
fn weight(function: Function) -> usize {
    match function {
        Function::Md5 | Function::Md5Bin | Function::Escape => 8,
        Function::Unescape => 16,
        Function::EncodeBase64 | Function::DecodeBase64 => 4,
        _ => 1,
    }
}
