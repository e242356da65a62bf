//! `brink image-worker`: what a node starts to decode and encode images, confined; nobody else does.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::image::fonts::Fonts;
use crate::image::job;
use crate::image::workers::{Threads, work};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// More fonts: files or folders.
    fonts: Vec<PathBuf>,
}

/// Works until the node hangs up.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    work(Threads::Forbidden, || {
        let fonts = Fonts::hold(&arguments.fonts);
        Ok(move |order: &[u8], inputs: &[&[u8]], out: &mut Vec<u8>| {
            job::handle(&fonts, order, inputs, out)
        })
    })
}
