//! The node file's `[usage]` table: what is counted for bills, how long it is kept, and who is sent it.

use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use serde::{Deserialize, Serialize};

use super::{DAY, MOST_EXPORTED};
use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// What is counted for bills.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether requests and bytes are counted for each site and 5 minutes, in `state_dir/usage.redb`.
    /// Default true.
    pub enabled: bool,
    /// How long counts are kept, exported or not, 1d to 400d. Default 62d.
    pub keep: Span,
    /// Most memory for what was counted and is not yet on disk, 8MiB to 4GiB; what is beyond is lost
    /// and counted by `brink_usage_lost_total`. Default 128MiB, which is more than 100000 sites with
    /// traffic within one second.
    pub memory: Size,
    /// Where records of finished buckets are sent.
    pub push: PushSettings,
}

/// The `[usage.push]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushSettings {
    /// Where records are posted to as JSON lines, again and again until the answer is a 2xx; an
    /// `http` or `https` URL. Default: nowhere.
    pub url: Option<String>,
    /// Most records in one request, 1 to 10000. Default 1000.
    pub batch: u32,
    /// Longest wait for the answer to one request, 1s to 10m. Default 30s.
    pub timeout: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            keep: Span::seconds(62 * DAY),
            memory: Size::mib(128),
            push: PushSettings::default(),
        }
    }
}

impl Default for PushSettings {
    fn default() -> Self {
        PushSettings { url: None, batch: 1000, timeout: Span::seconds(30) }
    }
}

impl Settings {
    /// What is wrong with the values, seen from the `[usage]` table.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut bound = |field: &str, good: bool, shown: String, way_out: &str| {
            if !good {
                complaints.push(Complaint::out_of_bounds(field, shown).suggest(way_out));
            }
        };
        let days = |days: u64| Duration::from_secs(days * DAY);
        let keep = (days(1)..=days(400)).contains(&self.keep.0);
        bound("keep", keep, self.keep.to_string(), "write a time from \"1d\" to \"400d\"");
        let memory = (Size::mib(8)..=Size::mib(4096)).contains(&self.memory);
        bound("memory", memory, self.memory.to_string(), "write a size from \"8MiB\" to \"4GiB\"");
        let push = &self.push;
        let batch = (1..=MOST_EXPORTED).contains(&(push.batch as usize));
        bound("push.batch", batch, push.batch.to_string(), "write a number from 1 to 10000");
        let timeout = (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&push.timeout.0);
        let way_out = "write a time from \"1s\" to \"10m\"";
        bound("push.timeout", timeout, push.timeout.to_string(), way_out);
        if push.url.is_some() && push.target().is_none() {
            let message =
                format!("`{}` is no http or https URL", push.url.as_deref().unwrap_or(""));
            let way_out = "write one such as \"https://billing.example.com/usage\"";
            complaints.push(Complaint::new("push.url", message).suggest(way_out));
        }
        complaints
    }
}

impl PushSettings {
    /// The URL, if there is one and it can be used.
    pub fn target(&self) -> Option<Uri> {
        let url: Uri = self.url.as_deref()?.parse().ok()?;
        let plain = |it: &Authority| !it.host().is_empty() && !it.as_str().contains('@');
        let named = url.authority().is_some_and(plain);
        (named && matches!(url.scheme_str(), Some("http" | "https"))).then_some(url)
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
        let wrong = "keep = '1h'\nmemory = '1MiB'\n\
                     [push]\nurl = 'ftp://a.example/'\nbatch = 0\ntimeout = '1h'";
        let settings: Settings = toml::from_str(wrong).unwrap();
        let fields: Vec<_> = settings.validate().into_iter().map(|it| it.field).collect();
        assert_eq!(fields, ["keep", "memory", "push.batch", "push.timeout", "push.url"]);
        for (url, good) in [
            ("https://billing.example.com/usage?node=1", true),
            ("http://10.0.0.1:8080", true),
            ("/usage", false),
            ("billing.example.com", false),
            ("http://", false),
            ("http://me:secret@10.0.0.1/", false),
        ] {
            let push = PushSettings { url: Some(url.into()), ..PushSettings::default() };
            assert_eq!(push.target().is_some(), good, "{url}");
        }
    }
}
