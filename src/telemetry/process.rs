//! What the kernel says of this process, under the names that every Prometheus client uses.

use std::fs;

use prometheus_client::metrics::MetricType;

use super::metrics::{Registry, Samples};

/// Linux counts a process's CPU time in ticks of 1/100 s towards user space, whatever its own are.
const TICKS_PER_SECOND: f64 = 100.0;

/// Shows the process in a registry.
pub(super) fn families(registry: &mut Registry) {
    let mut show = |name: &str, help, kind, read: fn(&mut Samples<'_, '_>)| {
        registry.family(format!("process_{name}"), help, kind, read);
    };
    show("resident_memory_bytes", "Resident memory.", MetricType::Gauge, |samples| {
        if let Some(bytes) = resident_bytes() {
            samples.push(&[], bytes);
        }
    });
    show("open_fds", "Open file descriptors.", MetricType::Gauge, |samples| {
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            samples.push(&[], entries.count() as u64);
        }
    });
    show("cpu_seconds", "CPU time spent, user and system.", MetricType::Counter, |samples| {
        if let Some(seconds) = cpu_seconds() {
            samples.push_fraction(&[], seconds);
        }
    });
}

/// `VmRSS:     1234 kB` of `/proc/self/status`.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Fields 14 and 15 of `/proc/self/stat`. The second field, the name, may itself hold spaces and
/// brackets, so counting begins after its last bracket, where the third field is.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
