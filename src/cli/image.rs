//! `brink image`: what the edge would make of a picture, made here, without any node.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::{COULD_NOT_RUN, FOUND_WRONG};
use crate::image::encode::Effort;
use crate::image::fonts::Fonts;
use crate::image::limits::Limits;
use crate::image::pipeline::{self, Accept, Made, Means};
use crate::image::{Settings, params};

/// What `brink image` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The picture.
    file: PathBuf,
    /// What to make of it, as behind the separator of a URL: `/fw/300/format/webp`, `/info`.
    #[arg(value_name = "SPEC")]
    spec: String,
    /// Where to write what is made; `-` is standard output. An answer such as that of `/info` is
    /// printed without this, too.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Show the steps with sizes and times, the bytes, and how much the result looks like what was
    /// encoded (SSIMULACRA2: 100 is the same, 70 is good).
    #[arg(long)]
    explain: bool,
    /// With `--explain`: one JSON object.
    #[arg(long, requires = "explain")]
    json: bool,
    /// Take the time that the edge takes behind its answers, for fewer bytes.
    #[arg(long)]
    thorough: bool,
    /// For `/format/auto`: what the client accepts beside JPEG, PNG and GIF.
    #[arg(long, value_delimiter = ',', value_enum)]
    accept: Vec<Accepted>,
    /// The folder that watermarks' paths start from. Default: that of the picture.
    #[arg(long, value_name = "DIR")]
    marks: Option<PathBuf>,
    /// More fonts: a file or a folder.
    #[arg(long, value_name = "PATH")]
    fonts: Vec<PathBuf>,
}

/// A format that a client may accept.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Accepted {
    Webp,
    Avif,
}

/// Why nothing was made.
enum Trouble {
    /// The picture or what is asked for is bad.
    Wrong(String),
    /// It could not be tried.
    Outside(String),
}

/// Makes the picture. Finds wrong a bad picture and a bad request.
pub(crate) fn run(arguments: Arguments) -> u8 {
    match work(&arguments) {
        Ok(()) => 0,
        Err(Trouble::Wrong(why)) => {
            eprintln!("brink: {why}");
            FOUND_WRONG
        }
        Err(Trouble::Outside(why)) => {
            eprintln!("brink: {why}");
            COULD_NOT_RUN
        }
    }
}

fn work(arguments: &Arguments) -> Result<(), Trouble> {
    let spec = params::parse(&arguments.spec, &Settings::default())
        .map_err(|why| Trouble::Wrong(why.to_string()))?;
    let outside =
        |path: &Path, why: io::Error| Trouble::Outside(format!("{}: {why}", path.display()));
    let source = std::fs::read(&arguments.file).map_err(|why| outside(&arguments.file, why))?;
    let folder = match &arguments.marks {
        Some(folder) => folder.as_path(),
        None => arguments.file.parent().unwrap_or(Path::new(".")),
    };
    let mark = |path: &str| std::fs::read(folder.join(path.trim_start_matches('/'))).ok();
    let fonts = arguments.fonts.iter().fold(Fonts::default(), |fonts, path| fonts.and(path));
    let has = |format| arguments.accept.contains(&format);
    let means = Means {
        limits: &Limits::default(),
        effort: if arguments.thorough { Effort::Thorough } else { Effort::Fast },
        accept: Accept { webp: has(Accepted::Webp), avif: has(Accepted::Avif) },
        score: arguments.explain,
        fonts: &fonts,
        mark: &mark,
    };
    let made = pipeline::run(&source, &spec, &means).map_err(|why| {
        Trouble::Wrong(format!("{why} (status {}, code {})", why.status(), why.code()))
    })?;
    let answer = made.media_type == "application/json";
    let standard = arguments.output.as_deref() == Some(Path::new("-"));
    match &arguments.output {
        Some(path) if !standard => {
            std::fs::write(path, &made.bytes).map_err(|why| outside(path, why))?;
        }
        Some(_) => print(&made.bytes)?,
        None if answer => print(&[made.bytes.as_slice(), b"\n"].concat())?,
        None => {}
    }
    if arguments.explain {
        let text = match arguments.json {
            true => format!("{:#}\n", as_json(&made, source.len())),
            false => as_text(&made, source.len()),
        };
        // What goes to standard output must stay what it is.
        if standard || answer { eprint!("{text}") } else { print(text.as_bytes())? }
    }
    Ok(())
}

