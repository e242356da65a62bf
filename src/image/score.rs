//! How much a picture looks like another to the eye: SSIMULACRA2, where 100 is the same, 90 not to be
//! told apart, 70 good, 50 fair. It takes longer than encoding: for work behind the answers.

use fast_ssim2::{PixelDescriptor, PixelSlice, Ssimulacra2Reference};

use super::raster::{Channels, Raster};

/// A picture to compare others with.
pub struct Reference(Ssimulacra2Reference);

impl Reference {
    /// Of a picture, where it is not opaque on white.
    pub fn new(raster: &Raster) -> Option<Self> {
        viewed(raster, |pixels| Ssimulacra2Reference::new(pixels).ok()).map(Reference)
    }

    /// How much another picture of the same size looks like it.
    pub fn score(&self, raster: &Raster) -> Option<f64> {
        viewed(raster, |pixels| self.0.compare(pixels).ok())
    }
}

fn viewed<T>(raster: &Raster, view: impl FnOnce(&PixelSlice<'_>) -> Option<T>) -> Option<T> {
    let flat;
    let raster = match raster.channels() {
        Channels::Rgb => raster,
        Channels::Rgba => {
            flat = raster.clone().flattened([255; 3]);
            &flat
        }
    };
    let (width, height) = (raster.width(), raster.height());
    let colours = PixelDescriptor::RGB8_SRGB;
    let pixels = PixelSlice::new(raster.pixels(), width, height, raster.stride(), colours).ok()?;
    view(&pixels)
}

#[cfg(test)]
mod tests {
    use super::super::encode::{How, Target};
    use super::super::samples::{decoded, how, photograph};
    use super::super::{encode, geometry};
    use super::*;

    #[test]
    fn worse_pictures_score_less() {
        let area = geometry::Area { x: 300, y: 200, size: geometry::Size::new(160, 120) };
        let raster = decoded(&photograph("kodim19.png")).cut(area);
        let reference = Reference::new(&raster).unwrap();
        assert!(reference.score(&raster).unwrap() > 99.9);
        let scores: Vec<f64> = [30, 60, 90]
            .into_iter()
            .map(|quality| {
                let how = How { quality, ..how(Target::WebP) };
                let bytes = encode::still(raster.clone(), &how, &Default::default()).unwrap();
                reference.score(&decoded(&bytes)).unwrap()
            })
            .collect();
        assert!(scores.is_sorted() && scores[2] > 75.0 && scores[0] < 65.0, "{scores:?}");
        assert_eq!(reference.score(&Raster::filled(9, 9, [0; 4])), None);
    }
}
