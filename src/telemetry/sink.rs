//! Where the lines of the access log go: standard output or a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where lines go.
pub(super) enum Sink {
    Stdout,
    File {
        path: PathBuf,
        file: File,
        /// The last write may have ended within a line.
        torn: bool,
    },
}

impl Sink {
    /// Opens the file for appending.
    pub(super) fn open(path: &Path) -> io::Result<Sink> {
        if path == Path::new("stdout") {
            return Ok(Sink::Stdout);
        }
        // Addresses of people are in it: not for everyone to read.
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        Ok(Sink::File { path: path.to_owned(), file, torn: false })
    }

    /// Opens the file anew; the old one is kept when that fails.
    pub(super) fn reopen(&mut self) {
        if let Sink::File { path, .. } = self {
            match Sink::open(path) {
                Ok(sink) => *self = sink,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(),
                        "the access log cannot be opened anew; the old file is kept");
                }
            }
        }
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Sink::File { file, torn, .. } => {
                if *torn {
                    file.write_all(b"\n")?;
                }
                let written = file.write_all(lines);
                *torn = written.is_err();
                written
            }
        }
    }
}
