//! `brink completions`: what a shell needs to complete the command line.

use clap::CommandFactory;

/// What `brink completions` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn run(arguments: &Arguments) -> u8 {
    let mut command = super::CommandLine::command();
    clap_complete::generate(arguments.shell, &mut command, "brink", &mut std::io::stdout());
    0
}
