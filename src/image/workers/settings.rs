//! The `[images]` table of the node's settings: what image work may cost.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// How workers stand to everything else on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Only on time that nothing else wants.
    #[default]
    Idle,
    /// After everything else, but never quite without time (nice 19).
    Low,
    /// Like the node itself.
    Normal,
}

/// The worker processes that decode and encode images.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Worker processes, each with one job at a time, 0 to 256; 0: one for each core. They are
    /// started when the first image is asked for. Default: 0.
    pub workers: u16,
    /// Jobs that may wait for a worker, 1 to 65536; more are refused. Default: 256.
    pub queue: u32,
    /// Longest wait for a worker. Default: 2 s.
    pub queue_wait: Span,
    /// Longest time for one job, after which its worker is killed. Default: 10 s.
    pub time_limit: Span,
    /// Most processor time for one job, after which its worker is killed; whole seconds. Default: 8 s.
    pub cpu_limit: Span,
    /// Address space of one worker, 128 MiB or more, of which its program and the slot that carries
    /// images take about 100 MiB. Default: 1 GiB.
    pub memory: Size,
    /// Most bytes that one job may bring, all its images together, up to 1 GiB. Default: 32 MiB.
    pub largest_input: Size,
    /// Most bytes that may come of one job, up to 1 GiB. Default: 32 MiB.
    pub largest_output: Size,
    /// Jobs after which a worker is replaced by a fresh one. Default: 1000.
    pub jobs: u32,
    /// How much of workers and queue one site may hold while another waits, and of the workers at any
    /// time if its jobs are long, in percent. Default: 50.
    pub site_share: u8,
    /// How much of one core goes into making better, behind the answers, what was made fast and is asked
    /// for often, in percent; 0: nothing. Default: 25.
    pub background: u8,
    /// Files and folders of fonts, beside those that are installed; a worker holds up to 128 MiB of
    /// them. Default: none.
    pub fonts: Vec<PathBuf>,
    /// How workers stand to everything else on the machine: "idle", "low" or "normal". Default: "idle".
    pub priority: Priority,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            workers: 0,
            queue: 256,
            queue_wait: Span::seconds(2),
            time_limit: Span::seconds(10),
            cpu_limit: Span::seconds(8),
            memory: Size::mib(1024),
            largest_input: Size::mib(32),
            largest_output: Size::mib(32),
            jobs: 1000,
            site_share: 50,
            background: 25,
            fonts: Vec::new(),
            priority: Priority::Idle,
        }
    }
}

/// More processes than help on any machine that this runs on.
const MAX_WORKERS: u16 = 256;

/// A longer queue only holds what nobody waits for any more.
const MAX_QUEUE: u32 = 1 << 16;

/// The program itself and the slot must fit.
const LEAST_MEMORY: Size = Size::mib(128);

/// No image that is worth the work is larger.
const MAX_BYTES: Size = Size::mib(1024);

impl Settings {
    /// How many workers are kept.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(usize::from(MAX_WORKERS)),
            workers => usize::from(workers),
        }
    }

    /// What is wrong with the values, seen from the `[images]` table; empty when nothing is.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut object = |wrong: bool, field: &str, message: String, instead: &str| {
            if wrong {
                complaints.push(Complaint::new(field, message).suggest(instead));
            }
        };
        object(
            self.workers > MAX_WORKERS,
            "workers",
            format!("{} workers are more than {MAX_WORKERS}", self.workers),
            "write 0 for one each core",
        );
        object(
            !(1..=MAX_QUEUE).contains(&self.queue),
            "queue",
            format!("{} is not from 1 to {MAX_QUEUE}", self.queue),
            "256",
        );
        for (field, span) in [("queue_wait", self.queue_wait), ("time_limit", self.time_limit)] {
            object(span.0.is_zero(), field, "must be above zero".into(), "10s");
        }
        object(
            self.cpu_limit.0.as_secs() == 0 || self.cpu_limit.0.subsec_nanos() > 0,
            "cpu_limit",
            format!("{} is not whole seconds, one at least", self.cpu_limit),
            "8s",
        );
        for (field, size) in
            [("largest_input", self.largest_input), ("largest_output", self.largest_output)]
        {
            object(
                size.0 == 0 || size > MAX_BYTES,
                field,
                format!("{size} is not from 1B to {MAX_BYTES}"),
                "32MiB",
            );
        }
        let room = self.largest_input.0.max(self.largest_output.0);
        object(
            self.memory.0 < LEAST_MEMORY.0.saturating_add(room),
            "memory",
            format!("{} is less than {LEAST_MEMORY} above the largest image", self.memory),
            "1GiB",
        );
        for font in self.fonts.iter().filter(|font| !font.exists()) {
            let message = format!("{} is not there", font.display());
            object(true, "fonts", message, "write paths of files or folders");
        }
        object(self.jobs == 0, "jobs", "a worker that may do nothing is of no use".into(), "1000");
        object(
            !(1..=100).contains(&self.site_share),
            "site_share",
            format!("{} is not from 1 to 100", self.site_share),
            "50",
        );
        object(
            self.background > 100,
            "background",
            format!("{} is more than a core", self.background),
            "write 0 to 100",
        );
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Settings::default().validate(), []);
        assert!(Settings::default().worker_count() >= 1);
    }

    #[test]
    fn each_wrong_value_is_named() {
        let wrong = |text: &str| {
            let settings: Settings = toml::from_str(text).unwrap();
            settings.validate().into_iter().map(|it| it.field).collect::<Vec<_>>()
        };
        for (text, field) in [
            ("workers = 257", "workers"),
            ("queue = 0", "queue"),
            ("queue = 65537", "queue"),
            ("queue_wait = \"0s\"", "queue_wait"),
            ("time_limit = \"0s\"", "time_limit"),
            ("cpu_limit = \"500ms\"", "cpu_limit"),
            ("cpu_limit = \"1500ms\"", "cpu_limit"),
            ("memory = \"100MiB\"", "memory"),
            ("memory = \"150MiB\"", "memory"),
            ("largest_input = \"0B\"", "largest_input"),
            ("largest_output = \"2GiB\"\nmemory = \"4GiB\"", "largest_output"),
            ("jobs = 0", "jobs"),
            ("site_share = 0", "site_share"),
            ("site_share = 101", "site_share"),
            ("background = 101", "background"),
        ] {
            assert_eq!(wrong(text), [field], "{text}");
        }
    }
}
