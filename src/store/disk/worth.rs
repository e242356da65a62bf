//! What bytes are worth beside others, and where to draw the line.

/// Marks on the scale; eight of them are a factor of two.
pub(super) const MARKS: usize = 256;
/// Grades of a mark.
pub(super) const GRADES: usize = 256;

/// Uses per byte, on a logarithmic scale, in grades.
///
/// Bytes count by the power of 0.7 only, or a video would be worth nothing beside icons. What was
/// never used counts as if it had been 0.3 times, or size would not matter then. What has the same
/// worth else is graded by its hash, so that a line can be drawn through it. In whole numbers, so the
/// same on every machine.
pub(super) fn worth(uses: u32, bytes: u64, hash: u64) -> usize {
    let log = 400 + log2(3 + 10 * u64::from(uses)) - log2(bytes) * 7 / 10;
    let mark = log.clamp(0, 2 * MARKS as i64 - 1) as usize / 2;
    // Bits that the ghosts do not look at.
    mark * GRADES + (hash >> 40) as usize % GRADES
}

/// The logarithm in sixteenths.
fn log2(number: u64) -> i64 {
    let number = number.max(1);
    let whole = number.ilog2();
    let part = if whole < 4 { number << (4 - whole) } else { number >> (whole - 4) };
    i64::from(whole) * 16 + (part & 15) as i64
}

/// How many bytes of which worth there were lately.
#[derive(Debug)]
pub(super) struct Scale {
    bytes: Box<[u64; MARKS]>,
}

impl Scale {
    /// Nothing was seen yet.
    pub(super) fn new() -> Scale {
        Scale { bytes: Box::new([0; MARKS]) }
    }

    /// Bytes of that worth were seen.
    pub(super) fn add(&mut self, worth: usize, bytes: u64) {
        if let Some(sum) = self.bytes.get_mut(worth / GRADES) {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Takes one in so many from all that was seen.
    pub(super) fn fade(&mut self, one_in: u64) {
        self.bytes.iter_mut().for_each(|sum| *sum -= sum.div_ceil(one_in));
    }

    /// The worth at and above which lie so many percent of the bytes.
    pub(super) fn line(&self, percent: u64) -> usize {
        let all: u128 = self.bytes.iter().map(|sum| u128::from(*sum)).sum();
        let mut left = all * u128::from(percent) / 100;
        for (mark, sum) in self.bytes.iter().enumerate().rev() {
            let sum = u128::from(*sum);
            if left < sum {
                return (mark + 1) * GRADES - (left * GRADES as u128 / sum) as usize;
            }
            left -= sum;
        }
        0
    }
}
