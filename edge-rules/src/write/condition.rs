//! Conditions and templates of the `when` spelling.

use std::fmt::Write;

use crate::field::{FIELDS, HEADERS, Keyed, LISTS};
use crate::functions::Function;
use crate::tree::{Expr, Kind, Members};

/// How tightly a part of a condition binds; what binds less stands in parentheses.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Any,
    All,
    Not,
}

/// The condition as it is written in `when`.
pub(crate) fn condition(expr: &Expr) -> String {
    let mut out = String::new();
    truth(&mut out, expr, Level::Any);
    out
}

/// The condition on several lines: what `and` and `or` join begins lines of its own where a line
/// would have more than `width` columns.
pub(super) fn lines(expr: &Expr, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    spread(&mut lines, "    ".into(), expr, Level::Any, width);
    lines
}

/// Writes a part behind what stands before it on its line.
fn spread(lines: &mut Vec<String>, head: String, expr: &Expr, level: Level, width: usize) {
    let mut line = head.clone();
    truth(&mut line, expr, level);
    if line.chars().count() <= width {
        return lines.push(line);
    }
    let (parts, own, within, word) = match &expr.kind {
        Kind::Call(Function::Any, parts) => (parts, Level::Any, Level::All, "or "),
        Kind::Call(Function::All, parts) => (parts, Level::All, Level::Not, "and "),
        Kind::Call(Function::Not, parts) => match parts.as_slice() {
            [inner] if is_joined(inner) => {
                return spread(lines, head + "not ", inner, Level::Not, width);
            }
            _ => return lines.push(line),
        },
        _ => return lines.push(line),
    };
    let margin = head.len() - head.trim_start().len();
    let nested = level > own;
    let indent = " ".repeat(if nested { margin + 4 } else { margin });
    let mut first = if nested { indent.clone() } else { head.clone() };
    if nested {
        lines.push(head + "(");
    }
    for part in parts {
        spread(
            lines,
            std::mem::replace(&mut first, format!("{indent}{word}")),
            part,
            within,
            width,
        );
    }
    if nested {
        lines.push(format!("{:margin$})", ""));
    }
}

fn is_joined(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Call(Function::Any | Function::All, _))
}

/// A text of an action, with its expressions between braces.
pub(crate) fn template(expr: &Expr) -> String {
    let Kind::Join(parts) = &expr.kind else {
        return match &expr.kind {
            Kind::Text(text) => doubled(text),
            _ => embedded(expr),
        };
    };
    let mut out = String::new();
    let mut after_text = false;
    for part in parts {
        // Two texts side by side were not one, so the second is an expression.
        match &part.kind {
            Kind::Text(text) if !after_text && !text.is_empty() => out.push_str(&doubled(text)),
            _ => out.push_str(&embedded(part)),
        }
        after_text = matches!(part.kind, Kind::Text(_));
    }
    out
}

fn doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn embedded(expr: &Expr) -> String {
    let mut out = String::from("{");
    operand(&mut out, expr);
    out.push('}');
    out
}

fn truth(out: &mut String, expr: &Expr, level: Level) {
    let (parts, own, word) = match &expr.kind {
        Kind::Call(Function::Any, parts) => (parts, Level::Any, " or "),
        Kind::Call(Function::All, parts) => (parts, Level::All, " and "),
        Kind::Call(Function::Not, parts) => return negation(out, parts),
        _ => return comparison(out, expr),
    };
    let within = if own == Level::Any { Level::All } else { Level::Not };
    out.push_str(if level > own { "(" } else { "" });
    for (number, part) in parts.iter().enumerate() {
        out.push_str(if number == 0 { "" } else { word });
        truth(out, part, within);
    }
    out.push_str(if level > own { ")" } else { "" });
}

fn negation(out: &mut String, parts: &[Expr]) {
    match parts {
        [Expr { kind: Kind::Call(Function::Equal, sides), .. }] if sides.len() == 2 => {
            infix(out, sides, "ne");
        }
        _ => {
            out.push_str("not ");
            for part in parts {
                truth(out, part, Level::Not);
            }
        }
    }
}

fn comparison(out: &mut String, expr: &Expr) {
    match &expr.kind {
        Kind::In(value, members) => {
            operand(out, value);
            out.push_str(" in {");
            self::members(out, members);
            out.push('}');
        }
        Kind::Call(function, args) => match sign(*function) {
            Some(sign) => infix(out, args, sign),
            None => operand(out, expr),
        },
        _ => operand(out, expr),
    }
}

/// The operator that a function is written as, if it is one.
fn sign(function: Function) -> Option<&'static str> {
    Some(match function {
        Function::Equal => "eq",
        Function::Less => "lt",
        Function::LessEqual => "le",
        Function::Greater => "gt",
        Function::GreaterEqual => "ge",
        Function::Contains => "contains",
        Function::Match => "matches",
        Function::Wildcard => "wildcard",
        Function::StrictWildcard => "strict wildcard",
        _ => return None,
    })
}

fn infix(out: &mut String, sides: &[Expr], sign: &str) {
    for (number, side) in sides.iter().take(2).enumerate() {
        if number == 1 {
            let _ = write!(out, " {sign} ");
        }
        operand(out, side);
    }
}

