//! White space and comments of a TOML document: comments stay, what surrounds them is made even.

use toml_edit::{Array, Decor, InlineTable, RawString, Value};

use super::WIDTH;

/// Columns by which entries of a table or an array on several lines are set in.
const INDENT: usize = 4;

fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}

/// The lines of comments in white space, with one empty line where there were some between them.
fn comments(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    lines
}

/// The white space before the header of a table: an empty line, unless it is the first thing.
pub(super) fn before_header(decor: &mut Decor, is_first: bool) {
    let text = raw(decor.prefix());
    let mut made = String::from(if is_first { "" } else { "\n" });
    for line in comments(text) {
        made.push_str(line);
        made.push('\n');
    }
    decor.set_prefix(made);
    after(decor);
}

/// The white space behind a header or an entry: a comment at most.
pub(super) fn after(decor: &mut Decor) {
    let comment = raw(decor.suffix()).trim();
    let made = if comment.is_empty() { String::new() } else { format!(" {comment}") };
    decor.set_suffix(made);
}

/// The white space before the key of an entry that stands on a line of its own.
pub(super) fn before_key(decor: &mut Decor) {
    let text = raw(decor.prefix());
    let lines = comments(text).into_iter().filter(|line| !line.is_empty());
    let made: String = lines.map(|line| format!("{line}\n")).collect();
    decor.set_prefix(made);
    decor.set_suffix(" ");
}

/// What stands at the end of a document.
pub(super) fn at_end(text: &str, is_first: bool) -> String {
    let lines = comments(text);
    let made: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let made = made.trim_end();
    match (made.is_empty(), is_first) {
        (true, _) => String::new(),
        (false, true) => format!("{made}\n"),
        (false, false) => format!("\n{made}\n"),
    }
}

/// White space before an entry within brackets that stands on a line of its own.
fn own_line(text: &str, indent: usize) -> String {
    let mut made = String::new();
    for (number, line) in text.split('\n').map(str::trim).enumerate() {
        // A comment on the line of the entry before stays there.
        if number == 0 && !line.is_empty() {
            made.push(' ');
            made.push_str(line);
        } else if !line.is_empty() {
            made.push_str(&format!("\n{:indent$}{line}", ""));
        }
    }
    made.push_str(&format!("\n{:indent$}", ""));
    made
}

/// Whether an array or a table in braces is to stand on several lines.
fn is_spread<'v>(decors: impl Iterator<Item = &'v Decor>, trailing: &RawString) -> bool {
    let is_broken = |text: &str| text.contains(['\n', '#']);
    let mut decors = decors;
    is_broken(raw(Some(trailing)))
        || decors.any(|decor| is_broken(raw(decor.prefix())) || is_broken(raw(decor.suffix())))
}

/// What stands between a value and the next entry, without the comma, which comes first.
fn between(suffix: &str, prefix: &str) -> String {
    format!("{}{prefix}", suffix.trim_end_matches([' ', '\t', '\n', '\r']))
}

/// Lays out an array whose values are laid out already and whose line is set in by `indent`.
pub(super) fn array(array: &mut Array, indent: usize) {
    let written: Vec<String> = array.iter().map(|value| bare(value).to_string()).collect();
    let wide = indent + written.iter().map(|text| text.len() + 2).sum::<usize>() > WIDTH;
    let broken = wide || written.iter().any(|text| text.contains('\n'));
    let spread = is_spread(array.iter().map(Value::decor), array.trailing())
        || (broken && !array.is_empty());
    let mut comment = String::new();
    for (number, value) in array.iter_mut().enumerate() {
        let prefix = between(&comment, raw(value.decor().prefix()));
        comment = raw(value.decor().suffix()).into();
        let flat = if number == 0 { "" } else { " " };
        let prefix = if spread { own_line(&prefix, indent + INDENT) } else { flat.into() };
        *value.decor_mut() = Decor::new(prefix, "");
    }
    let trailing = between(&comment, raw(Some(array.trailing())));
    array.set_trailing(if spread { own_line(&trailing, indent) } else { String::new() });
    array.set_trailing_comma(spread && !array.is_empty());
}

fn bare(value: &Value) -> Value {
    let mut value = value.clone();
    value.decor_mut().clear();
    value
}

/// The keys with a value of a table in braces, which may be dotted.
fn leaves(table: &mut InlineTable, each: &mut impl FnMut(&mut Decor, &mut Decor)) {
    for (mut key, value) in table.iter_mut() {
        key.dotted_decor_mut().clear();
        match value {
            Value::InlineTable(inner) if inner.is_dotted() => leaves(inner, each),
            value => each(key.leaf_decor_mut(), value.decor_mut()),
        }
    }
}

/// By how much the entries of a table in braces are set in further than its own line.
pub(super) fn depth(table: &mut InlineTable) -> usize {
    let mut spread = is_spread(std::iter::empty(), table.trailing());
    leaves(table, &mut |key, value| {
        spread |= is_spread([&*key, &*value].into_iter(), &RawString::default());
    });
    if spread { INDENT } else { 0 }
}

/// Lays out a table in braces whose values are laid out already; its `depth` was asked before.
pub(super) fn inline_table(table: &mut InlineTable, indent: usize, depth: usize) {
    let (spread, count) = (depth > 0, table.get_values().len());
    let (mut number, mut comment) = (0, String::new());
    leaves(table, &mut |key, value| {
        number += 1;
        let prefix = between(&comment, raw(key.prefix()));
        comment = raw(value.suffix()).into();
        let prefix = if spread { own_line(&prefix, indent + depth) } else { " ".into() };
        *key = Decor::new(prefix, " ");
        *value = Decor::new(" ", if spread || number < count { "" } else { " " });
    });
    let trailing = between(&comment, raw(Some(table.trailing())));
    table.set_trailing(if spread { own_line(&trailing, indent) } else { String::new() });
    table.set_trailing_comma(spread && count > 0);
}
