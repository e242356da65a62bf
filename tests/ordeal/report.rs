//! What an ordeal came to: its figures, and the bounds that it missed.

/// The outcome of one ordeal. What goes wrong is printed at once, and the figures at the end.
pub struct Report {
    name: String,
    figures: Vec<String>,
    missed: usize,
    skipped: usize,
}

impl Report {
    pub fn new(name: &str) -> Report {
        Report { name: name.into(), figures: Vec::new(), missed: 0, skipped: 0 }
    }

    /// Something went wrong that must not.
    pub fn missed(&mut self, what: String) {
        println!("{}: MISSED {what}", self.name);
        self.missed += 1;
    }

    /// A part could not be run.
    pub fn skipped(&mut self, why: &str) {
        println!("{}: not run: {why}", self.name);
        self.figures.push(format!("not run: {why}"));
        self.skipped += 1;
    }

    /// A figure without a bound.
    pub fn figure(&mut self, text: String) {
        println!("{}: {text}", self.name);
        self.figures.push(text);
    }

    /// A figure with a bound: a miss unless it is `kept`.
    pub fn bound(&mut self, kept: bool, text: String) {
        if !kept {
            self.missed(text.clone());
        }
        self.figures.push(format!("{}{text}", if kept { "" } else { "MISSED " }));
    }

    pub fn print(&self) {
        println!("{}: {}", self.name, ["passed", "FAILED", "not run"][usize::from(self.code())]);
        self.figures.iter().for_each(|text| println!("  {text}"));
    }

    /// As the program's exit code.
    pub fn code(&self) -> u8 {
        match (self.missed, self.skipped) {
            (0, 0) => 0,
            (0, _) => 2,
            _ => 1,
        }
    }
}
