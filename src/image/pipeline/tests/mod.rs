//! Whole jobs: files in, files out, judged by pixels, sizes and answers.

mod formats;
mod hostile;
mod marks;
mod photographs;
mod questions;
mod shapes;
