//! The same picture for a screen with more pixels to the inch: all lengths on the picture grow.

use super::spec::{
    AREA_MOST, BLUR_RADIUS_MOST, BLUR_SIGMA_MOST, Content, Crop, FONT_SIZE_MOST, SIDE_MOST, Scale,
    Spec,
};

/// Density 1, counted in quarters.
pub const ONE: u32 = 4;
/// The lowest density, in quarters.
pub const LEAST: u32 = 2;
/// The highest density, in quarters.
pub const MOST: u32 = 20;

/// A length would leave its bounds at this density.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Spec {
    /// This request for a density of `quarters` fourths ([`LEAST`] to [`MOST`], clamped). Sizes,
    /// boxes after scaling, corners, blurs, gradients, marks, frame and canvas grow; a crop before
    /// scaling, which is measured on the source, and percentages do not.
    ///
    /// # Errors
    /// A length or area above its limit.
    pub fn at_density(mut self, quarters: u32) -> Result<Spec, TooLarge> {
        let quarters = quarters.clamp(LEAST, MOST);
        if quarters == ONE {
            return Ok(self);
        }
        let by = Factor(quarters);
        self.scale = self.scale.map(|it| by.scale(it)).transpose()?;
        self.clip = self.clip.map(|it| by.clip(it)).transpose()?;
        self.round = self.round.map(|it| by.side(it)).transpose()?;
        if let Some(blur) = &mut self.blur {
            blur.radius = by.capped(blur.radius.into(), BLUR_RADIUS_MOST.into());
            blur.sigma = by.capped(blur.sigma.into(), BLUR_SIGMA_MOST.into());
        }
        if let Some((start, stop)) = self.gradient.as_mut().and_then(|it| it.span.as_mut()) {
            (*start, *stop) = by.pair(*start, *stop)?;
        }
        for mark in &mut self.marks {
            (mark.margin_x, mark.margin_y) = by.pair(mark.margin_x, mark.margin_y)?;
            if let Content::Text { size, .. } = &mut mark.content {
                *size = by.bounded(*size, FONT_SIZE_MOST)?;
            }
        }
        if let Some(frame) = &mut self.frame {
            (frame.width, frame.height) = by.pair(frame.width, frame.height)?;
        }
        if let Some(canvas) = &mut self.canvas {
            (canvas.width, canvas.height) = by.pair(canvas.width, canvas.height)?;
            canvas.at = canvas.at.map(|(x, y)| Ok((by.shift(x)?, by.shift(y)?))).transpose()?;
        }
        Ok(self)
    }
}

/// Multiplies by so many quarters, to the nearest pixel; what was not 0 stays at least 1.
#[derive(Clone, Copy)]
struct Factor(u32);

impl Factor {
    fn times(self, length: u32) -> u64 {
        let product = (u64::from(length) * u64::from(self.0) + 2) / 4;
        product.max(length.min(1).into())
    }

    fn bounded(self, length: u32, most: u32) -> Result<u32, TooLarge> {
        u32::try_from(self.times(length)).ok().filter(|it| *it <= most).ok_or(TooLarge)
    }

    fn side(self, length: u32) -> Result<u32, TooLarge> {
        self.bounded(length, SIDE_MOST)
    }

    fn pair(self, one: u32, other: u32) -> Result<(u32, u32), TooLarge> {
        Ok((self.side(one)?, self.side(other)?))
    }

    fn shift(self, distance: i32) -> Result<i32, TooLarge> {
        let length = self.side(distance.unsigned_abs())?.cast_signed();
        Ok(if distance < 0 { -length } else { length })
    }

    fn capped<T: TryFrom<u64> + Default>(self, length: u32, most: u32) -> T {
        T::try_from(self.times(length).min(most.into())).unwrap_or_default()
    }

