//! What a worker is told, and what it answers: the words that pass between the node and its image
//! workers, whose bytes the pool carries without reading them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::encode::Effort;
use super::fonts::Fonts;
use super::limits::Limits;
use super::pipeline::{self, Accept, Means};
use super::spec::Spec;
use super::{Error, error};

/// One picture to make. Its inputs are the source and then the watermarks' pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The canonical text of what is asked ([`Spec::canonical`]).
    pub spec: String,
    /// The client shows WebP.
    pub webp: bool,
    /// The client shows AVIF.
    pub avif: bool,
    /// Work for few bytes rather than for little time.
    pub thorough: bool,
    /// The most pixels of all frames together.
    pub pixels: u64,
    /// How long it may take, in milliseconds.
    pub milliseconds: u64,
    /// The watermarks' paths, in the order of the inputs.
    pub marks: Vec<String>,
}

/// What came of it; the picture itself is the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is made.
    Made {
        /// Its media type.
        media_type: String,
    },
    /// It is refused, with what a client is told.
    Refused {
        /// The status.
        status: u16,
        /// The eight-digit code.
        code: u32,
        /// A sentence.
        message: String,
    },
}

impl Order {
    /// The bytes for a worker.
    pub fn written(&self) -> Vec<u8> {
        // Into memory, and of plain fields: it cannot fail.
        postcard::to_stdvec(self).unwrap_or_default()
    }
}

impl Answer {
    /// Reads what a worker wrote; none if it is no answer.
    pub fn read(bytes: &[u8]) -> Option<Answer> {
        postcard::from_bytes(bytes).ok()
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Answer::Refused { status: error.status(), code: error.code(), message: error.message }
    }
}

/// Carries an order out, in a worker: appends the picture to `out` and returns the written answer.
pub fn handle(fonts: &Fonts, order: &[u8], inputs: &[&[u8]], out: &mut Vec<u8>) -> Vec<u8> {
    let answer = match made(fonts, order, inputs) {
        Ok(made) => {
            out.extend_from_slice(&made.bytes);
            Answer::Made { media_type: made.media_type.to_owned() }
        }
        Err(answer) => answer,
    };
    postcard::to_stdvec(&answer).unwrap_or_default()
}

fn made(fonts: &Fonts, order: &[u8], inputs: &[&[u8]]) -> Result<pipeline::Made, Answer> {
    let fault = |what: &str| Answer::Refused {
        status: 503,
        code: error::FAULT,
        message: format!("{what} of an image's order is not understood"),
    };
    let order: Order = postcard::from_bytes(order).map_err(|_| fault("the form"))?;
    let spec: Spec = order.spec.parse().map_err(|_| fault("the text"))?;
    let (source, marks) = inputs.split_first().ok_or_else(|| fault("the source"))?;
    let mark = |path: &str| {
        let at = order.marks.iter().position(|known| known == path)?;
        marks.get(at).map(|bytes| bytes.to_vec())
    };
    let limits = Limits {
        pixels: order.pixels,
        bytes: u64::MAX,
        time: Duration::from_millis(order.milliseconds),
        ..Limits::default()
    };
    let means = Means {
        limits: &limits,
        effort: if order.thorough { Effort::Thorough } else { Effort::Fast },
        accept: Accept { webp: order.webp, avif: order.avif },
        score: false,
        fonts,
        mark: &mark,
    };
    Ok(pipeline::run(source, &spec, &means)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_back_as_a_picture_or_a_refusal() {
        let order = Order {
            spec: "/fw/8/format/png".into(),
            webp: false,
            avif: false,
            thorough: false,
            pixels: 1 << 20,
            milliseconds: 5000,
            marks: Vec::new(),
        };
        let run = |order: &Order, input: &[u8]| {
            let mut out = Vec::new();
            let head = handle(&Fonts::none(), &order.written(), &[input], &mut out);
            (Answer::read(&head).unwrap(), out)
        };
        let source = crate::image::samples::file(
            &crate::image::samples::gradient(16, 16),
            crate::image::encode::Target::Png,
        );
        let (answer, body) = run(&order, &source);
        assert_eq!(answer, Answer::Made { media_type: "image/png".into() });
        assert!(body.starts_with(b"\x89PNG"));
        let (answer, body) = run(&order, b"<html>");
        assert!(matches!(answer, Answer::Refused { status: 405, code: 40_300_018, .. }));
        assert!(body.is_empty());
        let mut out = Vec::new();
        let head = handle(&Fonts::none(), b"\xff", &[&source], &mut out);
        assert!(matches!(Answer::read(&head), Some(Answer::Refused { status: 503, .. })));
    }
}
