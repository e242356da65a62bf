//! How far long work is: a bar on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// How a bar looks: what is done of what, and what else is to be said.
const LOOK: &str = "{elapsed:>4} [{bar:40}] {percent:>3} % {msg}";

/// A bar at its beginning. Where it stands is told by [`show`]; `finish_and_clear` takes it away.
pub(super) fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(LOOK);
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Shows so much of a whole, in any unit, and a remark.
pub(super) fn show(bar: &ProgressBar, done: u64, whole: u64, remark: String) {
    bar.set_length(whole);
    bar.set_position(done);
    bar.set_message(remark);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_can_look_so() {
        assert!(ProgressStyle::with_template(LOOK).is_ok());
    }
}
