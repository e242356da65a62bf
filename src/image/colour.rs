//! Colours by ICC profile: to sRGB, or left as they are where the profile goes along.

use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

use super::raster::{Channels, Raster};

/// The largest profile that is looked at, in bytes.
const PROFILE_MOST: usize = 4 << 20;

/// Whether pixels of a picture are in the colours of this profile: it must be one for red, green and
/// blue. What is not (of greys, damaged) means sRGB and is of no use to whoever gets the picture.
pub fn is_of_use(icc: &[u8]) -> bool {
    profile(icc).is_some_and(|it| it.color_space == DataColorSpace::Rgb)
}

/// Converts a picture from the colours of `icc` to sRGB; a profile that is not of use changes nothing.
pub fn to_srgb(raster: Raster, icc: &[u8]) -> Raster {
    let layout = match raster.channels() {
        Channels::Rgb => Layout::Rgb,
        Channels::Rgba => Layout::Rgba,
    };
    let transform =
        profile(icc).filter(|it| it.color_space == DataColorSpace::Rgb).and_then(|it| {
            let srgb = ColorProfile::new_srgb();
            it.create_transform_8bit(layout, &srgb, layout, options()).ok()
        });
    let Some(transform) = transform else { return raster };
    let mut result = raster.clone();
    let stride = raster.stride();
    for (from, to) in raster.rows().zip(result.pixels_mut().chunks_exact_mut(stride)) {
        if transform.transform(from, to).is_err() {
            return raster;
        }
    }
    result
}

/// Turns cyan, magenta, yellow and black into sRGB, by the profile if it is one for inks. `inverted`:
/// 255 is no ink, as Adobe stores it.
pub fn cmyk_to_srgb(mut inks: Vec<u8>, inverted: bool, icc: Option<Vec<u8>>) -> Vec<u8> {
    if inverted {
        inks.iter_mut().for_each(|it| *it = 255 - *it);
    }
    let mut pixels = vec![0; inks.len() / 4 * 3];
    let transform = icc
        .and_then(|it| profile(&it))
        .filter(|it| it.color_space == DataColorSpace::Cmyk)
        .and_then(|it| {
            let srgb = ColorProfile::new_srgb();
            it.create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgb, options()).ok()
        });
    if transform.is_some_and(|it| it.transform(&inks, &mut pixels).is_ok()) {
        return pixels;
    }
    for (pixel, &[cyan, magenta, yellow, black]) in
        pixels.as_chunks_mut::<3>().0.iter_mut().zip(inks.as_chunks::<4>().0)
    {
        let light = |ink: u8| {
            let product = (255 - u32::from(ink)) * (255 - u32::from(black));
            ((product + 127) / 255) as u8
        };
        *pixel = [light(cyan), light(magenta), light(yellow)];
    }
    pixels
}

fn profile(icc: &[u8]) -> Option<ColorProfile> {
    if icc.len() > PROFILE_MOST {
        return None;
    }
    ColorProfile::new_from_slice(icc).ok()
}

fn options() -> TransformOptions {
    TransformOptions {
        rendering_intent: RenderingIntent::Perceptual,
        ..TransformOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(profile: &ColorProfile) -> Vec<u8> {
        profile.encode().unwrap()
    }

    #[test]
    fn wide_gamut_becomes_srgb() {
        let icc = encoded(&ColorProfile::new_display_p3());
        assert!(is_of_use(&icc));
        let red = to_srgb(Raster::filled(2, 2, [200, 50, 50, 255]), &icc).pixel(1, 1).unwrap();
        // The same light needs more red in sRGB.
        assert!(red[0] > 205 && red[1] < 45, "{red:?}");
        let grey = to_srgb(Raster::filled(1, 1, [128, 128, 128, 99]), &icc).pixel(0, 0).unwrap();
        assert!(grey.iter().take(3).all(|it| it.abs_diff(128) <= 1) && grey[3] == 99, "{grey:?}");
    }

    #[test]
    fn profiles_of_no_use_change_nothing() {
        let grey = encoded(&ColorProfile::new_gray_with_gamma(1.0));
        for icc in [&grey[..], b"nonsense", b""] {
            assert!(!is_of_use(icc));
            let raster = Raster::filled(1, 1, [1, 2, 3, 255]);
            assert_eq!(to_srgb(raster.clone(), icc), raster);
        }
    }

    #[test]
    fn inks_become_light() {
        let inks = vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 0, 255, 255, 128];
        let light = vec![255, 255, 255, 0, 255, 255, 0, 0, 0, 127, 0, 0];
        assert_eq!(cmyk_to_srgb(inks.clone(), false, None), light);
        let inverted = inks.into_iter().map(|it| 255 - it).collect();
        assert_eq!(cmyk_to_srgb(inverted, true, Some(b"junk".to_vec())), light);
    }
}
