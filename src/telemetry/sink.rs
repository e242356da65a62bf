//! Where the lines of the access log go: standard output or a file, which may be closed and begun
//! anew by the hour, the day or its size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::archive::{Archive, Keeper};
use super::settings::{AccessLogSettings, Every, Rotate};
use super::zone::Zone;
use crate::clock::Timestamp;

/// How long a file that could not be closed is written on before that is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where lines go.
pub(super) enum Sink {
    Stdout,
    File(Box<LogFile>),
}

/// An open file.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether the last write may have ended within a line.
    torn: bool,
    turns: Option<Turns>,
}

/// When a file is closed, and what becomes of it then.
struct Turns {
    settings: Rotate,
    zone: Zone,
    archive: Archive,
    keeper: Keeper,
    /// The hour or day that the lines in the file are of.
    period: u64,
    /// Not tried before.
    next: Timestamp,
}

impl Sink {
    /// Opens the file for appending. Fails when that cannot be done, or the thread for closed files
    /// cannot be started.
    pub(super) fn open(settings: &AccessLogSettings, now: Timestamp) -> io::Result<Sink> {
        if settings.path == Path::new("stdout") {
            return Ok(Sink::Stdout);
        }
        let mut file = LogFile::open(&settings.path)?;
        if settings.rotate.is_on() && file.file.metadata()?.is_file() {
            file.turns = Some(Turns::new(settings, &file, now)?);
        }
        Ok(Sink::File(Box::new(file)))
    }

    /// Opens the file anew, after somebody has moved it away; the old one is kept when that fails.
    pub(super) fn reopen(&mut self, now: Timestamp) {
        let Sink::File(log) = self else { return };
        match LogFile::open(&log.path) {
            Ok(fresh) => log.go_on_in(fresh, now),
            Err(error) => tracing::error!(%error, path = %log.path.display(),
                "the access log cannot be opened anew; the old file is kept"),
        }
    }

    /// Closes the file and begins another if it is time, or if there is no room for `more` bytes.
    pub(super) fn turn(&mut self, more: usize, now: Timestamp) {
        let Sink::File(log) = self else { return };
        let is_due = log.turns.as_ref().is_some_and(|turns| turns.are_due(log.length, more, now));
        if is_due && let Err(error) = log.begin_anew(now) {
            tracing::error!(%error, path = %log.path.display(),
                "the access log cannot be closed and begun anew; the old file is written on");
            if let Some(turns) = &mut log.turns {
                turns.next = now.plus(PATIENCE);
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
            Sink::File(log) => log.write(lines),
        }
    }
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        // Addresses of people are in it: not for everyone to read.
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        let metadata = file.metadata()?;
        let length = if metadata.is_file() { metadata.len() } else { 0 };
        // What ended the process before may have ended its last line too.
        let torn = length > 0 && last_byte(path).is_ok_and(|byte| byte != b'\n');
        Ok(LogFile { path: path.to_owned(), file, length, torn, turns: None })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.length += 1;
        }
        let written = self.file.write_all(lines);
        self.torn = written.is_err();
        self.length += lines.len() as u64;
        written
    }

    /// Gives the file the name of a closed one and begins another. Nothing changes when that fails.
    fn begin_anew(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(turns) = &self.turns else { return Ok(()) };
        // The new one comes first, so that there is never nowhere to write to.
        let mut next = self.path.as_os_str().to_owned();
        next.push(".next");
        let next = PathBuf::from(next);
        let fresh = LogFile::open(&next)?;
        let closed = turns.archive.name_for(now);
        let moved = match fs::rename(&self.path, &closed) {
            // Somebody has moved it away and not said so.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            moved => moved,
        };
        if let Err(error) = moved.and_then(|()| fs::rename(&next, &self.path)) {
            // As far as that can be, all is as it was.
            let _ = (fs::rename(&closed, &self.path), fs::remove_file(&next));
            return Err(error);
        }
        turns.keeper.wake();
        self.go_on_in(fresh, now);
        Ok(())
    }

    fn go_on_in(&mut self, fresh: LogFile, now: Timestamp) {
        let (path, turns) = (std::mem::take(&mut self.path), self.turns.take());
        *self = LogFile { path, turns, ..fresh };
        if let Some(turns) = &mut self.turns {
            turns.period = turns.period_of(now);
        }
    }
}

impl Turns {
    fn new(settings: &AccessLogSettings, file: &LogFile, now: Timestamp) -> io::Result<Turns> {
        let archive = Archive::new(&settings.path, &settings.rotate);
        let keeper = archive.clone().start()?;
        let (zone, settings) = (settings.time_zone, settings.rotate.clone());
        let mut turns = Turns { settings, zone, archive, keeper, period: 0, next: Timestamp(0) };
        // Lines that an earlier process wrote are of the time when it wrote the last of them.
        let modified = file.file.metadata()?.modified()?.duration_since(UNIX_EPOCH);
        let last = Timestamp(0).plus(modified.unwrap_or_default());
        turns.period = turns.period_of(if file.length > 0 { last } else { now });
        Ok(turns)
    }

    fn are_due(&self, length: u64, more: usize, now: Timestamp) -> bool {
        let most = self.settings.size.0;
        let full = most > 0 && length.saturating_add(more as u64) > most;
        length > 0 && now >= self.next && (full || self.period_of(now) > self.period)
    }

