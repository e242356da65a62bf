//! The node file's `[warm]` table: what warming may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// What jobs that fill the cache may cost.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many jobs run at a time, 1 to 64. Default 2.
    pub jobs: u32,
    /// How many more may wait, 1 to 10000; one that finds no place is refused. Default 16.
    pub queue: u32,
    /// Most requests of one job, each URL in each variant being one, 1 to 10000000. Default 100000.
    pub requests: u32,
    /// Most requests of one job at a time, 1 to 1024; an order may want fewer. Default 16.
    pub concurrency: u32,
    /// Most requests that one job begins in a second, 1 to 100000; an order may want fewer.
    /// Default 100.
    pub rate: u32,
    /// Longest time for one request, from 1s to 1d. Default 1h.
    pub timeout: Span,
    /// Most bytes of one sitemap, unpacked, 64KiB to 256MiB. Default 50MiB, as the protocol has it.
    pub sitemap: Size,
    /// Most sitemaps of one job, those that an index lists included, 1 to 50000. Default 1000.
    pub sitemaps: u32,
    /// How long the results of a job are kept after its end, 1m to 30d. Default 3d.
    pub keep: Span,
    /// Most memory for the URLs and results of all jobs, 1MiB to 16GiB: the oldest that have ended go
    /// first, and a job that finds no room is refused. Default 64MiB.
    pub memory: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            jobs: 2,
            queue: 16,
            requests: 100_000,
            concurrency: 16,
            rate: 100,
            timeout: Span::seconds(3600),
            sitemap: Size::mib(50),
            sitemaps: 1000,
            keep: Span::seconds(3 * 86_400),
            memory: Size::mib(64),
        }
    }
}

impl Settings {
    /// What is wrong with the values, seen from the `[warm]` table.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for (field, value, most) in [
            ("jobs", self.jobs, 64),
            ("queue", self.queue, 10_000),
            ("requests", self.requests, 10_000_000),
            ("concurrency", self.concurrency, 1024),
            ("rate", self.rate, 100_000),
            ("sitemaps", self.sitemaps, 50_000),
        ] {
            if !(1..=most).contains(&value) {
                let way_out = format!("write a number from 1 to {most}");
                complaints.push(Complaint::out_of_bounds(field, value).suggest(way_out));
            }
        }
        let mut bound = |field: &str, good: bool, shown: String, way_out: &str| {
            if !good {
                complaints.push(Complaint::out_of_bounds(field, shown).suggest(way_out));
            }
        };
        let seconds = Duration::from_secs;
        let timeout = (seconds(1)..=seconds(86_400)).contains(&self.timeout.0);
        let way_out = "write a time from \"1s\" to \"1d\"";
        bound("timeout", timeout, self.timeout.to_string(), way_out);
        let sitemap = (Size::kib(64)..=Size::mib(256)).contains(&self.sitemap);
        let way_out = "write a size from \"64KiB\" to \"256MiB\"";
        bound("sitemap", sitemap, self.sitemap.to_string(), way_out);
        let keep = (seconds(60)..=seconds(30 * 86_400)).contains(&self.keep.0);
        bound("keep", keep, self.keep.to_string(), "write a time from \"1m\" to \"30d\"");
        let memory = (Size::mib(1)..=Size::mib(16 << 10)).contains(&self.memory);
        let way_out = "write a size from \"1MiB\" to \"16GiB\"";
        bound("memory", memory, self.memory.to_string(), way_out);
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_read_back() {
        let settings = Settings::default();
        assert_eq!(settings.validate(), vec![]);
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn each_wrong_value_is_named() {
        let wrong = "jobs = 0\nqueue = 10001\nrequests = 0\nconcurrency = 2000\nrate = 0\n\
                     timeout = '0s'\nsitemap = '1KiB'\nsitemaps = 0\nkeep = '1s'\nmemory = '1KiB'";
        let settings: Settings = toml::from_str(wrong).unwrap();
        let mut fields: Vec<_> = settings.validate().into_iter().map(|it| it.field).collect();
        fields.sort_unstable();
        let mut all: Vec<_> = wrong.lines().map(|line| line.trim().split(' ').next()).collect();
        all.sort_unstable();
        assert_eq!(fields.iter().map(|it| Some(&**it)).collect::<Vec<_>>(), all);
    }
}
