//! The store's settings, and what the machine allows by default.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::disk;
use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// The node's `[store]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The hard bound on bytes in memory: bodies complete and in flight, and metadata. Default: a
    /// quarter of the machine's memory, or of the control group's limit where that is lower.
    pub memory: Size,
    /// Largest body that is kept; a larger one is streamed through. Never more than a quarter of
    /// `memory` counts. Default: 256 MiB.
    pub max_object: Size,
    /// Share of `memory` for new objects, first in, first out, in percent. Default: 20.
    pub window_share: u8,
    /// Share of `memory` for objects that proved themselves, in percent. What both shares leave is
    /// for bodies in flight. Default: 70.
    pub main_share: u8,
    /// How long an object stays new at most. Default: 60 s.
    pub window_time: Span,
    /// How much of a body that is too large to keep is held for its readers. Default: 512 KiB.
    pub stream_buffer: Size,
    /// How long one reader may hold up such a body before it is cut off. Default: 30 s.
    pub stall_timeout: Span,
    /// How many URLs are remembered as uncacheable. Default: 100,000.
    pub max_markers: u32,
    /// How many purge rules are kept. Beyond, the oldest holds for everything that is older still.
    /// Default: 100,000.
    pub max_purge_rules: u32,
    /// The disks below memory. Default: none.
    pub disks: Vec<Disk>,
    /// Threads per disk that wait for reads which the page cache cannot answer. Default: 4.
    pub disk_readers: u16,
    /// How long a read may take before the request goes to the origin instead. Default: 1 s.
    pub disk_deadline: Span,
    /// Bytes that may wait to be written, for each disk; an eighth of `memory` at most counts.
    /// Default: 64 MiB.
    pub disk_queue: Size,
    /// Bytes that may be written to disk, in percent of those that come from origins. Default: 120.
    pub disk_write_budget: u16,
    /// The size that a record has on average; sets the size of the index in memory, 19 bytes for
    /// each such record that a disk has room for. Default: 64 KiB.
    pub disk_average_record: Size,
}

/// One disk: a folder of its own on a file system of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The folder; it is made if it is not there.
    pub path: PathBuf,
    /// How much of it the store may fill.
    pub size: Size,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            memory: Size(machine_memory() / 4),
            max_object: Size::mib(256),
            window_share: 20,
            main_share: 70,
            window_time: Span::seconds(60),
            stream_buffer: Size::kib(512),
            stall_timeout: Span::seconds(30),
            max_markers: 100_000,
            max_purge_rules: 100_000,
            disks: Vec::new(),
            disk_readers: 4,
            disk_deadline: Span::seconds(1),
            disk_queue: Size::mib(64),
            disk_write_budget: 120,
            disk_average_record: Size::kib(64),
        }
    }
}

/// Below this a cache holds nothing worth the trouble.
const LEAST_MEMORY: Size = Size::mib(1);

/// A smaller disk would have too few segments to choose among.
const LEAST_DISK: Size = Size::mib(64);

