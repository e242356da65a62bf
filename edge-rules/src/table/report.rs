//! What the tests of a rule set found.

use std::fmt;

use super::Test;
use super::compare::called;
use super::settle::Settled;
use crate::facts::Phase;
use crate::program::Program;
use crate::tree::State;

/// The results of all tests, and which rules none of them met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each test, in the order of the document.
    pub results: Vec<TestResult>,
    /// Rules that no test matched, by name or number from 1; disabled ones do not count.
    pub unmatched: Vec<String>,
    /// The numbers of those rules, from 0.
    unmatched_rules: Vec<u32>,
}

/// What one test found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Its line in the document, from 1.
    pub line: usize,
    /// What is not as expected; nothing if the test passed.
    pub mismatches: Vec<Mismatch>,
    /// What helps to understand a failed test: rules that matched or failed, and why.
    pub trace: Vec<String>,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was compared: `status`, `request header X-A` …
    pub what: String,
    /// What the test expects.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl TestResult {
    /// Whether everything is as expected.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl Report {
    /// How many tests passed.
    pub fn passed(&self) -> usize {
        self.results.iter().filter(|result| result.passed()).count()
    }

    /// Whether all tests passed.
    pub fn is_good(&self) -> bool {
        self.passed() == self.results.len()
    }

    /// Of a program that no test has met.
    pub(super) fn of(program: &Program) -> Report {
        let rules = Phase::ALL.into_iter().flat_map(|phase| program.rules_of(phase));
        let acting = rules.filter(|rule| rule.state != State::Disabled).map(|rule| rule.number);
        let mut report = Report { unmatched_rules: acting.collect(), ..Report::default() };
        report.unmatched_rules.sort_unstable();
        report.unmatched = report.name_unmatched(program);
        report
    }

    pub(super) fn add(&mut self, program: &Program, test: &Test, settled: &Settled) {
        let matched =
            settled.matched.iter().map(|rule| format!("{} matched", called(program, *rule)));
        let failed = settled
            .failed
            .iter()
            .map(|(rule, failure)| format!("{} failed: {failure}", called(program, *rule)));
        let exhausted = settled.exhausted.iter().map(|word| format!("the set ended: {word}"));
        self.results.push(TestResult {
            name: test.name.clone(),
            line: test.line,
            mismatches: test.expect.compare(settled, program),
            trace: matched.chain(failed).chain(exhausted).collect(),
        });
        let before = self.unmatched_rules.len();
        self.unmatched_rules.retain(|rule| !settled.matched.contains(rule));
        if self.unmatched_rules.len() != before {
            self.unmatched = self.name_unmatched(program);
        }
    }

    fn name_unmatched(&self, program: &Program) -> Vec<String> {
        self.unmatched_rules.iter().map(|rule| called(program, *rule)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in self.results.iter().filter(|result| !result.passed()) {
            writeln!(f, "failed: {} (line {})", crate::error::plain(&result.name), result.line)?;
            for Mismatch { what, expected, got } in &result.mismatches {
                writeln!(f, "  {what}: expected {expected}, got {got}")?;
            }
            for line in &result.trace {
                writeln!(f, "  rule {line}")?;
            }
        }
        if !self.unmatched.is_empty() {
            writeln!(f, "no test matches: {}", self.unmatched.join(", "))?;
        }
        write!(f, "{} of {} tests passed", self.passed(), self.results.len())
    }
}
