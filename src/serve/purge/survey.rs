//! Dry runs of purges: what would be purged is counted behind, and told by a number of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::{PurgeOrder, named};
use crate::serve::Serve;
use crate::site::Customers;
use crate::store::rules::Trial;
use crate::store::survey::{Amount, Found, Survey};

/// Surveys at a time.
const RUNNING: usize = 4;
/// Surveys that are remembered, and for how long after they began.
const KEPT: usize = 32;
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Who orders a survey waits so long for its end.
const AT_ONCE: Duration = Duration::from_millis(200);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);
/// Hosts that are told, those with most responses first.
const HOSTS: usize = 100;

/// How a survey is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SurveyState {
    /// It goes on: figures are of what was looked at so far.
    Running,
    /// All was looked at.
    Done,
    /// It was ended before all was looked at.
    Cancelled,
}

/// Responses and the bytes of their bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SurveyAmount {
    /// How many responses.
    pub responses: u64,
    /// Bytes that are stored of their bodies.
    pub bytes: u64,
}

/// A host that has something to be purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SurveyHost {
    /// The host, with its port if it is not the usual one.
    pub host: String,
    /// How many of its responses would be purged.
    pub responses: u64,
}

/// What a purge would name: nothing is purged.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PurgeSurvey {
    /// Always true: it tells this answer from that to a purge.
    pub dry_run: bool,
    /// By what the survey is asked for again, for an hour.
    pub id: String,
    /// How it is.
    pub state: SurveyState,
    /// The share of what is stored that was looked at, 0 to 1.
    pub looked_at: f64,
    /// URLs found that would be purged.
    pub urls: u64,
    /// Their responses, each variant one; what lies in memory and on disk counts once.
    pub responses: u64,
    /// Bytes that are stored of these.
    pub bytes: u64,
    /// Those in memory, and their bytes there.
    pub memory: SurveyAmount,
    /// Those on disk, and their bytes there.
    pub disk: SurveyAmount,
    /// What there is in all if the rest is like what was looked at; the same as was found when it
    /// is done.
    pub estimate: SurveyAmount,
    /// The 100 hosts with most of these responses.
    pub hosts: Vec<SurveyHost>,
    /// How many of these responses other hosts have.
    pub other_hosts: u64,
    /// Up to 20 of these URLs, chosen by chance.
    pub samples: Vec<String>,
    /// Records on disk that could not be read; they are not counted.
    pub unread: u64,
}

/// Why there is no survey.
#[derive(Debug, PartialEq, Eq)]
pub enum SurveyError {
    /// The order is wrong: what to write instead.
    Order(String),
    /// So many are under way that it has to wait.
    Busy(String),
}

/// The surveys of a node.
#[derive(Debug, Default)]
pub struct Surveys(Mutex<VecDeque<Held>>);

/// One of them.
#[derive(Debug)]
struct Held {
    id: String,
    whose: Customers,
    begun: Instant,
    survey: Arc<Survey>,
}

impl Held {
    fn is_running(&self) -> bool {
        !self.survey.is_done() && !self.survey.is_cancelled()
    }
}

impl Surveys {
    /// Makes room for one more and enters it.
    fn enter(
        &self,
        survey: &Arc<Survey>,
        whose: &Customers,
        now: Instant,
    ) -> Result<String, SurveyError> {
        let mut all = self.0.lock();
        forget_old(&mut all, now);
        if all.iter().filter(|held| held.is_running()).count() >= RUNNING {
            return Err(SurveyError::Busy(format!(
                "{RUNNING} dry runs are under way: wait for one to end, or cancel one"
            )));
        }
        if all.len() >= KEPT
            && let Some(oldest) = all.iter().position(|held| !held.is_running())
        {
            all.remove(oldest);
        }
        // Nobody can guess another's.
        let id = format!("{:032x}", fastrand::u128(..));
        let (whose, survey) = (whose.clone(), Arc::clone(survey));
        all.push_back(Held { id: id.clone(), whose, begun: now, survey });
        Ok(id)
    }

    fn find(&self, id: &str, whose: &Customers, now: Instant) -> Option<Arc<Survey>> {
        let mut all = self.0.lock();
        forget_old(&mut all, now);
        let own = |held: &&Held| *whose == Customers::All || held.whose == *whose;
        all.iter().filter(own).find(|held| held.id == id).map(|held| Arc::clone(&held.survey))
    }
}

/// Forgets those of more than an hour ago, and ends them.
fn forget_old(all: &mut VecDeque<Held>, now: Instant) {
    all.retain(|held| {
        let kept = now.saturating_duration_since(held.begun) < KEPT_FOR;
        if !kept {
            held.survey.cancel();
        }
        kept
    });
}

