//! The side of `benches/images/run.py` that is brink: reads jobs line by line as JSON, carries each out
//! several times in this one warm process, and answers with what it cost.
//!
//! A job: `{"source": FILE, "spec": "/fw/800/format/webp", "mark": FILE, "runs": 9, "thorough": false,
//! "output": FILE}`. Its answer: processor milliseconds of each run, the bytes that came out, and the
//! process's peak memory so far. `{"score": FILE, "reference": FILE}` compares two files instead.

use std::error::Error;
use std::io::{BufRead, Write};

use brink::image::encode::Effort;
use brink::image::fonts::Fonts;
use brink::image::header::Header;
use brink::image::limits::Limits;
use brink::image::pipeline::{self, Accept, Means};
use brink::image::raster::Raster;
use brink::image::score::Reference;
use brink::image::{Settings, decode, params};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lock().lines() {
        let job: Value = serde_json::from_str(&line?)?;
        let answer = match job["score"].as_str() {
            Some(file) => compared(file, text(&job, "reference")?)?,
            None => measured(&job)?,
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn text<'a>(job: &'a Value, key: &str) -> Result<&'a str, String> {
    job[key].as_str().ok_or_else(|| format!("a job without `{key}`"))
}

fn measured(job: &Value) -> Result<Value, Box<dyn Error>> {
    let source = std::fs::read(text(job, "source")?)?;
    let spec = params::parse(text(job, "spec")?, &Settings::default())?;
    let mark = job["mark"].as_str().map(std::fs::read).transpose()?;
    let fonts = Fonts::none();
    let means = Means {
        limits: &Limits::default(),
        effort: if job["thorough"] == true { Effort::Thorough } else { Effort::Fast },
        accept: Accept::default(),
        score: false,
        fonts: &fonts,
        mark: &|_| mark.clone(),
    };
    let runs = job["runs"].as_u64().unwrap_or(9).max(1);
    let mut times = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..runs {
        let start = processor_time();
        bytes = pipeline::run(&source, &spec, &means)?.bytes;
        times.push(processor_time() - start);
    }
    if let Some(path) = job["output"].as_str() {
        std::fs::write(path, &bytes)?;
    }
    Ok(json!({"ms": times, "bytes": bytes.len(), "peak_kib": peak()}))
}

fn compared(file: &str, reference: &str) -> Result<Value, Box<dyn Error>> {
    let decoded = |path: &str| -> Result<Raster, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let header = Header::read(&bytes, &Limits::default())?;
        Ok(decode::still(&bytes, &header, 1.0, &Limits::default())?.raster)
    };
    let reference = Reference::new(&decoded(reference)?);
    let picture = decoded(file)?;
    Ok(json!({"score": reference.and_then(|it| it.score(&picture))}))
}

/// Milliseconds of processor time that this process has used.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The most memory that this process has held at once, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    line.and_then(|it| it.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