impl Settings {
    /// What is wrong with the values; empty when nothing is.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.memory < LEAST_MEMORY {
            complaints.push(
                Complaint::new("memory", format!("{} is too little to cache in", self.memory))
                    .suggest(format!("at least {LEAST_MEMORY}")),
            );
        }
        if self.max_object.0 == 0 {
            complaints
                .push(Complaint::new("max_object", "nothing could be kept").suggest("256MiB"));
        }
        if self.window_share == 0 || self.main_share == 0 {
            complaints.push(Complaint::new("window_share", "both shares must be above 0"));
        }
        if u16::from(self.window_share) + u16::from(self.main_share) > 95 {
            complaints.push(
                Complaint::new(
                    "main_share",
                    "window_share and main_share leave less than 5 % for bodies in flight",
                )
                .suggest("70"),
            );
        }
        if self.stream_buffer.0 < 1024 {
            complaints.push(Complaint::new("stream_buffer", "is below 1KiB").suggest("512KiB"));
        }
        for (field, span) in [
            ("window_time", self.window_time),
            ("stall_timeout", self.stall_timeout),
            ("disk_deadline", self.disk_deadline),
        ] {
            if span.0.is_zero() {
                complaints.push(Complaint::new(field, "must be above zero"));
            }
        }
        self.validate_disks(&mut complaints);
        complaints
    }

    fn validate_disks(&self, complaints: &mut Vec<Complaint>) {
        for (place, disk) in self.disks.iter().enumerate() {
            let path = disk.path.display();
            if disk.size < LEAST_DISK {
                complaints.push(
                    Complaint::new("disks", format!("{} is too little for {path}", disk.size))
                        .suggest(format!("at least {LEAST_DISK}")),
                );
            }
            if self.disks.iter().take(place).any(|other| other.path == disk.path) {
                complaints.push(Complaint::new("disks", format!("{path} is named twice")));
            }
        }
        if self.max_purge_rules == 0 {
            complaints
                .push(Complaint::new("max_purge_rules", "each purge would be one of everything"));
        }
        if self.disk_readers == 0 {
            complaints.push(Complaint::new("disk_readers", "nobody could read").suggest("4"));
        }
        if self.disk_queue < Size::mib(2) {
            complaints.push(
                Complaint::new("disk_queue", "is below what one object needs").suggest("64MiB"),
            );
        }
        if self.disk_average_record < Size(512) {
            complaints.push(
                Complaint::new("disk_average_record", "no record is below 512 bytes")
                    .suggest("64KiB"),
            );
        }
    }

    /// What the disk tier has to know.
    pub(super) fn disk_options(&self) -> disk::Options {
        let disks = self
            .disks
            .iter()
            .map(|disk| disk::DiskOptions { path: disk.path.clone(), size: disk.size.0 });
        disk::Options {
            disks: disks.collect(),
            readers: usize::from(self.disk_readers),
            deadline: self.disk_deadline.0,
            queue: self.queue_bytes(),
            write_budget: u32::from(self.disk_write_budget),
            average_record: self.disk_average_record.0,
        }
    }

    /// The largest body that is really kept, in bytes.
    pub(super) fn largest_kept(&self) -> u64 {
        self.max_object.0.min(self.memory.0 / 4)
    }

    pub(super) fn window_bytes(&self) -> u64 {
        self.memory.0 / 100 * u64::from(self.window_share)
    }

    /// What may really wait to be written for each disk, in bytes: it takes memory.
    pub(super) fn queue_bytes(&self) -> u64 {
        self.disk_queue.0.min(self.memory.0 / 8)
    }

    pub(super) fn main_bytes(&self) -> u64 {
        self.memory.0 / 100 * u64::from(self.main_share)
    }
}

/// Used where neither the machine nor a control group says.
const ASSUMED_MEMORY: u64 = 1 << 30;

/// Memory this process may use, in bytes: the machine's, or the lowest limit of its control groups.
fn machine_memory() -> u64 {
    static MEMORY: OnceLock<u64> = OnceLock::new();
    *MEMORY.get_or_init(|| {
        let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
        let group = std::fs::read_to_string("/proc/self/cgroup").ok();
        let limits = group_limits(group.as_deref().unwrap_or_default(), |path| {
            std::fs::read_to_string(path).ok()
        });
        machine.into_iter().chain(limits).min().unwrap_or(ASSUMED_MEMORY)
    })
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The limits of the process's group and of all groups above it, both cgroup versions.
fn group_limits(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let mut lowest = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        for above in Path::new(group).ancestors() {
            let above = above.strip_prefix("/").unwrap_or(above);
            let limit = read(&Path::new(root).join(above).join(file));
            let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
            lowest = lowest.into_iter().chain(limit).min();
        }
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_nothing_wrong_and_fit_the_machine() {
        let settings = Settings::default();
        assert_eq!(settings.validate(), Vec::new());
        assert!(settings.memory.0 > 1 << 20);
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn the_lowest_limit_of_any_group_above_wins() {
        let read = |path: &Path| match path.to_str().unwrap() {
            "/sys/fs/cgroup/a/b/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/a/memory.max" => Some("1048576\n".to_owned()),
            "/sys/fs/cgroup/memory/c/memory.limit_in_bytes" => Some("2097152\n".to_owned()),
            _ => None,
        };
        assert_eq!(group_limits("0::/a/b\n", read), Some(1_048_576));
        assert_eq!(group_limits("5:memory:/c\n2:cpu:/a\n", read), Some(2_097_152));
        assert_eq!(group_limits("0::/\n", read), None);
        assert_eq!(total("MemTotal:       16 kB\n"), Some(16_384));
    }

    #[test]
    fn shares_that_leave_nothing_for_flights_are_refused() {
        let settings = Settings { window_share: 30, main_share: 70, ..Settings::default() };
        assert_eq!(settings.validate().first().unwrap().field, "main_share");
        let tiny = Settings { memory: Size(10), ..Settings::default() };
        assert_eq!(tiny.validate().first().unwrap().field, "memory");
    }
}
