//! Closed files of the access log: what they are called, how they are compressed, how many are kept.
//!
//! A closed file `access.log.STAMP` becomes `access.log.STAMP.gz`: it is compressed into
//! `access.log.STAMP.gz.part`, which gets its name once all of it is on disk, and then the plain one
//! goes. So whenever the process ends in between, what has the name is whole: a `.part` is thrown
//! away at the next start and a plain file beside its `.gz` too. A thread of its own does this, on
//! time that nothing else wants; the writer only tells it that there is something to do.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::ascii;
use super::settings::Rotate;
use crate::clock::Timestamp;

/// Everybody else comes first.
const NICE: i32 = 19;
/// How much of a file is compressed at a time.
const PIECE: usize = 256 << 10;

/// The closed files beside one log.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    folder: PathBuf,
    name: OsString,
    gzip: bool,
    keep: usize,
}

/// Wakes the thread that looks after closed files; it ends when this is gone.
#[derive(Debug)]
pub(super) struct Keeper(SyncSender<()>);

/// What there is of one closed file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Closed {
    plain: bool,
    whole: bool,
    part: bool,
}

impl Archive {
    /// The archive of the log at `path`.
    pub(super) fn new(path: &Path, settings: &Rotate) -> Archive {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Archive {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            name: path.file_name().unwrap_or_default().to_owned(),
            gzip: settings.gzip,
            keep: usize::try_from(settings.keep).unwrap_or(usize::MAX),
        }
    }

    /// What a file that is closed at `now` is called: a name that nothing has yet.
    pub(super) fn name_for(&self, now: Timestamp) -> PathBuf {
        let free = |time: &Timestamp| {
            let stamp = stamp(*time);
            !self.plain(&stamp).exists() && !self.whole(&stamp).exists()
        };
        let mut times = (0..1000).map(|later| Timestamp(now.0 + later));
        self.plain(&stamp(times.find(free).unwrap_or(now)))
    }

    /// Starts the thread that looks after closed files; it begins with what the last process left.
    pub(super) fn start(self) -> io::Result<Keeper> {
        // One order that waits is enough: all that is there is looked at.
        let (wake, woken) = mpsc::sync_channel(1);
        thread::Builder::new().name("log-archive".into()).spawn(move || self.run(&woken))?;
        Ok(Keeper(wake))
    }

    fn run(&self, woken: &Receiver<()>) {
        // Of this thread alone, as Linux has it.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!(%error, "logs are compressed at the usual priority");
        }
        loop {
            if let Err(error) = self.tidy() {
                tracing::error!(%error, folder = %self.folder.display(),
                    "closed files of the access log cannot be looked after");
            }
            if woken.recv().is_err() {
                return;
            }
        }
    }

    /// Finishes what was left half done, removes what is too old, compresses the rest. Goes on after
    /// a failure, and tells of the last.
    fn tidy(&self) -> io::Result<()> {
        let closed = self.closed()?;
        let surplus = closed.len().saturating_sub(self.keep);
        let mut done = Ok(());
        for (number, (stamp, found)) in closed.into_iter().enumerate() {
            if let Err(error) = self.settle(&stamp, found, number < surplus) {
                done = Err(error);
            }
        }
        done
    }

    fn settle(&self, stamp: &str, found: Closed, old: bool) -> io::Result<()> {
        let (plain, whole) = (self.plain(stamp), self.whole(stamp));
        if found.part {
            fs::remove_file(part_of(&whole))?;
        }
        if found.whole && old {
            fs::remove_file(&whole)?;
        }
        if found.plain && (found.whole || old) {
            fs::remove_file(&plain)?;
        } else if found.plain && self.gzip {
            compress(&plain, &whole)?;
            File::open(&self.folder)?.sync_all()?;
            fs::remove_file(&plain)?;
        }
        Ok(())
    }

    /// All closed files, the oldest first.
    fn closed(&self) -> io::Result<BTreeMap<String, Closed>> {
        let mut closed: BTreeMap<String, Closed> = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let Some((stamp, end)) = self.parse(&name) else { continue };
            let found = closed.entry(stamp).or_default();
            match end {
                b"" => found.plain = true,
                b".gz" => found.whole = true,
                _ => found.part = true,
            }
        }
        Ok(closed)
    }

    /// The stamp in the name of a closed file, and what follows it.
    fn parse<'a>(&self, name: &'a OsStr) -> Option<(String, &'a [u8])> {
        let rest = name.as_bytes().strip_prefix(self.name.as_bytes())?.strip_prefix(b".")?;
        let (stamp, end) = rest.split_at_checked(STAMP.len())?;
        let fits = |(byte, form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        };
        let fits = stamp.iter().zip(STAMP).all(fits);
        let is_end = matches!(end, b"" | b".gz" | b".gz.part");
        let stamp = std::str::from_utf8(stamp).ok().filter(|_| fits && is_end)?;
        Some((stamp.to_owned(), end))
    }

    fn plain(&self, stamp: &str) -> PathBuf {
        let mut name = self.name.clone();
        name.push(".");
        name.push(stamp);
        self.folder.join(name)
    }

    fn whole(&self, stamp: &str) -> PathBuf {
        self.plain(&format!("{stamp}.gz"))
    }
}

