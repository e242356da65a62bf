//! `brink usage`: what sites have used, as a running node has counted it.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::{COULD_NOT_RUN, FOUND_WRONG, Reach};

/// What `brink usage` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One site; without it, all together; "" for requests whose host no site has.
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// The beginning: a moment as 2026-01-31T12:00:00Z or with +08:00, a date, or seconds since 1970.
    /// A day before the end, at a full hour (or day, `--by day`), if nothing is said.
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// The end, written alike; the present if nothing is said.
    #[arg(long, value_name = "T")]
    to: Option<String>,
    /// How long the time of a line is: 5m (up to 31 days of them), hour or day.
    #[arg(long, value_name = "STEP", value_parser = ["5m", "hour", "day"], default_value = "hour")]
    by: String,
    #[command(flatten)]
    reach: Reach,
}

/// Shows what was used; finds wrong when the node refuses the question.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let (status, answer) = match arguments.reach.ask(Method::GET, &arguments.target(), None) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("brink: {error}");
            return COULD_NOT_RUN;
        }
    };
    if !status.is_success() {
        let why = answer["detail"].as_str().unwrap_or("the node refused without a reason");
        eprintln!("brink: {why}");
        return FOUND_WRONG;
    }
    if arguments.reach.json() {
        println!("{answer:#}");
    } else {
        print!("{}", table(&answer));
    }
    0
}

impl Arguments {
    fn target(&self) -> String {
        let mut target = format!("/v1/usage?by={}", self.by);
        for (name, value) in [("site", &self.site), ("from", &self.from), ("to", &self.to)] {
            if let Some(value) = value {
                let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
                target.push_str(&format!("&{name}={value}"));
            }
        }
        target
    }
}

/// The answer for people.
fn table(answer: &Value) -> String {
    let site = match answer["site"].as_str() {
        None => "all sites",
        Some("") => "no site",
        Some(site) => site,
    };
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    let mut shown = format!("{site}, {} to {}, by {}\n\n", text("from"), text("to"), text("by"));
    shown.push_str(&format!(
        "{:<22}{:>12}{:>8}{:>12}{:>14}{:>12}{:>10}\n",
        "start", "requests", "hits", "sent", "bandwidth", "origin", "errors"
    ));
    for point in answer["points"].as_array().into_iter().flatten() {
        let start = point["start"].as_str().unwrap_or_default();
        shown.push_str(&line(start, point, &point["bits_per_second"]));
    }
    let (total, bandwidth) = (&answer["total"], &answer["bandwidth"]);
    shown.push_str(&line("total", total, &bandwidth["mean"]));
    shown.push_str(&format!(
        "\nbandwidth: peak {}, 95th percentile {}, fourth daily peak {}\n",
        rate(number(&bandwidth["peak"])),
        rate(number(&bandwidth["percentile_95"])),
        bandwidth["fourth_daily_peak"].as_u64().map_or("- (fewer than 4 days)".to_owned(), rate),
    ));
    let images = &total["images"];
    if number(&images["made"]) > 0 || number(&images["saved_bytes"]) > 0 {
        shown.push_str(&format!(
            "images: {} made in {:.1} s of processor time, {} saved\n",
            number(&images["made"]),
            number(&images["cpu_microseconds"]) as f64 / 1e6,
            bytes(number(&images["saved_bytes"])),
        ));
    }
    let failures = number(&total["rule_failures"]);
    if failures > 0 {
        shown.push_str(&format!("rules: {failures} failures\n"));
    }
    shown
}

fn line(start: &str, counts: &Value, bandwidth: &Value) -> String {
    let requests = number(&counts["requests"]);
    let of = |result: &str| number(&counts["results"][result]["requests"]);
    let hits = (of("hit") + of("stale")) as f64 * 100.0 / requests.max(1) as f64;
    format!(
        "{start:<22}{requests:>12}{:>8}{:>12}{:>14}{:>12}{:>10}\n",
        format!("{hits:.1} %"),
        bytes(number(&counts["bytes"])),
        rate(number(bandwidth)),
        bytes(number(&counts["origin"]["bytes"])),
        of("error"),
    )
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn bytes(count: u64) -> String {
    scaled(count, "B")
}

fn rate(bits: u64) -> String {
    scaled(bits, "bit/s")
}

/// Three digits and a unit, by thousands.
fn scaled(count: u64, unit: &str) -> String {
    let mut value = count as f64;
    for prefix in ["", "k", "M", "G", "T", "P"] {
        if value < 999.5 || prefix == "P" {
            let digits = if prefix.is_empty() || value >= 99.95 {
                0
            } else if value >= 9.995 {
                1
            } else {
                2
            };
            return format!("{value:.digits$} {prefix}{unit}");
        }
        value /= 1000.0;
    }
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (count, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (5_000_000_000, "5.00 GB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(count), shown, "{count}");
        }
    }

    #[test]
    fn an_answer_is_a_table() {
        let counts = json!({
            "requests": 200, "bytes": 1_500_000,
            "results": { "hit": { "requests": 150, "bytes": 1 }, "error": { "requests": 3, "bytes": 1 } },
            "origin": { "requests": 47, "bytes": 500 },
            "images": { "made": 2, "cpu_microseconds": 250_000, "saved_bytes": 4000 },
            "rule_failures": 1,
        });
        let mut point = counts.clone();
        point["start"] = "2026-01-31T12:00:00Z".into();
        point["bits_per_second"] = 3333.into();
        let answer = json!({
            "site": "shop", "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T13:00:00Z", "by": "hour",
            "points": [point], "total": counts,
            "bandwidth": { "mean": 3333, "peak": 40_000, "percentile_95": 40_000, "fourth_daily_peak": null },
        });
        let shown = table(&answer);
        let expected = "\
shop, 2026-01-31T12:00:00Z to 2026-01-31T13:00:00Z, by hour

start                     requests    hits        sent     bandwidth      origin    errors
2026-01-31T12:00:00Z           200  75.0 %     1.50 MB   3.33 kbit/s       500 B         3
total                          200  75.0 %     1.50 MB   3.33 kbit/s       500 B         3

bandwidth: peak 40.0 kbit/s, 95th percentile 40.0 kbit/s, fourth daily peak - (fewer than 4 days)
images: 2 made in 0.2 s of processor time, 4.00 kB saved
rules: 1 failures
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn names_are_written_so_that_they_arrive() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: Arguments,
        }
        let line = ["usage", "--site", "a&b", "--from", "2026-01-31T00:00:00+08:00", "--by", "day"];
        let Line { arguments } =
            clap::Parser::try_parse_from(line).unwrap_or_else(|it| panic!("{it}"));
        let target = arguments.target();
        assert_eq!(
            target,
            "/v1/usage?by=day&site=a%26b&from=2026%2D01%2D31T00%3A00%3A00%2B08%3A00"
        );
    }
}
