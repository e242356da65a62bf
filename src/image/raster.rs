//! A picture in memory: rows of 8-bit pixels, top to bottom, nothing between them.

use super::geometry::{Area, Size};

/// What a pixel consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, and how opaque (0 to 255); the colours are not multiplied by it.
    Rgba,
}

impl Channels {
    /// Bytes of one pixel.
    pub fn bytes(self) -> usize {
        match self {
            Channels::Rgb => 3,
            Channels::Rgba => 4,
        }
    }
}

/// A picture of at least one pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    channels: Channels,
    pixels: Vec<u8>,
}

impl Raster {
    /// A picture of these pixels; none unless there is at least one and exactly as many as the size
    /// says.
    pub fn new(width: u32, height: u32, channels: Channels, pixels: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && pixels.len() == bytes(width, height, channels)?;
        fits.then_some(Raster { width, height, channels, pixels })
    }

    /// A picture of one colour; an opaque one has no alpha. Sizes of 0 become 1.
    pub fn filled(width: u32, height: u32, colour: [u8; 4]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let [red, green, blue, alpha] = colour;
        let count = width as usize * height as usize;
        let (channels, pixels) = match alpha {
            255 => (Channels::Rgb, [red, green, blue].repeat(count)),
            _ => (Channels::Rgba, colour.repeat(count)),
        };
        Raster { width, height, channels, pixels }
    }

    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// What its pixels consist of.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// All bytes.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes, to change.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// All bytes, to keep.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Bytes of one row.
    pub fn stride(&self) -> usize {
        self.width as usize * self.channels.bytes()
    }

    /// The rows from the top.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.stride())
    }

    /// The rows from the top, to change.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, u8> {
        let stride = self.stride();
        self.pixels.chunks_exact_mut(stride)
    }

    /// Each pixel's bytes, row by row.
    pub fn each(&self) -> std::slice::ChunksExact<'_, u8> {
        self.pixels.chunks_exact(self.channels.bytes())
    }

    /// One pixel with its alpha; nothing beyond the edge.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * self.channels.bytes();
        match *self.pixels.get(at..at + self.channels.bytes())? {
            [red, green, blue] => Some([red, green, blue, 255]),
            [red, green, blue, alpha] => Some([red, green, blue, alpha]),
            _ => None,
        }
    }

    /// Is any pixel not wholly opaque?
    pub fn is_translucent(&self) -> bool {
        self.channels == Channels::Rgba && self.each().any(|it| it.last() != Some(&255))
    }

    /// The same picture with an alpha channel.
    pub fn into_rgba(self) -> Self {
        match self.channels {
            Channels::Rgba => self,
            Channels::Rgb => {
                let mut pixels = Vec::with_capacity(self.pixels.len() / 3 * 4);
                for pixel in self.pixels.as_chunks::<3>().0 {
                    let [red, green, blue] = *pixel;
                    pixels.extend_from_slice(&[red, green, blue, 255]);
                }
                Raster { channels: Channels::Rgba, pixels, ..self }
            }
        }
    }

    /// The picture without alpha, on a ground of one colour where it is not opaque.
    pub fn flattened(self, ground: [u8; 3]) -> Self {
        match self.channels {
            Channels::Rgb => self,
            Channels::Rgba => {
                let mut pixels = Vec::with_capacity(self.pixels.len() / 4 * 3);
                for &[red, green, blue, alpha] in self.pixels.as_chunks::<4>().0 {
                    match alpha {
                        255 => pixels.extend_from_slice(&[red, green, blue]),
                        _ => {
                            let mixed = [red, green, blue].into_iter().zip(ground);
                            pixels.extend(mixed.map(|(over, under)| mix(over, under, alpha)));
                        }
                    }
                }
                Raster { channels: Channels::Rgb, pixels, ..self }
            }
        }
    }

    /// The picture without alpha where all of it is opaque; else as it is.
    pub fn without_needless_alpha(self) -> Self {
        if self.channels == Channels::Rgb || self.is_translucent() {
            return self;
        }
        self.flattened([255; 3])
    }

    /// The part that lies in `area`, cut to the picture; at least one pixel.
    pub fn cut(&self, area: Area) -> Self {
        let (x, y) = (area.x.min(self.width - 1), area.y.min(self.height - 1));
        let width = area.size.width.clamp(1, self.width - x);
        let height = area.size.height.clamp(1, self.height - y);
        let bytes = self.channels.bytes();
        let (from, length) = (x as usize * bytes, width as usize * bytes);
        let mut pixels = Vec::with_capacity(length * height as usize);
        for row in self.rows().skip(y as usize).take(height as usize) {
            pixels.extend_from_slice(row.get(from..from + length).unwrap_or_default());
        }
        Raster { width, height, channels: self.channels, pixels }
    }

    /// Gives each pixel a new place and the picture a new size: `source` says for a place in the new
    /// picture where its pixel lies in the old one. Both sizes must hold the same number of pixels.
    pub fn rearranged(&self, size: Size, source: impl Fn(u32, u32) -> (u32, u32)) -> Self {
        let Size { width, height } = size;
        let bytes = self.channels.bytes();
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = source(x, y);
                let at = (from_y as usize * self.width as usize + from_x as usize) * bytes;
                pixels.extend_from_slice(self.pixels.get(at..at + bytes).unwrap_or_default());
            }
        }
        Raster { width, height, channels: self.channels, pixels }
    }
}

