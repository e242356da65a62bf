//! Images on the fly: the URL language, the geometry that it asks for, and what a site may say of both.
//!
//! A request for an image is text ([`params`]); it becomes one typed form ([`Spec`]), whose canonical
//! text is the variant's key. The engine carries out a `Spec` and knows nothing of URLs.

mod canonical;
pub mod colour;
pub mod colours;
pub mod decode;
pub mod density;
pub mod encode;
pub mod error;
pub mod fonts;
pub mod geometry;
#[cfg(test)]
mod geometry_tests;
pub mod header;
pub mod job;
pub mod limits;
pub mod metadata;
pub mod params;
pub mod pipeline;
pub mod preset;
pub mod raster;
#[cfg(test)]
mod samples;
pub mod score;
pub mod settings;
pub mod signature;
pub mod spec;
pub mod steps;
pub mod workers;

pub use error::{Error, ErrorKind};
pub use settings::Settings;
pub use spec::Spec;
