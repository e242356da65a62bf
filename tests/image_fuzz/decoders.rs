//! Files through the whole pipeline, and what must hold for each.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use brink::image::encode::Effort;
use brink::image::fonts::Fonts;
use brink::image::limits::Limits;
use brink::image::pipeline::{self, Accept, Made, Means};
use brink::image::{Error, ErrorKind, Spec};
use fastrand::Rng;

use crate::files;
use crate::mutate::mutated;

/// What is asked of the files.
const ASKED: &[&str] = &[
    "",
    "/format/png",
    "/fw/20/format/jpg",
    "/fw/90/format/webp",
    "/both/30x30/gravity/auto/format/webp",
    "/rotate/auto/exifswitch/true/format/jpg",
    "/rotate/45/fw/40/format/png",
    "/noicc/true/format/jpg",
    "/crop/20x20a5a5/roundrect/5/format/webp/lossless/true",
    "/gaussblur/3x2/unsharp/true/border/2x2/canvas/100x100/format/png",
    "/watermark/url/L21hcmsucG5n/percent/30/align/southeast/format/jpg",
    "/watermark/text/QWLkuK0/size/10/format/webp",
    "/gifto/true/format/auto",
    "/coalesce/false/fw/20",
    "/quality/auto/format/auto/compress/true/progressive/true",
    "/info",
    "/meta/all",
    "/excolor/5/exformat/hex",
];

/// The files, and what came of them.
pub struct Target {
    files: Vec<(&'static str, Vec<u8>)>,
    fonts: Fonts,
    done: u64,
    whole: u64,
    refused: BTreeMap<String, u64>,
    worst: BTreeMap<&'static str, (Duration, &'static str)>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} were made, {} of them of cut files; refused: ", self.done, self.whole)?;
        writeln!(f, "{:?}", self.refused)?;
        let mut worst: Vec<_> = self.worst.iter().collect();
        worst.sort_by_key(|(_, (time, _))| std::cmp::Reverse(*time));
        for (name, (time, asked)) in worst.into_iter().take(6) {
            writeln!(f, "  the worst {name} took {time:.0?} ({asked:?})")?;
        }
        Ok(())
    }
}

impl Target {
    pub fn new() -> Target {
        Target {
            files: files::all(),
            fonts: Fonts::default(),
            done: 0,
            whole: 0,
            refused: BTreeMap::new(),
            worst: BTreeMap::new(),
        }
    }

    /// A run in which hardly a file is read, or hardly one refused, finds nothing.
    pub fn is_reached(&self, cases: u64) -> bool {
        self.done * 20 > cases && self.done * 20 < cases * 19
    }

    pub fn case(&mut self, rng: &mut Rng, input: &mut Vec<u8>) {
        let asked = ASKED[rng.usize(..ASKED.len())];
        let spec: Spec = asked.parse().unwrap();
        let thorough = rng.u8(..8) == 0;
        if rng.u8(..8) == 0 {
            self.cut(rng, input, &spec);
            return;
        }
        let (name, bytes) = mutated(rng, &self.files);
        *input = bytes;
        // The watermark may be what is hostile.
        let mark = input.clone();
        let source = match asked.contains("/url/") && rng.bool() {
            true => self.files[rng.usize(..self.files.len())].1.clone(),
            false => input.clone(),
        };
        let start = Instant::now();
        let made = self.run(&source, &spec, thorough, &mark);
        let worst = self.worst.entry(name).or_default();
        *worst = (*worst).max((start.elapsed(), asked));
        match made {
            Ok(made) => {
                self.done += 1;
                let is_picture = made.media_type != "application/json";
                assert!(!made.bytes.is_empty(), "{name}: nothing");
                if is_picture && made.size.pixels() < 1 << 16 {
                    let again = self.run(&made.bytes, &"/info".parse().unwrap(), false, &[]);
                    assert!(again.is_ok(), "{name} {asked}: what was made is none: {again:?}");
                }
            }
            Err(error) => self.refused(name, error),
        }
    }

    /// What is cut off is refused, or was no part of the picture.
    fn cut(&mut self, rng: &mut Rng, input: &mut Vec<u8>, spec: &Spec) {
        let (name, bytes) = self.files[rng.usize(..self.files.len())].clone();
        // Metadata may be what is cut off.
        if spec.question.is_some() || spec.output.keep_exif || bytes.starts_with(b"P2") {
            return;
        }
        let length = match rng.bool() {
            true => rng.usize(..bytes.len()),
            false => bytes.len() - 1 - rng.usize(..bytes.len().min(40)),
        };
        *input = bytes[..length].to_vec();
        match self.run(input, spec, false, &bytes) {
            Ok(part) => {
                let whole = self.run(&bytes, spec, false, &bytes).unwrap();
                assert!(part.bytes == whole.bytes, "{name} cut at {length} of {}", bytes.len());
                self.done += 1;
                self.whole += 1;
            }
            Err(error) => self.refused(name, error),
        }
    }

    fn run(&self, source: &[u8], spec: &Spec, thorough: bool, mark: &[u8]) -> Result<Made, Error> {
        let limits = Limits {
            side: 4000,
            pixels: 2_000_000,
            progressive_pixels: 1_000_000,
            frames: 200,
            time: Duration::from_secs(5),
            ..Limits::default()
        };
        let means = Means {
            limits: &limits,
            effort: if thorough { Effort::Thorough } else { Effort::Fast },
            accept: Accept { webp: true, avif: true },
            score: thorough,
            fonts: &self.fonts,
            mark: &|_| Some(mark.to_vec()),
        };
        pipeline::run(source, spec, &means)
    }

    /// A damaged file is the client's fault and never the engine's.
    fn refused(&mut self, name: &str, error: Error) {
        assert!(error.kind != ErrorKind::Fault, "{name}: {error:?}");
        assert!(!error.message.chars().any(char::is_control), "{name}: {error:?}");
        *self.refused.entry(format!("{:?}", error.kind)).or_default() += 1;
    }
}
