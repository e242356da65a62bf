//! Versions in Cargo.lock below which a dependency has a known hole.

/// The crate, and the lowest good version of each line that still gets fixes, newest first. A lock
/// entry must reach the floor of its own line (same major version), or the newest floor.
const FLOORS: &[(&str, &[[u64; 3]])] = &[
    ("hyper", &[[1, 11, 0]]), // Content-Length beside Transfer-Encoding (#4124)
    ("h2", &[[0, 4, 20]]),    // differing duplicate Content-Length; RUSTSEC-2026-0258
    ("rustls", &[[0, 23, 18]]), // RUSTSEC-2024-0399
    ("rustls-webpki", &[[0, 103, 12]]),
    ("quinn-proto", &[[0, 11, 15]]),  // RUSTSEC-2026-0037, 2026-0185
    ("hickory-proto", &[[0, 26, 1]]), // RUSTSEC-2026-0118, 0119, 0120
    ("hickory-resolver", &[[0, 26, 1]]), // same
    ("wasmtime", &[[40, 0, 4], [36, 0, 6], [24, 0, 6]]), // CVE-2026-27204, 27572, 27195
    ("libwebp-sys", &[[0, 9, 3]]),    // CVE-2023-4863
    ("lru", &[[0, 16, 3]]),
];

/// Entries of a Cargo.lock below their floor.
pub fn below(lock: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, version) in packages(lock) {
        let Some((_, floors)) = FLOORS.iter().find(|(known, _)| *known == name) else { continue };
        let newest = floors[0];
        let line = floors.iter().find(|floor| floor[0] == version[0]).unwrap_or(&newest);
        if version < *line {
            found.push(format!("Cargo.lock: {name} {version:?} is below its floor {line:?}"));
        }
    }
    found
}

/// Every `name` and `version` of the lock file.
pub fn packages(lock: &str) -> Vec<(String, [u64; 3])> {
    let value = |line: &str, key: &str| {
        line.strip_prefix(key).map(|rest| rest.trim_matches(['"', ' ', '=']).to_string())
    };
    let mut found = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(text) = value(line, "name = ") {
            name = text;
        } else if let Some(text) = value(line, "version = ") {
            let text = text.split(['-', '+']).next().unwrap_or_default();
            let numbers: Vec<u64> = text.split('.').filter_map(|part| part.parse().ok()).collect();
            if let &[major, minor, patch] = numbers.as_slice() {
                found.push((name.clone(), [major, minor, patch]));
            }
        }
    }
    found
}