impl Serve {
    /// Counts what an order would purge. Nothing is purged. Answers when all is counted, or with what
    /// was found so far; then the count goes on behind. Needs a tokio runtime with time, on which it
    /// does.
    ///
    /// # Errors
    /// See [`SurveyError`].
    pub async fn survey(
        &self,
        order: &PurgeOrder,
        whose: &Customers,
    ) -> Result<PurgeSurvey, SurveyError> {
        order.kind().map_err(SurveyError::Order)?;
        let scopes = self.scopes(order, whose).map_err(SurveyError::Order)?;
        // What could not be purged need not be counted.
        named::check_room(self, &scopes).map_err(SurveyError::Order)?;
        let survey = Arc::new(Survey::default());
        let id = self.surveys.enter(&survey, whose, Instant::now())?;
        let (store, trial, counted) =
            (Arc::clone(&self.store), Arc::new(Trial::new(&scopes)), Arc::clone(&survey));
        tokio::spawn(async move { store.survey(trial, &counted).await });
        let begun = Instant::now();
        while !survey.is_done() && begun.elapsed() < AT_ONCE {
            tokio::time::sleep(LOOK).await;
        }
        Ok(self.told(id, &survey))
    }

    /// What a survey has found so far; none if there is no such, or none any more.
    pub fn surveyed(&self, id: &str, whose: &Customers) -> Option<PurgeSurvey> {
        let survey = self.surveys.find(id, whose, Instant::now())?;
        Some(self.told(id.to_owned(), &survey))
    }

    /// Ends a survey; what it has found stays known. None if there is no such.
    pub fn cancel_survey(&self, id: &str, whose: &Customers) -> Option<PurgeSurvey> {
        let survey = self.surveys.find(id, whose, Instant::now())?;
        survey.cancel();
        Some(self.told(id.to_owned(), &survey))
    }

    fn told(&self, id: String, survey: &Survey) -> PurgeSurvey {
        let state = match (survey.is_done(), survey.is_cancelled()) {
            (true, _) => SurveyState::Done,
            (_, true) => SurveyState::Cancelled,
            _ => SurveyState::Running,
        };
        let found = survey.found();
        let amount = |it: Amount| SurveyAmount { responses: it.responses, bytes: it.bytes };
        let estimate = if state == SurveyState::Done { found.all } else { found.estimate() };
        let (hosts, other_hosts) = hosts(&found);
        PurgeSurvey {
            dry_run: true,
            id,
            state,
            looked_at: if state == SurveyState::Done { 1.0 } else { found.share() },
            urls: found.urls,
            responses: found.all.responses,
            bytes: found.all.bytes,
            memory: amount(found.memory),
            disk: amount(found.disk),
            estimate: amount(estimate),
            hosts,
            other_hosts,
            samples: found.samples.iter().map(|key| named::url(self, key)).collect(),
            unread: found.unread,
        }
    }
}

/// The hosts with most, and how many the others have.
fn hosts(found: &Found) -> (Vec<SurveyHost>, u64) {
    let all = found.hosts.iter();
    let mut hosts: Vec<_> = all
        .map(|(host, responses)| SurveyHost { host: host.to_string(), responses: *responses })
        .collect();
    hosts.sort_unstable_by(|one, other| {
        (other.responses, &one.host).cmp(&(one.responses, &other.host))
    });
    let others = hosts.drain(HOSTS.min(hosts.len())..).map(|host| host.responses).sum::<u64>();
    (hosts, others + found.other_hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(surveys: &Surveys, now: Instant) -> (Arc<Survey>, Result<String, SurveyError>) {
        let survey = Arc::new(Survey::default());
        let id = surveys.enter(&survey, &Customers::All, now);
        (survey, id)
    }

    #[test]
    fn only_so_many_run_and_only_so_many_are_remembered_for_an_hour() {
        let (surveys, start) = (Surveys::default(), Instant::now());
        let running: Vec<_> = (0..RUNNING).map(|_| entered(&surveys, start)).collect();
        assert!(matches!(entered(&surveys, start).1, Err(SurveyError::Busy(_))));
        for (survey, id) in &running {
            assert!(surveys.find(id.as_ref().unwrap(), &Customers::All, start).is_some());
            survey.cancel();
        }
        let first = running[0].1.as_ref().unwrap();
        for _ in RUNNING..KEPT {
            assert!(surveys.find(first, &Customers::All, start).is_some());
            let (survey, id) = entered(&surveys, start);
            assert!(id.is_ok());
            survey.cancel();
        }
        let (survey, last) = entered(&surveys, start);
        assert!(surveys.find(first, &Customers::All, start).is_none());
        let last = last.unwrap();
        assert!(surveys.find(&last, &Customers::All, start + KEPT_FOR / 2).is_some());
        assert!(!survey.is_cancelled());
        assert!(surveys.find(&last, &Customers::All, start + KEPT_FOR).is_none());
        // It would count for nobody.
        assert!(survey.is_cancelled());
        assert!(surveys.find("", &Customers::All, start).is_none());
    }

    #[test]
    fn the_hosts_with_most_come_first_and_the_rest_is_counted_together() {
        let mut found = Found { other_hosts: 5, ..Found::default() };
        for number in 0..HOSTS as u64 + 2 {
            found.hosts.insert(format!("h{number:03}").into(), 1 + number / 2);
        }
        let (hosts, others) = hosts(&found);
        assert_eq!(hosts.len(), HOSTS);
        assert_eq!((hosts[0].host.as_str(), hosts[0].responses), ("h100", 51));
        assert_eq!((hosts[1].host.as_str(), hosts[1].responses), ("h101", 51));
        assert_eq!(others, 5 + 1 + 1);
    }
}