fn print(bytes: &[u8]) -> Result<(), Trouble> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|why| Trouble::Outside(format!("cannot write: {why}")))
}

fn as_text(made: &Made, before: usize) -> String {
    let mut text = String::new();
    for step in &made.steps {
        let size = format!("{}x{}", step.size.width, step.size.height);
        let time = step.time.as_secs_f64() * 1000.0;
        text += &format!("{:<14} {size:>12} {time:>10.2} ms\n", step.name);
    }
    let share = made.bytes.len() as f64 * 100.0 / before.max(1) as f64;
    let frames = if made.frames == 1 { String::new() } else { format!(", {} frames", made.frames) };
    let score = made.score.map(|it| format!(", score {it:.1}")).unwrap_or_default();
    let (media_type, after) = (made.media_type, made.bytes.len());
    text += &format!("{media_type}{frames}: {before} -> {after} bytes ({share:.1} %){score}\n");
    text
}

fn as_json(made: &Made, before: usize) -> Value {
    let steps: Vec<Value> = made
        .steps
        .iter()
        .map(|step| {
            let milliseconds = step.time.as_secs_f64() * 1000.0;
            let (width, height) = (step.size.width, step.size.height);
            json!({"name": step.name, "width": width, "height": height, "ms": milliseconds})
        })
        .collect();
    json!({
        "type": made.media_type,
        "width": made.size.width,
        "height": made.size.height,
        "frames": made.frames,
        "bytes_before": before,
        "bytes": made.bytes.len(),
        "score": made.score,
        "steps": steps,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::image::encode::{self, How, Target};
    use crate::image::raster::Raster;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// Runs the verb in a folder with a red picture, `a.png`, and a text, `b.png`.
    fn ran(folder: &Path, words: &[&str]) -> u8 {
        let how = How {
            target: Target::Png,
            quality: 75,
            effort: Effort::Fast,
            lossless: false,
            progressive: false,
            compress: false,
        };
        let red = Raster::filled(80, 60, [255, 0, 0, 255]);
        let file = encode::still(red, &how, &Default::default()).unwrap();
        std::fs::write(folder.join("a.png"), file).unwrap();
        std::fs::write(folder.join("b.png"), "no picture").unwrap();
        let inside = |word: &&str| match word.ends_with(".png") {
            true => folder.join(word).display().to_string(),
            false => (*word).to_owned(),
        };
        let line = std::iter::once("image".to_owned()).chain(words.iter().map(inside));
        run(Line::try_parse_from(line).unwrap().arguments)
    }

    #[test]
    fn what_is_made_lies_where_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        // The picture marks itself: /a.png.
        let spec = "/canvas/200x200/watermark/url/L2EucG5n/percent/20/format/png";
        assert_eq!(ran(folder.path(), &["a.png", spec, "-o", "made.png"]), 0);
        let made = std::fs::read(folder.path().join("made.png")).unwrap();
        assert_eq!(made.get(16..24), Some(&[0, 0, 0, 200, 0, 0, 0, 200][..]));
    }

    #[test]
    fn exit_codes_tell_bad_pictures_from_bad_circumstances() {
        let folder = tempfile::tempdir().unwrap();
        let cases: [(&[&str], u8); 6] = [
            (&["a.png", "/info"], 0),
            (&["a.png", "/fw/20", "--explain", "--json"], 0),
            (&["a.png", "/nonsense/1"], FOUND_WRONG),
            (&["b.png", "/fw/20"], FOUND_WRONG),
            (&["none.png", "/fw/20"], COULD_NOT_RUN),
            (&["a.png", "/fw/20", "-o", "no/such/folder.png"], COULD_NOT_RUN),
        ];
        for (words, code) in cases {
            assert_eq!(ran(folder.path(), words), code, "{words:?}");
        }
        assert!(Line::try_parse_from(["image", "a.png", "/fw/20", "--json"]).is_err());
    }
}
