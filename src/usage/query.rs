//! Questions about what was used: totals, points over time, bandwidth.

use std::collections::BTreeMap;

use redb::{Database, ReadableDatabase};
use serde_json::{Map, Value, json};

use super::bandwidth::{Bandwidth, rate};
use super::book::{Book, ROWS, SUMS, decode};
use super::counts::Counts;
use super::{BUCKET, DAY, moment};

/// Most points of one answer: 31 days of 5 minutes.
const MOST_POINTS: u64 = 31 * DAY / BUCKET;
/// The longest range, in seconds.
const LONGEST: u64 = 400 * DAY;

/// How long the points of an answer are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// 5 minutes, as it was counted.
    Bucket,
    /// Hours, from the beginning of the range.
    #[default]
    Hour,
    /// 24 hours, from the beginning of the range.
    Day,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// One site; all if there is none.
    pub site: Option<String>,
    /// The beginning, in seconds since 1970; the 5 minutes that it falls into count.
    pub from: u64,
    /// The end; the 5 minutes that it falls into count.
    pub to: u64,
    /// How long points are.
    pub by: By,
}

/// What was used.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    question: Question,
    points: BTreeMap<u64, Counts>,
    total: Counts,
    bandwidth: Bandwidth,
}

impl By {
    /// How long a point is, in seconds.
    pub fn seconds(self) -> u64 {
        match self {
            By::Bucket => BUCKET,
            By::Hour => 3600,
            By::Day => DAY,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Bucket => "5m",
            By::Hour => "hour",
            By::Day => "day",
        }
    }

    /// What a word means.
    pub fn parse(word: &str) -> Option<By> {
        [By::Bucket, By::Hour, By::Day].into_iter().find(|by| by.as_str() == word)
    }
}

impl Question {
    /// The question about whole buckets.
    ///
    /// # Errors
    /// One sentence: the range ends before it begins, or is too long for such points.
    pub fn settled(self) -> Result<Question, String> {
        let from = self.from / BUCKET * BUCKET;
        let to = self.to.div_ceil(BUCKET).saturating_mul(BUCKET);
        if to <= from {
            return Err("the range ends before it begins".to_owned());
        }
        let most = (MOST_POINTS * self.by.seconds()).min(LONGEST);
        if to - from > most {
            let (by, days) = (self.by.as_str(), most / DAY);
            return Err(format!("at most {days} days can be told by {by}"));
        }
        Ok(Question { from, to, ..self })
    }
}

impl Answer {
    /// The answer as JSON. Points without traffic are left out; countries are told of points of a day
    /// and of the whole.
    pub fn told(&self) -> Value {
        let question = &self.question;
        let points: Vec<Value> = self
            .points
            .iter()
            .map(|(start, counts)| {
                let mut point = Map::new();
                point.insert("start".into(), moment::print(*start).into());
                let buckets = question.by.seconds() / BUCKET;
                let mean = rate(counts.all.bytes, buckets);
                point.insert("bits_per_second".into(), mean.into());
                point.extend(counts.told(question.by == By::Day));
                Value::Object(point)
            })
            .collect();
        json!({
            "site": question.site,
            "from": moment::print(question.from),
            "to": moment::print(question.to),
            "by": question.by.as_str(),
            "total": self.total.told(true),
            "bandwidth": self.bandwidth,
            "points": points,
        })
    }

    /// Everything over the range.
    pub fn total(&self) -> &Counts {
        &self.total
    }
}

impl Book {
    /// Answers a question that was settled.
    ///
    /// # Errors
    /// One sentence: the file cannot be read.
    pub fn answer(&self, question: Question) -> Result<Answer, String> {
        let database = self.database()?;
        answer(&database, question).map_err(|error| error.to_string())
    }
}

fn answer(database: &Database, question: Question) -> Result<Answer, redb::Error> {
    let (mut points, mut total) = (BTreeMap::<u64, Counts>::new(), Counts::default());
    let size = usize::try_from((question.to - question.from) / BUCKET).unwrap_or(0);
    let mut bytes = vec![0u64; size];
    each(database, &question, |bucket, counts| {
        let since = (u64::from(bucket) * BUCKET).saturating_sub(question.from);
        if let Some(bytes) = bytes.get_mut(usize::try_from(since / BUCKET).unwrap_or(usize::MAX)) {
            *bytes = bytes.saturating_add(counts.all.bytes);
        }
        let step = question.by.seconds();
        points.entry(question.from + since / step * step).or_default().add(&counts);
        total.add(&counts);
    })?;
    let bandwidth = Bandwidth::of(&bytes);
    Ok(Answer { question, points, total, bandwidth })
}

/// Reads the counts of every bucket of the range that has any.
fn each(
    database: &Database,
    question: &Question,
    mut take: impl FnMut(u32, Counts),
) -> Result<(), redb::Error> {
    let reading = database.begin_read()?;
    let (from, to) = (short(question.from), short(question.to));
    let sums = reading.open_table(SUMS)?;
    let rows = reading.open_table(ROWS)?;
    // The sums say which buckets there are.
    for row in sums.range(from..to)? {
        let (bucket, sum) = row?;
        let bucket = bucket.value();
        match &question.site {
            None => take(bucket, decode(sum.value())?),
            Some(site) => {
                for row in
                    rows.range((bucket, site.as_str(), 0)..=(bucket, site.as_str(), u32::MAX))?
                {
                    take(bucket, decode(row?.1.value())?);
                }
            }
        }
    }
    Ok(())
}

fn short(moment: u64) -> u32 {
    u32::try_from(moment / BUCKET).unwrap_or(u32::MAX)
}
