//! Why no picture was made: each kind has the HTTP status and the 8-digit code that clients know.

use std::fmt;

use super::geometry::TooLarge;
use super::params::code;

/// Not done in time; status 413.
pub const TOO_SLOW: u32 = 41_300_001;
/// The engine failed; status 503.
pub const FAULT: u32 = 50_300_001;

/// Why the engine made no picture, in a sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind, which decides status and code.
    pub kind: ErrorKind,
    /// One sentence for the client: plain text without a full stop.
    pub message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes are no image, not whole, or damaged.
    NotAnImage,
    /// A question about an image was asked of something else.
    NotAskable,
    /// A picture without width, or wider than allowed.
    Width,
    /// A picture without height, or higher than allowed.
    Height,
    /// More pixels, frames or bytes than allowed.
    TooLarge,
    /// Not done within the time allowed.
    TooSlow,
    /// The format asked for cannot be written, or not by this build.
    Format,
    /// A watermark's picture is missing or unreadable.
    Mark,
    /// No font for a watermark's text.
    Font,
    /// The engine itself failed.
    Fault,
}

impl Error {
    /// An error with its sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// Not an image, or one that is not whole.
    pub fn not_an_image(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotAnImage, message)
    }

    /// The HTTP status that a client gets.
    pub fn status(&self) -> u16 {
        match self.kind {
            ErrorKind::Format | ErrorKind::Mark | ErrorKind::Font => 400,
            ErrorKind::NotAnImage | ErrorKind::Width | ErrorKind::Height => 405,
            ErrorKind::NotAskable => 406,
            ErrorKind::TooLarge => 409,
            ErrorKind::TooSlow => 413,
            ErrorKind::Fault => 503,
        }
    }

    /// The 8-digit code that a client gets.
    pub fn code(&self) -> u32 {
        match self.kind {
            ErrorKind::NotAnImage | ErrorKind::NotAskable => code::NOT_AN_IMAGE,
            ErrorKind::Width => code::WIDTH,
            ErrorKind::Height => code::HEIGHT,
            ErrorKind::TooLarge => code::PIXELS,
            ErrorKind::TooSlow => TOO_SLOW,
            ErrorKind::Format => code::FORMAT,
            ErrorKind::Mark => code::MARK,
            ErrorKind::Font => code::MARK_FONT,
            ErrorKind::Fault => FAULT,
        }
    }
}

impl From<TooLarge> for Error {
    fn from(large: TooLarge) -> Self {
        match large {
            TooLarge::Width(side) => {
                Error::new(ErrorKind::Width, format!("the result would be {side} pixels wide"))
            }
            TooLarge::Height(side) => {
                Error::new(ErrorKind::Height, format!("the result would be {side} pixels high"))
            }
            TooLarge::Pixels(pixels) => {
                Error::new(ErrorKind::TooLarge, format!("the result would have {pixels} pixels"))
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_statuses_and_codes_that_clients_know() {
        let known = [
            (ErrorKind::NotAnImage, 405, 40_300_018),
            (ErrorKind::NotAskable, 406, 40_300_018),
            (ErrorKind::Width, 405, 40_300_019),
            (ErrorKind::Height, 405, 40_300_020),
            (ErrorKind::TooLarge, 409, 40_300_021),
            (ErrorKind::TooSlow, 413, 41_300_001),
            (ErrorKind::Format, 400, 40_011_008),
            (ErrorKind::Mark, 400, 40_011_015),
            (ErrorKind::Font, 400, 40_011_020),
            (ErrorKind::Fault, 503, 50_300_001),
        ];
        for (kind, status, code) in known {
            let error = Error::new(kind, "why");
            assert_eq!((error.status(), error.code()), (status, code), "{kind:?}");
            assert_eq!(error.to_string(), "why");
        }
    }
}
