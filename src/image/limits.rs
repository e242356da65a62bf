//! What one picture may cost, checked from its header before any pixel is allocated.

use std::time::{Duration, Instant};

use super::error::{Error, ErrorKind};
use super::geometry::Size;
use super::header::{Header, Kind};

/// Budgets of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest side of a source or of a result, in pixels.
    pub side: u32,
    /// The most pixels of all frames together, of a source or of a result.
    pub pixels: u64,
    /// The most pixels that are held at once. What is scaled down while it is read may have more.
    pub held_pixels: u64,
    /// The most pixels of a JPEG in several scans, which needs several times the memory.
    pub progressive_pixels: u64,
    /// The most frames.
    pub frames: u32,
    /// The most scans of a JPEG, each of which walks over the whole picture.
    pub scans: u32,
    /// The most bytes of a source.
    pub bytes: u64,
    /// The most bytes of an SVG: its cost follows from its text and not from its size.
    pub svg_bytes: u64,
    /// The most characters of one text of an SVG, whose cost grows with their square, and of all of
    /// them, those that are used again counted again, each text as five characters more.
    pub svg_letters: [u64; 2],
    /// How long one job may take; looked at between steps and frames.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            side: 20_000,
            pixels: 200_000_000,
            held_pixels: 100_000_000,
            progressive_pixels: 64_000_000,
            frames: 10_000,
            scans: 100,
            bytes: 64 << 20,
            svg_bytes: 1 << 20,
            svg_letters: [5000, 50_000],
            time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Refuses sources that are too large to look at.
    pub fn check_bytes(&self, length: usize) -> Result<(), Error> {
        if length as u64 > self.bytes {
            let message = format!("the image has {length} bytes, more than {}", self.bytes);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }

    /// Refuses a source by what its header says.
    pub fn check_source(&self, header: &Header) -> Result<(), Error> {
        let size = header.size();
        self.check_size(size, header.frames, "the image")?;
        if header.frames > self.frames {
            let message =
                format!("the image has {} frames, more than {}", header.frames, self.frames);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        if header.kind != Kind::Jpeg || header.scans <= 1 {
            return Ok(());
        }
        let pixels = u64::from(header.width) * u64::from(header.height);
        if pixels > self.progressive_pixels {
            let message = format!(
                "the image is a progressive JPEG of {pixels} pixels, more than {}",
                self.progressive_pixels
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        if header.scans > self.scans {
            let message = format!("the image has {} scans, more than {}", header.scans, self.scans);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }

    /// Refuses a result before it is made.
    pub fn check_result(&self, size: Size, frames: u32) -> Result<(), Error> {
        self.check_size(size, frames, "the result")?;
        self.check_held(size)
    }

    /// Refuses a picture of which more pixels would be in memory at once than may be.
    pub fn check_held(&self, size: Size) -> Result<(), Error> {
        let (pixels, most) = (size.pixels(), self.held_pixels);
        if pixels > most {
            let message = format!(
                "{pixels} pixels would be held at once, more than {most}; of a JPEG and of a PNG that \
                 is not interlaced a smaller picture can be made"
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }

    fn check_size(&self, size: Size, frames: u32, what: &str) -> Result<(), Error> {
        let sides =
            [(size.width, ErrorKind::Width, "wide"), (size.height, ErrorKind::Height, "high")];
        for (side, kind, word) in sides {
            if side == 0 || side > self.side {
                let message =
                    format!("{what} is {side} pixels {word}; allowed are 1 to {}", self.side);
                return Err(Error::new(kind, message));
            }
        }
        let pixels = size.pixels() * u64::from(frames.max(1));
        if pixels > self.pixels {
            let message =
                format!("{what} has {pixels} pixels in {frames} frames, more than {}", self.pixels);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }
}

/// When a job must be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    time: Duration,
}

impl Deadline {
    /// `time` from now.
    pub fn after(time: Duration) -> Self {
        Deadline { end: Instant::now() + time, time }
    }

    /// Refuses to go on when the time is over.
    pub fn check(&self) -> Result<(), Error> {
        if Instant::now() < self.end {
            return Ok(());
        }
        let message = format!("the image takes longer than {} ms", self.time.as_millis());
        Err(Error::new(ErrorKind::TooSlow, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(width: u32, height: u32, frames: u32) -> Header {
        Header { kind: Kind::Gif, width, height, frames, scans: 1 }
    }

    fn kind(header: Header) -> Option<ErrorKind> {
        Limits::default().check_source(&header).err().map(|it| it.kind)
    }

    #[test]
    fn sides_pixels_and_frames_are_bounded() {
        assert_eq!(kind(header(20_000, 10_000, 1)), None);
        assert_eq!(kind(header(20_001, 1, 1)), Some(ErrorKind::Width));
        assert_eq!(kind(header(1, 65_535, 1)), Some(ErrorKind::Height));
        assert_eq!(kind(header(0, 1, 1)), Some(ErrorKind::Width));
        assert_eq!(kind(header(20_000, 10_001, 1)), Some(ErrorKind::TooLarge));
        assert_eq!(kind(header(1000, 1000, 201)), Some(ErrorKind::TooLarge));
        assert_eq!(kind(header(1, 1, 10_001)), Some(ErrorKind::TooLarge));
    }

    #[test]
    fn progressive_jpeg_has_less_room() {
        let jpeg = |scans, width| Header { kind: Kind::Jpeg, scans, ..header(width, 8_001, 1) };
        assert_eq!(kind(jpeg(1, 8_000)), None);
        assert_eq!(kind(jpeg(10, 7_000)), None);
        assert_eq!(kind(jpeg(10, 8_000)), Some(ErrorKind::TooLarge));
        assert_eq!(kind(jpeg(101, 100)), Some(ErrorKind::TooLarge));
    }

    #[test]
    fn bytes_and_results_are_bounded() {
        let limits = Limits { bytes: 10, ..Limits::default() };
        assert!(limits.check_bytes(10).is_ok());
        assert_eq!(limits.check_bytes(11).unwrap_err().status(), 409);
        assert!(limits.check_result(Size::new(20_000, 20_000), 1).is_err());
        assert_eq!(limits.check_result(Size::new(30_000, 1), 1).unwrap_err().status(), 405);
        let limits = Limits::default();
        assert!(limits.check_result(Size::new(10_000, 10_000), 2).is_ok());
        assert_eq!(limits.check_result(Size::new(10_001, 10_000), 1).unwrap_err().status(), 409);
    }

    #[test]
    fn time_runs_out() {
        assert!(Deadline::after(Duration::from_secs(3600)).check().is_ok());
        let error = Deadline::after(Duration::ZERO).check().unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooSlow);
    }
}
