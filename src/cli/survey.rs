//! `brink purge --dry-run`: waits until a running node has counted what would be purged, and shows it.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::cli::{COULD_NOT_RUN, Reach, progress};

/// How often the node is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// Has an order counted instead of carried out.
pub(super) fn run(reach: &Reach, order: Value, became: &str) -> u8 {
    match follow(reach, order) {
        Ok(survey) if reach.json() => println!("{survey:#}"),
        Ok(survey) => print!("{}", told(&survey, became)),
        Err(error) => {
            eprintln!("brink: {error}");
            return COULD_NOT_RUN;
        }
    }
    0
}

/// Orders the survey and waits for its end; on a terminal it says how far it is.
fn follow(reach: &Reach, order: Value) -> Result<Value, String> {
    let mut survey = reach.order("/v1/purge", order)?;
    let bar = progress::bar();
    while survey["state"] == "running" {
        let share = survey["looked_at"].as_f64().unwrap_or_default();
        let about = format!("about {} responses", survey["estimate"]["responses"]);
        progress::show(&bar, (share * 1000.0) as u64, 1000, about);
        std::thread::sleep(LOOK);
        let path = format!("/v1/purge/surveys/{}", survey["id"].as_str().unwrap_or_default());
        let (status, answer) = reach.ask(Method::GET, &path, None)?;
        if !status.is_success() {
            let detail = answer["detail"].as_str();
            return Err(detail.unwrap_or("the node has lost the dry run").to_owned());
        }
        survey = answer;
    }
    bar.finish_and_clear();
    Ok(survey)
}

/// A survey in words.
fn told(survey: &Value, became: &str) -> String {
    let mut text = String::new();
    if survey["state"] != "done" {
        let share = survey["looked_at"].as_f64().unwrap_or_default() * 100.0;
        text += &format!("ended by somebody after {share:.0} %; so far:\n");
    }
    let (urls, responses, bytes) = (&survey["urls"], &survey["responses"], &survey["bytes"]);
    text += &format!("would be {became}: {responses} responses of {urls} URLs, {bytes} bytes\n");
    for (tier, place) in [("memory", "in memory"), ("disk", "on disk")] {
        let (responses, bytes) = (&survey[tier]["responses"], &survey[tier]["bytes"]);
        text += &format!("  {place}: {responses} responses, {bytes} bytes\n");
    }
    if survey["unread"].as_u64().is_some_and(|unread| unread > 0) {
        text += &format!("  {} records on disk could not be read\n", survey["unread"]);
    }
    let list = |name: &str| survey[name].as_array().cloned().unwrap_or_default();
    let hosts = list("hosts");
    if !hosts.is_empty() {
        text += "hosts:\n";
    }
    for host in hosts {
        let name = host["host"].as_str().unwrap_or_default();
        text += &format!("  {:>10}  {name}\n", host["responses"].as_u64().unwrap_or_default());
    }
    if survey["other_hosts"].as_u64().is_some_and(|others| others > 0) {
        text += &format!("  {:>10}  others\n", survey["other_hosts"].as_u64().unwrap_or_default());
    }
    let samples = list("samples");
    if !samples.is_empty() {
        text += "some of the URLs:\n";
    }
    for url in samples {
        text += &format!("  {}\n", url.as_str().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_survey_is_told_in_words() {
        let mut survey = json!({
            "state": "done", "looked_at": 1.0, "urls": 2, "responses": 3, "bytes": 400,
            "memory": {"responses": 1, "bytes": 100}, "disk": {"responses": 3, "bytes": 400},
            "hosts": [{"host": "a.test", "responses": 3}], "other_hosts": 0,
            "samples": ["http://a.test/x"], "unread": 0,
        });
        assert_eq!(
            told(&survey, "gone"),
            "would be gone: 3 responses of 2 URLs, 400 bytes\n  in memory: 1 responses, 100 bytes\n  \
             on disk: 3 responses, 400 bytes\nhosts:\n           3  a.test\nsome of the URLs:\n  \
             http://a.test/x\n"
        );
        survey["state"] = json!("cancelled");
        survey["looked_at"] = json!(0.25);
        survey["unread"] = json!(7);
        survey["other_hosts"] = json!(9);
        let text = told(&survey, "stale");
        assert!(
            text.starts_with("ended by somebody after 25 %; so far:\nwould be stale: "),
            "{text}"
        );
        assert!(text.contains("7 records on disk could not be read\n"), "{text}");
        assert!(text.contains("         9  others\n"), "{text}");
    }
}
