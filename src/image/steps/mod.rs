//! What can be done to a picture, one family of operations per file. All sizes were decided before.

pub mod attention;
pub mod blend;
pub mod blur;
pub mod corners;
pub mod crop;
pub mod frame;
pub mod gradient;
pub mod mark;
pub mod scale;
pub mod sharpen;
pub mod text;
pub mod turn;
