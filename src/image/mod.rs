//! Images on the fly: the URL language, the geometry that it asks for, and what a site may say of both.
//!
//! A request for an image is text (`params`); it becomes one typed form ([`Spec`]), whose canonical
//! text is the variant's key. The engine carries out a `Spec` and knows nothing of URLs.

pub mod spec;

pub use spec::Spec;
