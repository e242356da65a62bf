//! The `[telemetry]` table of the node's settings: what is logged, how, and where to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::share::Share;
use super::zone::Zone;
use crate::quantity::Size;
use crate::setting::Complaint;

/// What a node tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The log of requests, one line each.
    pub access_log: AccessLogSettings,
    /// The log of the node's own events, on standard error.
    pub events: EventSettings,
}

/// The `[telemetry.access_log]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogSettings {
    /// `"json"` (one object a line), `"combined"` (the NCSA format that goaccess and awstats read),
    /// `"fields"` (21 fields, `combined` and more) or `"off"`. Default `"json"`.
    pub format: Format,
    /// `"stdout"` or the path of a file, which SIGUSR1 opens anew after it was moved away.
    /// Default `"stdout"`.
    pub path: PathBuf,
    /// The zone of times in `"combined"` and `"fields"` and of the hours and days of `rotate`: an
    /// offset from UTC. Default `"+00:00"`.
    pub time_zone: Zone,
    /// Logs the network of a client instead of its address: /24 of IPv4, /48 of IPv6.
    /// Default false.
    pub mask_client: bool,
    /// How many bytes of lines may wait for the writer, shared out over the threads, 1MiB to 1GiB;
    /// more are lost and counted by `brink_access_log_lost_total`. Default 8MiB, which is 20000 lines
    /// as a rule.
    pub queue: Size,
    /// How much of one field is logged, 64B to 64KiB; the rest is cut and marked by `...`.
    /// Default 2KiB.
    pub field_limit: Size,
    /// Query parameters whose values are secret, in any case of letters: `***` is logged instead,
    /// in a Referer too. Default: the names that tokens and signatures usually have.
    pub secret_parameters: Vec<String>,
    /// When the file is closed and a new one begun.
    pub rotate: Rotate,
}

/// The `[telemetry.access_log.rotate]` table. A closed file has the name of the log with the time of
/// its closing behind it, in UTC: `access.log.20260131T120000.123Z`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    /// Close the file as each `"hour"` or `"day"` ends, or `"never"`. Default `"never"`.
    pub every: Every,
    /// Close it before it would grow larger than this, 1MiB to 1TiB; `"0B"`: it may grow. Default `"0B"`.
    pub size: Size,
    /// Compress closed files; `.gz` is added to their names. Default true.
    pub gzip: bool,
    /// How many closed files are kept, 1 to 100000; the oldest go first. Default 100.
    pub keep: u32,
}

/// After which time a new file is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    /// Time does not matter.
    #[default]
    Never,
    /// Each hour of the day has its file.
    Hour,
    /// Each day has its file.
    Day,
}

/// The `[log]` table of a site's document: what of the site is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteLog {
    /// The share of requests that are logged, 0 to 1, chosen at random. What failed is logged in any
    /// case: a status of 500 and more, an origin that gave no answer, a response that was cut. A line
    /// that stands for more than itself says so: `"sample":0.1` in JSON, ` sample=0.1` behind the
    /// last field in the other forms. Default: 1.
    pub sample: Share,
}

/// The `[telemetry.events]` table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventSettings {
    /// The least severe event that is told: `"error"`, `"warn"`, `"info"`, `"debug"` or `"trace"`.
    /// Libraries are told of at `"warn"` unless this says `"trace"`. Default `"info"`.
    pub level: Level,
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// The NCSA combined format.
    Combined,
    /// 21 fields: the combined format with scheme and host, and what was found of the object.
    Fields,
    /// No access log.
    Off,
}

/// How severe an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something failed and needs a person.
    Error,
    /// Something is wrong and was coped with.
    Warn,
    /// Milestones: started, reloaded, drained.
    #[default]
    Info,
    /// Decisions, for those who look for a fault.
    Debug,
    /// Everything, libraries included.
    Trace,
}

const SECRET_PARAMETERS: &[&str] = &[
    "_upt",
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "auth_key",
    "client_secret",
    "id_token",
    "jwt",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "sig",
    "sign",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
];