    fn period_of(&self, time: Timestamp) -> u64 {
        let seconds = self.zone.shown(time).seconds();
        match self.settings.every {
            Every::Never => 0,
            Every::Hour => seconds / 3600,
            Every::Day => seconds / 86_400,
        }
    }
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut bytes = [0];
    file.read_exact(&mut bytes)?;
    let [byte] = bytes;
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Size;

    const HOUR: u64 = 3_600_000;

    fn settings(folder: &Path, rotate: Rotate) -> AccessLogSettings {
        let time_zone = "+05:30".parse().unwrap();
        let path = folder.join("log");
        AccessLogSettings { path, time_zone, rotate, ..AccessLogSettings::default() }
    }

    fn rotate(every: Every, size: u64) -> Rotate {
        Rotate { every, size: Size(size), gzip: false, keep: 1000 }
    }

    fn contents(folder: &Path) -> Vec<String> {
        let mut paths: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Closed files sort before the open one when that is put last.
        paths.sort_by_key(|path| (path.ends_with("log"), path.clone()));
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn put(sink: &mut Sink, line: &str, now: Timestamp) {
        sink.turn(line.len(), now);
        sink.write(line.as_bytes()).unwrap();
    }

    #[test]
    fn each_hour_and_each_day_of_the_zone_has_its_file() {
        // Half an hour past one and past midnight of UTC, where the zone's hours begin.
        for (every, step) in [(Every::Hour, HOUR), (Every::Day, 24 * HOUR)] {
            let folder = tempfile::tempdir().unwrap();
            let start = Timestamp(20_000 * 24 * HOUR + 18 * HOUR + HOUR / 2);
            let at = |offset: i64| Timestamp(start.0.saturating_add_signed(offset));
            let mut sink = Sink::open(&settings(folder.path(), rotate(every, 0)), at(0)).unwrap();
            put(&mut sink, "first\n", at(0));
            put(&mut sink, "second\n", at(step as i64 - 1));
            put(&mut sink, "third\n", at(step as i64));
            // Nobody asks for anything for a long time.
            sink.turn(0, at(5 * step as i64));
            sink.turn(0, at(9 * step as i64));
            put(&mut sink, "fourth\n", at(9 * step as i64));
            assert_eq!(contents(folder.path()), ["first\nsecond\n", "third\n", "fourth\n"]);
        }
    }

    #[test]
    fn no_file_is_larger_than_it_may_be_and_no_line_is_cut_or_lost() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), rotate(Every::Never, 100));
        let mut sink = Sink::open(&settings, Timestamp(5)).unwrap();
        let lines: Vec<String> =
            (0..200).map(|n| format!("line {n} {}\n", "x".repeat(n % 40))).collect();
        lines.iter().for_each(|line| put(&mut sink, line, Timestamp(5)));
        let found = contents(folder.path());
        assert!(found.len() > 10 && found.iter().all(|text| text.len() <= 100));
        assert!(found.iter().all(|text| text.ends_with('\n')));
        assert_eq!(found.concat(), lines.concat());
        // A line that is larger than a file may be has one for itself.
        put(&mut sink, &format!("{}\n", "y".repeat(300)), Timestamp(5));
        put(&mut sink, "z\n", Timestamp(5));
        let found = contents(folder.path());
        assert_eq!(
            (found.iter().map(String::len).max(), found.last().unwrap().as_str()),
            (Some(301), "z\n")
        );
    }

    #[test]
    fn what_an_earlier_process_wrote_yesterday_is_closed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "old\nto").unwrap();
        let now = Timestamp(0).plus(
            fs::metadata(&path).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap(),
        );
        let settings = settings(folder.path(), rotate(Every::Day, 0));
        let mut sink = Sink::open(&settings, now).unwrap();
        put(&mut sink, "same day\n", now);
        // The line that the end of the process cut is no part of the next one.
        assert_eq!(contents(folder.path()), ["old\nto\nsame day\n"]);
        drop(sink);
        let tomorrow = now.plus(Duration::from_secs(86_400));
        let mut sink = Sink::open(&settings, tomorrow).unwrap();
        put(&mut sink, "new\n", tomorrow);
        assert_eq!(contents(folder.path()), ["old\nto\nsame day\n", "new\n"]);
    }

    #[test]
    fn a_file_that_cannot_be_closed_is_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), rotate(Every::Hour, 0));
        let mut sink = Sink::open(&settings, Timestamp(0)).unwrap();
        put(&mut sink, "one\n", Timestamp(0));
        fs::create_dir(folder.path().join("log.next")).unwrap();
        put(&mut sink, "two\n", Timestamp(2 * HOUR));
        assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "one\ntwo\n");
        fs::remove_dir(folder.path().join("log.next")).unwrap();
        put(&mut sink, "three\n", Timestamp(2 * HOUR + 1));
        put(&mut sink, "four\n", Timestamp(2 * HOUR + 60_000));
        assert_eq!(contents(folder.path()), ["one\ntwo\nthree\n", "four\n"]);
    }

    #[test]
    fn one_that_somebody_moved_away_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), rotate(Every::Hour, 0));
        let mut sink = Sink::open(&settings, Timestamp(0)).unwrap();
        put(&mut sink, "one\n", Timestamp(0));
        fs::rename(folder.path().join("log"), folder.path().join("a-mine")).unwrap();
        put(&mut sink, "two\n", Timestamp(HOUR));
        fs::rename(folder.path().join("log"), folder.path().join("b-mine")).unwrap();
        sink.reopen(Timestamp(HOUR));
        put(&mut sink, "three\n", Timestamp(HOUR));
        assert_eq!(contents(folder.path()), ["one\n", "two\n", "three\n"]);
    }
}