    fn scale(self, scale: Scale) -> Result<Scale, TooLarge> {
        Ok(match scale {
            Scale::Width(it) => Scale::Width(self.side(it)?),
            Scale::Height(it) => Scale::Height(self.side(it)?),
            Scale::Longest(it) => Scale::Longest(self.side(it)?),
            Scale::Shortest(it) => Scale::Shortest(self.side(it)?),
            Scale::Fit { width, height } => {
                let (width, height) = self.pair(width, height)?;
                Scale::Fit { width, height }
            }
            Scale::Cover { width, height } => {
                let (width, height) = self.pair(width, height)?;
                Scale::Cover { width, height }
            }
            Scale::Exact { width, height, gravity } => {
                let (width, height) = self.pair(width, height)?;
                Scale::Exact { width, height, gravity }
            }
            Scale::Stretch { width, height } => {
                let (width, height) = self.pair(width, height)?;
                Scale::Stretch { width, height }
            }
            Scale::FitSides { long, short } => {
                let (long, short) = self.pair(long, short)?;
                Scale::FitSides { long, short }
            }
            Scale::CoverSides { long, short } => {
                let (long, short) = self.pair(long, short)?;
                Scale::CoverSides { long, short }
            }
            Scale::Area(pixels) => Scale::Area(self.area(pixels)?),
            Scale::Percent(_) | Scale::WidthPercent(_) | Scale::HeightPercent(_) => scale,
        })
    }

    fn area(self, pixels: u32) -> Result<u32, TooLarge> {
        let product = u64::from(pixels) * u64::from(self.0).pow(2) / 16;
        u32::try_from(product.max(1)).ok().filter(|it| *it <= AREA_MOST).ok_or(TooLarge)
    }

    fn clip(self, clip: Crop) -> Result<Crop, TooLarge> {
        Ok(Crop {
            width: clip.width.map(|it| self.side(it)).transpose()?,
            height: clip.height.map(|it| self.side(it)).transpose()?,
            x: self.shift(clip.x)?,
            y: self.shift(clip.y)?,
            gravity: clip.gravity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_on_the_picture_grow_and_those_on_the_source_do_not() {
        let twice = spec(
            "/crop/400x300a5a5/fw/300/clip/100x50a3s2/gravity/center/roundrect/7/gaussblur/30x3\
             /gdori/top,down/gdpos/0,10/watermark/text/YQ/size/20/margin/5x0/border/0x2\
             /canvas/30x40a1s1/dpr/2",
        );
        assert_eq!(
            twice,
            spec(
                "/crop/400x300a5a5/fw/600/clip/200x100a6s4/gravity/center/roundrect/14\
                 /gaussblur/50x6/gdori/top,down/gdpos/0,20/watermark/text/YQ/size/40/margin/10x0\
                 /border/0x4/canvas/60x80a2s2"
            )
        );
    }

    #[test]
    fn every_scaling_key_grows_or_is_a_percentage() {
        for (one, other) in [
            ("/fw/3/dpr/1.5", "/fw/5"),
            ("/fh/1/dpr/0.5", "/fh/1"),
            ("/max/300/dpr/3", "/max/900"),
            ("/min/300/dpr/3", "/min/900"),
            ("/fwfh/30x20/dpr/2", "/fwfh/60x40"),
            ("/fwfh2/30x20/dpr/2", "/fwfh2/60x40"),
            ("/both/30x20/gravity/auto/dpr/2", "/both/60x40/gravity/auto"),
            ("/sq/30/dpr/2", "/sq/60"),
            ("/stretch/30x20/dpr/2", "/stretch/60x40"),
            ("/fxfn/30x20/dpr/2", "/fxfn/60x40"),
            ("/fxfn2/30x20/dpr/2", "/fxfn2/60x40"),
            ("/fp/1000/dpr/2", "/fp/4000"),
            ("/scale/50/dpr/2", "/scale/50"),
            ("/wscale/50/dpr/2", "/wscale/50"),
            ("/hscale/50/dpr/2", "/hscale/50"),
            ("/fw/300/dpr/1", "/fw/300"),
        ] {
            assert_eq!(spec(one), spec(other), "{one}");
        }
    }

    #[test]
    fn what_grows_too_large_is_refused() {
        for text in ["/fw/20000/dpr/1.25", "/fp/25000000/dpr/2", "/clip/5000x10001/dpr/2"] {
            assert!(text.parse::<Spec>().is_err(), "{text}");
        }
        assert_eq!(spec("/fw/300").at_density(0), spec("/fw/300").at_density(LEAST));
    }
}
