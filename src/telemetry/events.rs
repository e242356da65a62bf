//! The node's own events, on standard error: plain text for a person at a terminal, one JSON object
//! a line for a machine.
//!
//! Whatever wants to tell of something uses the macros of `tracing`. What a client sent may be in an
//! event, so both forms escape control characters.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::ascii::internet_second;
use super::json::Object;
use super::settings::{EventSettings, Level};
use crate::clock::Clock;

/// How much of one field is told.
const FIELD_LIMIT: usize = 4096;

/// Begins to tell events on standard error. Fails if the process already has a subscriber.
pub fn init(settings: &EventSettings, clock: &Clock) -> Result<(), TryInitError> {
    let subscriber = tracing_subscriber::registry().with(filter(settings.level));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    if io::stderr().is_terminal() {
        subscriber.with(layer.with_target(false)).try_init()
    } else {
        subscriber.with(layer.event_format(Json { clock: clock.clone() })).try_init()
    }
}

fn filter(level: Level) -> EnvFilter {
    EnvFilter::new(match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "warn,brink=info",
        Level::Debug => "warn,brink=debug",
        Level::Trace => "trace",
    })
}

/// `{"ts":"...","level":"info","target":"brink::node","message":"...", fields}`.
struct Json {
    clock: Clock,
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Vec::new();
        let now = self.clock.now();
        let mut object = Object::open(&mut line, FIELD_LIMIT, &internet_second(now), now);
        object.word(b",\"level\":\"", &event.metadata().level().as_str().to_ascii_lowercase());
        object.text(b",\"target\":\"", event.metadata().target().as_bytes());
        event.record(&mut Fields(&mut object));
        object.close();
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

struct Fields<'a, 'b>(&'a mut Object<'b, Vec<u8>>);

impl Visit for Fields<'_, '_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.literal_named(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.literal_named(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.literal_named(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text_named(field.name(), value.as_bytes());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.text_named(field.name(), format!("{value:?}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_json_line_whatever_is_in_it() {
        let lines = Lines::default();
        let writer = lines.clone();
        let clock = Clock::manual(Timestamp(1_769_860_800_123));
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(Json { clock });
        let subscriber = tracing_subscriber::registry().with(filter(Level::Info)).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(host = "a\"\r\n\x1b[31m", tries = 3, ok = true, "it {}", "works");
            tracing::debug!("not told");
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["ts"], "2026-01-31T12:00:00.123Z");
        assert_eq!(read["message"], "it works");
        assert_eq!(read["host"], "a\"\r\n\x1b[31m");
        assert_eq!((&read["tries"], &read["ok"]), (&3.into(), &true.into()));
    }
}