impl Keeper {
    /// A file was closed.
    pub(super) fn wake(&self) {
        // If an order waits already, it is for this too.
        let _ = self.0.try_send(());
    }
}

/// The form of a stamp, with zeros for digits: a time in UTC, so that names sort by it.
const STAMP: &[u8] = b"00000000T000000.000Z";

fn stamp(time: Timestamp) -> String {
    let second = ascii::internet_second(time);
    let mut stamp: String =
        second.iter().filter(|byte| !b"-:".contains(byte)).map(|&byte| char::from(byte)).collect();
    stamp.extend(ascii::three(time.0).map(char::from));
    stamp.push('Z');
    stamp
}

fn part_of(whole: &Path) -> PathBuf {
    let mut part = whole.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

/// Makes `whole` of `plain`, which stays. Whatever goes wrong, there is all of it or nothing.
fn compress(plain: &Path, whole: &Path) -> io::Result<()> {
    let part = part_of(whole);
    let done = write_part(plain, &part).and_then(|()| fs::rename(&part, whole));
    if done.is_err() {
        // It may not even have come into being.
        let _ = fs::remove_file(&part);
    }
    done
}

fn write_part(plain: &Path, part: &Path) -> io::Result<()> {
    let mut source = io::BufReader::with_capacity(PIECE, File::open(plain)?);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(part)?;
    let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::default());
    io::copy(&mut source, &mut encoder)?;
    let mut file = encoder.finish()?;
    file.flush()?;
    file.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn archive(folder: &Path, gzip: bool, keep: u32) -> Archive {
        let settings = Rotate { gzip, keep, ..Rotate::default() };
        Archive::new(&folder.join("access.log"), &settings)
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|it| name(it).unwrap()).collect();
        names.sort();
        names
    }

    fn unpacked(path: &Path) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    const TIME: Timestamp = Timestamp(1_769_860_800_123);
    const FIRST: &str = "access.log.20260131T120000.123Z";

    #[test]
    fn a_closed_file_gets_a_name_of_its_own_and_is_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path(), true, 9);
        let first = archive.name_for(TIME);
        assert_eq!(first, folder.path().join(FIRST));
        fs::write(&first, "one\n").unwrap();
        let second = archive.name_for(TIME);
        assert_ne!(first, second);
        fs::write(&second, "two\n").unwrap();
        archive.tidy().unwrap();
        let second_name = "access.log.20260131T120000.124Z.gz";
        assert_eq!(names(folder.path()), [&format!("{FIRST}.gz"), second_name]);
        assert_eq!(unpacked(&folder.path().join(second_name)), "two\n");
        assert_ne!(archive.name_for(TIME), first, "a compressed file has its name still");
    }

    #[test]
    fn what_a_crash_left_is_finished_whenever_it_came() {
        // The plain file alone, with a part, with the whole, with both.
        for (part, whole) in [(false, false), (true, false), (false, true), (true, true)] {
            let folder = tempfile::tempdir().unwrap();
            let path = |end: &str| folder.path().join(format!("{FIRST}{end}"));
            fs::write(path(""), "line\n").unwrap();
            if whole {
                compress(&path(""), &path(".gz")).unwrap();
            }
            if part {
                fs::write(path(".gz.part"), "half").unwrap();
            }
            archive(folder.path(), true, 9).tidy().unwrap();
            assert_eq!(names(folder.path()), [format!("{FIRST}.gz")]);
            assert_eq!(unpacked(&path(".gz")), "line\n");
        }
    }

    #[test]
    fn the_oldest_go_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(folder.path(), false, 2);
        for name in ["access.log", "access.log.1", "access.log.20260131", "other.log"] {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        for day in 0..4 {
            let path = archive.name_for(Timestamp(TIME.0 + day * 86_400_000));
            fs::write(path, "x").unwrap();
        }
        archive.tidy().unwrap();
        let kept: Vec<_> =
            names(folder.path()).into_iter().filter(|it| it.ends_with('Z')).collect();
        let expected = ["access.log.20260202T120000.123Z", "access.log.20260203T120000.123Z"];
        assert_eq!(kept, expected);
        assert_eq!(names(folder.path()).len(), 6);
    }

    #[test]
    fn a_file_that_cannot_be_compressed_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |end: &str| folder.path().join(format!("{FIRST}{end}"));
        fs::write(path(""), "line\n").unwrap();
        // Nothing can be written where a folder is.
        fs::create_dir(path(".gz.part")).unwrap();
        let later = folder.path().join("access.log.20260201T000000.000Z");
        fs::write(&later, "other\n").unwrap();
        assert!(archive(folder.path(), true, 9).tidy().is_err());
        assert!(compress(&path(""), &path(".gz")).is_err());
        // The others are looked after all the same.
        assert!(!later.exists());
        assert_eq!(fs::read_to_string(path("")).unwrap(), "line\n");
        assert!(!path(".gz").exists());
    }
}
