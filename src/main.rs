//! Parses the command line and hands over.

use std::process::ExitCode;

/// Many small allocations of many sizes on many threads: the system allocator fragments.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    brink::cli::main()
}