/// `over` on top of `under`, as opaque as `alpha` says; exact to the nearest step.
pub fn mix(over: u8, under: u8, alpha: u8) -> u8 {
    let sum = u32::from(over) * u32::from(alpha) + u32::from(under) * (255 - u32::from(alpha));
    ((sum + 127) / 255) as u8
}

/// Bytes that a picture takes; none where that does not fit a number.
pub fn bytes(width: u32, height: u32, channels: Channels) -> Option<usize> {
    (width as usize).checked_mul(height as usize)?.checked_mul(channels.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_pixels_that_its_size_says() {
        assert!(Raster::new(2, 1, Channels::Rgb, vec![0; 6]).is_some());
        assert!(Raster::new(2, 1, Channels::Rgb, vec![0; 5]).is_none());
        assert!(Raster::new(0, 1, Channels::Rgb, vec![]).is_none());
        assert!(Raster::new(u32::MAX, u32::MAX, Channels::Rgba, vec![]).is_none());
    }

    #[test]
    fn flattening_mixes_with_the_ground() {
        let half = Raster::filled(1, 1, [0, 100, 255, 128]);
        assert_eq!(half.flattened([255; 3]).pixel(0, 0), Some([127, 177, 255, 255]));
        let clear = Raster::filled(1, 1, [9, 9, 9, 0]);
        assert_eq!(clear.flattened([1, 2, 3]).pixel(0, 0), Some([1, 2, 3, 255]));
    }

    #[test]
    fn cutting_stays_inside() {
        let pixels = (0..12).flat_map(|it| [it, it, it]).collect();
        let raster = Raster::new(4, 3, Channels::Rgb, pixels).unwrap();
        let part = raster.cut(Area { x: 2, y: 1, size: Size::new(9, 1) });
        assert_eq!(part.size(), Size::new(2, 1));
        assert_eq!(part.pixel(0, 0), Some([6, 6, 6, 255]));
        assert_eq!(raster.cut(Area { x: 9, y: 9, size: Size::new(9, 9) }).size(), Size::new(1, 1));
    }

    #[test]
    fn alpha_that_says_nothing_is_dropped() {
        let opaque = Raster::new(1, 1, Channels::Rgba, vec![1, 2, 3, 255]).unwrap();
        assert_eq!(opaque.without_needless_alpha().channels(), Channels::Rgb);
        let clear = Raster::filled(1, 1, [1, 2, 3, 254]).without_needless_alpha();
        assert_eq!(clear.channels(), Channels::Rgba);
    }
}
