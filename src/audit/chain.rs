//! The chain: how a line is hashed, and how files of them are read.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Line;
use super::writer::{CLOSED, FILE};

/// What the first line names as the one before.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Between a line's fields and its hash.
const SEAM: &str = ",\"hash\":\"";
/// Behind it.
const END: &str = "\"}";

/// Where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The number that the first wrong line has, or should have.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// A line as it is written, without its end, and its hash.
pub(super) fn sealed(line: &Line) -> Result<(String, String), String> {
    let text = serde_json::to_string(line).map_err(|error| error.to_string())?;
    let hash = hash(&text);
    let open = text.strip_suffix('}').unwrap_or(&text);
    Ok((format!("{open}{SEAM}{hash}{END}"), hash))
}

/// Reads what [`sealed`] wrote, and checks its own hash.
pub(super) fn opened(written: &str) -> Result<(Line, String), String> {
    let (open, rest) = written.rsplit_once(SEAM).ok_or("it has no hash")?;
    let told = rest.strip_suffix(END).ok_or("it is cut")?;
    let text = format!("{open}}}");
    if hash(&text) != told {
        return Err("it was changed: its hash is another".into());
    }
    let line = serde_json::from_str(&text).map_err(|error| format!("it is no line: {error}"))?;
    Ok((line, told.to_owned()))
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of a log, the oldest first.
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut closed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(CLOSED.0).and_then(|rest| rest.strip_suffix(CLOSED.1));
        if let Some(number) = number.and_then(|it| it.parse::<u64>().ok()) {
            closed.push((number, path));
        }
    }
    closed.sort_unstable();
    let mut files: Vec<PathBuf> = closed.into_iter().map(|(_, path)| path).collect();
    let open = folder.join(FILE);
    files.extend(open.exists().then_some(open));
    Ok(files)
}

/// Looks at the whole chain in a folder; gives the number of its lines. What the oldest line names as
/// the one before may have gone.
///
/// # Errors
/// Where it is broken.
pub fn verify(folder: &Path) -> Result<u64, Broken> {
    let unread = |line, error: std::io::Error| Broken { line, why: error.to_string() };
    let mut count = 0;
    let mut last: Option<(u64, String)> = None;
    for path in files(folder).map_err(|error| unread(0, error))? {
        let file = fs::File::open(&path).map_err(|error| unread(0, error))?;
        for written in BufReader::new(file).lines() {
            let expected = last.as_ref().map_or(1, |(seq, _)| seq + 1);
            let written = written.map_err(|error| unread(expected, error))?;
            let (line, hash) = opened(&written).map_err(|why| Broken { line: expected, why })?;
            if let Some((seq, before)) = &last
                && (line.seq != seq + 1 || line.previous != *before)
            {
                let why = format!("it does not follow line {seq}");
                return Err(Broken { line: line.seq, why });
            }
            last = Some((line.seq, hash));
            count += 1;
        }
    }
    Ok(count)
}

/// The newest lines that are wanted, the newest first.
pub(super) fn newest(
    folder: &Path,
    most: usize,
    wanted: impl Fn(&Line) -> bool,
) -> Result<Vec<Line>, String> {
    let unread = |error: std::io::Error| format!("cannot read the audit log: {error}");
    let mut found = Vec::new();
    for path in files(folder).map_err(unread)?.into_iter().rev() {
        let text = fs::read_to_string(&path).map_err(unread)?;
        let lines = text.lines().rev().filter_map(|line| Some(opened(line).ok()?.0));
        found.extend(lines.filter(&wanted).take(most - found.len()));
        if found.len() == most {
            break;
        }
    }
    Ok(found)
}
