//! How long does a node take to find what lies on its disk, and what does it remember of each record?
//!
//! `cargo bench --bench recovery [-- COUNT [DIR]]`. Makes a sparse store of COUNT records (10 million)
//! of 64 KiB in DIR, of which only the segments' headers and footers are really there, and opens it:
//! by its footers, then by a snapshot. The file is cached by the kernel: what is measured is the
//! processor's share, on one core.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use brink::store::disk::{Device, DiskOptions, Disks, Name, Now, Opener, Options};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const RECORD: u64 = 64 << 10;
const PAGE: u64 = 4096;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let count: u64 = words.next().map_or(Ok(10_000_000), |word| word.parse())?;
    let folder = words.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("brink-recovery-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = measure(&folder, count);
    fs::remove_dir_all(&folder)?;
    result
}

fn measure(folder: &Path, count: u64) -> Outcome<()> {
    // The index takes a little of the disk.
    let size = count * RECORD + count * 48 + (256 << 20);
    // Formats it, and does not close it: there is no snapshot.
    drop(open(folder, size)?);
    let made = Instant::now();
    let records = fill(&folder.join("store"), count)?;
    println!("{records} records, made in {:.1} s", made.elapsed().as_secs_f64());
    let store = timed("by footers", folder, size)?;
    runtime()?.block_on(store.close());
    drop(store);
    let store = timed("by snapshot", folder, size)?;
    look_up(&store, records);
    Ok(())
}

fn timed(how: &str, folder: &Path, size: u64) -> Outcome<Arc<Disks>> {
    let (memory, begun, worked) = (resident()?, Instant::now(), worked()?);
    let store = open(folder, size)?;
    let (elapsed, worked) = (begun.elapsed().as_secs_f64(), self::worked()? - worked);
    let figures = store.figures();
    let figures = figures.first().ok_or("no disk")?;
    let each = |bytes: u64| bytes as f64 / figures.records as f64;
    println!(
        "{how}: {elapsed:.2} s, {worked:.2} s of it working, {} records ({} lost for lack of \
         a slot), index {:.1} B each, resident {:.1} B each",
        figures.records,
        brink::store::disk::COUNTERS.evicted.sum(),
        each(figures.index),
        each(resident()?.saturating_sub(memory)),
    );
    Ok(store)
}

/// Finds records at random; each is known, and turns out not to be there when it is read.
fn look_up(store: &Disks, records: u64) {
    const TIMES: u64 = 1_000_000;
    let mut random = fastrand::Rng::with_seed(1);
    let begun = Instant::now();
    let found = (0..TIMES).filter(|_| store.has(name(random.u64(..records)))).count();
    let each = begun.elapsed().as_nanos() as u64 / TIMES;
    println!("look-up: {each} ns, {found} of {TIMES} found");
    assert_eq!(store.read_now(name(0), 0..1), Now::Gone);
}

fn open(folder: &Path, size: u64) -> Outcome<Arc<Disks>> {
    let options = Options {
        disks: vec![DiskOptions { path: folder.into(), size }],
        readers: 1,
        deadline: Duration::from_secs(1),
        queue: 1 << 20,
        write_budget: 120,
        average_record: RECORD,
    };
    Ok(Disks::open(options, Arc::new(Sparse))?)
}

/// Writes the headers and footers of full segments, as `src/store/disk` draws them.
fn fill(path: &Path, count: u64) -> Outcome<u64> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut superblock = [0; 80];
    file.read_exact_at(&mut superblock, PAGE)?;
    let number = |at: usize, size: usize| {
        superblock.iter().skip(at).take(size).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (store, segment) = (number(16, 8), number(48, 4));
    let (segments, start) = (number(52, 4), number(72, 8));
    // One is left free.
    let per_segment = count.div_ceil(segments - 1);
    let mut made = 0;
    for index in 0..segments - 1 {
        let (base, generation) = (start + index * segment, (1 << 32) + 1 + index);
        let mut header = life(b"brinkseg", index, store, generation);
        header.extend([0; 4]);
        seal(&mut header);
        file.write_all_at(&header, base)?;
        let records = per_segment.min(count - made);
        let mut footer = Vec::new();
        for place in 0..records {
            footer.extend(((u128::from(made + place)) << 64 | 1).to_le_bytes());
            let sectors = PAGE / 512 + place * (segment / 512 - 512) / per_segment;
            footer.extend((sectors | (RECORD - 1024) << 17 | 1 << 38).to_le_bytes());
            footer.extend([0; 8]);
        }
        let sum = crc32c::crc32c(&footer);
        let mut trailer = life(b"brinkend", index, store, generation);
        trailer.extend((records as u32).to_le_bytes());
        trailer.extend(sum.to_le_bytes());
        trailer.extend([0; 20]);
        seal(&mut trailer);
        footer.extend(trailer);
        file.write_all_at(&footer, base + segment - footer.len() as u64)?;
        made += records;
    }
    Ok(made)
}

/// What headers and trailers of segments begin with.
fn life(magic: &[u8; 8], number: u64, store: u64, generation: u64) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend((number as u32).to_le_bytes());
    bytes.extend(store.to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    bytes
}

fn seal(bytes: &mut Vec<u8>) {
    let sum = crc32c::crc32c(bytes);
    bytes.extend(sum.to_le_bytes());
}

fn name(number: u64) -> Name {
    Name::of_chunk(number, 0)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()
}

/// Bytes that the process has in memory.
fn resident() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find(|line| line.starts_with("Pss:")).ok_or("no Pss")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<u64>()? * 1024)
}

/// Seconds of processor time of the process.
fn worked() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = text.rsplit_once(')').ok_or("no name")?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

/// A file that takes no more room than was written.
struct Sparse;

struct Plain(File, u64);

impl Opener for Sparse {
    fn open(&self, path: &Path, size: u64) -> io::Result<Arc<dyn Device>> {
        let options = File::options().read(true).write(true).create(true).truncate(false).clone();
        let file = options.open(path.join("store"))?;
        file.set_len(size)?;
        Ok(Arc::new(Plain(file, size)))
    }
}

impl Device for Plain {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        self.read_at(offset, buffer).map(|()| true)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> u64 {
        self.1
    }
}