fn members(out: &mut String, members: &Members) {
    let written: Vec<String> = match members {
        Members::Texts(texts) => texts.iter().map(|text| quoted(text)).collect(),
        Members::Numbers(ranges) => ranges.iter().map(range).collect(),
        Members::Networks(networks) => networks.iter().map(ToString::to_string).collect(),
    };
    out.push_str(&written.join(" "));
}

fn range((first, last): &(f64, f64)) -> String {
    if first == last { first.to_string() } else { format!("{first}..{last}") }
}

fn operand(out: &mut String, expr: &Expr) {
    match &expr.kind {
        Kind::Text(text) => out.push_str(&quoted(text)),
        Kind::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Kind::Truth(truth) => {
            let _ = write!(out, "{truth}");
        }
        Kind::Network(network) => {
            let _ = write!(out, "{network}");
        }
        Kind::Fact(field) => {
            let name = FIELDS.iter().find(|(_, known)| known == field).map_or("", |(name, _)| name);
            out.push_str(name);
        }
        Kind::Listed(list, key) => listed(out, *list, key),
        Kind::Call(function, args) => {
            out.push_str(function.signature().when);
            out.push('(');
            for (number, arg) in args.iter().enumerate() {
                out.push_str(if number == 0 { "" } else { ", " });
                operand(out, arg);
            }
            out.push(')');
        }
        // The other kinds are those of the `$` spelling.
        _ => {}
    }
}

fn listed(out: &mut String, list: Keyed, key: &str) {
    let alias = HEADERS.iter().find(|(_, header)| header.eq_ignore_ascii_case(key));
    if let Some((alias, _)) = alias.filter(|_| list == Keyed::Header) {
        return out.push_str(alias);
    }
    let name = LISTS.iter().find(|(_, known)| *known == list).map_or("", |(name, _)| name);
    let _ = write!(out, "{name}[{}]", quoted(key));
}

/// A text between quotes; where something would need an escape, a raw one.
fn quoted(text: &str) -> String {
    if !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    // More hashes than any run of them behind a quote.
    let runs = text.split('"').skip(1);
    let longest = runs.map(|rest| rest.bytes().take_while(|byte| *byte == b'#').count() + 1).max();
    let hashes = "#".repeat(longest.unwrap_or(0));
    if hashes.len() > 255 {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    format!("r{hashes}\"{text}\"{hashes}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;
    use crate::document::Reader;

    fn again(text: &str) -> String {
        let source = format!("when = '''{text}'''");
        let document = crate::document::parse(&source).unwrap();
        let reader = Reader { source: &source, limits: &Limits::default() };
        let value = document.get_ref().get("when").unwrap();
        condition(&reader.condition(value).unwrap())
    }

    #[test]
    fn wide_conditions_take_lines() {
        let text = "ssl or not (ssl and (ssl or ssl)) and ssl";
        let source = format!("when = '{text}'");
        let document = crate::document::parse(&source).unwrap();
        let reader = Reader { source: &source, limits: &Limits::default() };
        let expr = reader.condition(document.get_ref().get("when").unwrap()).unwrap();
        let narrow = lines(&expr, 20).join("\n");
        assert_eq!(
            narrow,
            "    ssl\n    or not (\n        ssl\n        and (\n            ssl\n            or ssl\n        )\n    )\n    and ssl"
        );
        assert_eq!(again(&narrow), text);
        assert_eq!(lines(&expr, 80), [format!("    {text}")]);
    }

    #[test]
    fn conditions_are_written_with_few_parentheses() {
        for (text, canonical) in [
            ("(http.host  eq\n\"a\")", "http.host eq \"a\""),
            ("!ssl&&(ssl || ssl && ssl)", "not ssl and (ssl or ssl and ssl)"),
            ("(ssl and ssl) and ssl", "(ssl and ssl) and ssl"),
            ("not (http.host == \"a\")", "http.host ne \"a\""),
            ("not not ssl", "not not ssl"),
            ("not (ssl and ssl)", "not (ssl and ssl)"),
            ("ip.src eq 192.0.2.7", "ip.src in {192.0.2.7}"),
            (
                "ip.src in {::/0,192.0.2.9/24 0.0.0.0/0 2001:DB8::/32}",
                "ip.src in {::/0 192.0.2.0/24 0.0.0.0/0 2001:db8::/32}",
            ),
            ("ip.src.asnum in { 1 , 2..2 3..4}", "ip.src.asnum in {1 2 3..4}"),
            ("ip.src.asnum>=-1.50", "ip.src.asnum ge -1.5"),
            ("http.request.headers[\"Referer\"] ~ \"\\\\.a\"", "http.referer matches r\"\\.a\""),
            ("http.host eq r##\"a\"#\\\"##", "http.host eq r##\"a\"#\\\"##"),
            ("ip_in(ip.src,\"::1\")", "ip_in(ip.src, \"::1\")"),
            ("ssl ne true", "ssl ne true"),
            ("http.host strict  wildcard \"*\"", "http.host strict wildcard \"*\""),
        ] {
            assert_eq!(again(text), canonical);
            assert_eq!(again(canonical), canonical);
        }
    }
}