impl Default for AccessLogSettings {
    fn default() -> Self {
        AccessLogSettings {
            format: Format::Json,
            path: PathBuf::from("stdout"),
            time_zone: Zone::default(),
            mask_client: false,
            queue: Size::mib(8),
            field_limit: Size::kib(2),
            secret_parameters: SECRET_PARAMETERS.iter().map(|&name| name.into()).collect(),
            rotate: Rotate::default(),
        }
    }
}

impl Default for Rotate {
    fn default() -> Self {
        Rotate { every: Every::Never, size: Size(0), gzip: true, keep: 100 }
    }
}

impl Rotate {
    /// Whether files are closed at all.
    pub fn is_on(&self) -> bool {
        self.every != Every::Never || self.size.0 > 0
    }

    /// What is wrong with the values, seen from their own table.
    fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.size.0 > 0 && !(1 << 20..=1 << 40).contains(&self.size.0) {
            complaints.push(
                Complaint::out_of_bounds("size", self.size)
                    .suggest("write a size from \"1MiB\" to \"1TiB\", or \"0B\""),
            );
        }
        if !(1..=100_000).contains(&self.keep) {
            complaints.push(
                Complaint::out_of_bounds("keep", self.keep)
                    .suggest("write a number from 1 to 100000"),
            );
        }
        complaints
    }
}

impl Settings {
    /// What is wrong with the values, seen from the `[telemetry]` table.
    pub fn validate(&self) -> Vec<Complaint> {
        self.access_log
            .validate()
            .into_iter()
            .map(|complaint| complaint.within("access_log"))
            .collect()
    }
}

impl AccessLogSettings {
    /// What is wrong with the values, seen from the `[telemetry.access_log]` table.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.path.as_os_str().is_empty() {
            complaints.push(
                Complaint::new("path", "the path is empty")
                    .suggest("write \"stdout\" or the path of a file"),
            );
        } else if self
            .path
            .parent()
            .is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        {
            complaints.push(
                Complaint::new(
                    "path",
                    format!("the folder of `{}` does not exist", self.path.display()),
                )
                .suggest("make the folder, or write \"stdout\""),
            );
        }
        if self.rotate.is_on() && self.path.as_os_str() == "stdout" {
            complaints.push(
                Complaint::new("rotate", "standard output cannot be closed and begun anew")
                    .suggest("name a file in `path`"),
            );
        }
        let rotate = self.rotate.validate();
        complaints.extend(rotate.into_iter().map(|complaint| complaint.within("rotate")));
        if !(1 << 20..=1 << 30).contains(&self.queue.0) {
            complaints.push(
                Complaint::out_of_bounds("queue", self.queue)
                    .suggest("write a size from \"1MiB\" to \"1GiB\""),
            );
        }
        if !(64..=65_536).contains(&self.field_limit.0) {
            complaints.push(
                Complaint::out_of_bounds("field_limit", self.field_limit)
                    .suggest("write a size from \"64B\" to \"64KiB\""),
            );
        }
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
        let settings: Settings = toml::from_str(
            "[access_log]\npath = '/no/such/folder/access.log'\nqueue = '1KiB'\nfield_limit = '1B'",
        )
        .unwrap();
        let fields = |settings: &Settings| -> Vec<String> {
            settings.validate().into_iter().map(|c| c.field).collect()
        };
        assert_eq!(
            fields(&settings),
            ["access_log.path", "access_log.queue", "access_log.field_limit"]
        );
        let settings: Settings =
            toml::from_str("[access_log.rotate]\nevery = 'hour'\nsize = '1KiB'\nkeep = 0").unwrap();
        assert_eq!(
            fields(&settings),
            ["access_log.rotate", "access_log.rotate.size", "access_log.rotate.keep"]
        );
        assert!(toml::from_str::<Settings>("[access_log]\ntime_zone = 'local'").is_err());
        assert!(toml::from_str::<Settings>("[events]\nlevel = 'loud'").is_err());
    }
}
