//! The synthetic mix: what a node sees that serves pages and video.
//!
//! Half of the requests are for one of a catalogue of pages, of which the nth is asked for in
//! proportion to n^-0.9; 16 % are for an object that is never asked for again; both are of log-normal
//! size. The rest are the chunks of videos: a viewer picks a video by the same law and reads its
//! chunks of a mebibyte in order, one now and then among the requests of others, and may stop after
//! each. Of all objects, 70 % are asked for once.

use fastrand::Rng;

use super::trace::Trace;

const SEED: u64 = 20_261_127;
const REQUESTS: usize = 300_000;
const SKEW: f64 = 0.9;

/// Objects that are asked for again and again.
const CATALOGUE: usize = 20_000;
const VIDEOS: usize = 400;
/// Chunks of a video, from and to.
const CHUNKS: (u64, u64) = (8, 120);
const VIEWERS: usize = 100;
/// Chance that a viewer stops after a chunk.
const STOPS: f64 = 0.03;

const ONE_HIT: f64 = 0.16;
const PAGES: f64 = 0.5;

/// Median of the sizes, and deviation of their logarithm.
const MEDIAN: f64 = 12_000.0;
const SPREAD: f64 = 1.5;

/// A viewer of a video.
struct Viewer {
    video: u64,
    next: u64,
}

/// The mix; always the same.
pub fn mix() -> Trace {
    let mut rng = Rng::with_seed(SEED);
    let (pages, videos) = (Zipf::new(CATALOGUE), Zipf::new(VIDEOS));
    let sizes: Vec<u64> = (0..CATALOGUE).map(|_| size(&mut rng)).collect();
    let lengths: Vec<u64> = (0..VIDEOS).map(|_| rng.u64(CHUNKS.0..=CHUNKS.1)).collect();
    let mut viewers: Vec<Viewer> = Vec::new();
    let mut once = 1 << 40;
    let asked = (0..REQUESTS).map(|_| {
        let sort = rng.f64();
        if sort < ONE_HIT {
            once += 1;
            return (once, size(&mut rng));
        }
        if sort < ONE_HIT + PAGES {
            let page = pages.draw(&mut rng);
            return (page as u64, sizes[page]);
        }
        if viewers.len() < VIEWERS {
            viewers.push(Viewer { video: videos.draw(&mut rng) as u64, next: 0 });
        }
        let place = rng.usize(..viewers.len());
        let viewer = &mut viewers[place];
        let chunk = (viewer.video + 1) << 20 | viewer.next;
        viewer.next += 1;
        if viewer.next == lengths[viewer.video as usize] || rng.f64() < STOPS {
            viewers.swap_remove(place);
        }
        (chunk, 1 << 20)
    });
    Trace::new("mix", asked)
}

/// A log-normal size.
fn size(rng: &mut Rng) -> u64 {
    let (one, two) = (1.0 - rng.f64(), rng.f64());
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos();
    (MEDIAN * (SPREAD * normal).exp()).clamp(100.0, 8e6) as u64
}

/// Draws numbers from 0 up by Zipf's law.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: usize) -> Zipf {
        let mut sum = 0.0;
        let share = (1..=count).map(|rank| {
            sum += (rank as f64).powf(-SKEW);
            sum
        });
        Zipf(share.collect())
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let sum = self.0.last().copied().unwrap_or(0.0);
        let point = rng.f64() * sum;
        self.0.partition_point(|share| *share <= point)
    }
}
