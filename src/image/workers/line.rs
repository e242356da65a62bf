//! Who gets the next free worker: sites take turns, and none may crowd out the others.
//!
//! Pure bookkeeping: a worker is whatever `W` is, and the pool holds the lock.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot::{self, Receiver, Sender};

/// So many short jobs in a row make a site that had a long one like any other again.
const SHORT_JOBS: u8 = 32;

/// How much there is, and how much of it is one site's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Jobs that may wait.
    pub queue: usize,
    /// Workers that a site may hold while another waits, and a site with long jobs at any time.
    pub site_workers: usize,
    /// Jobs, running and waiting, that a site may have while another waits.
    pub site_jobs: usize,
}

impl Bounds {
    /// One site's part of `workers` and `queue` is `percent`, and one job at least.
    pub(super) fn new(workers: usize, queue: usize, percent: u8) -> Self {
        let part = |whole: usize| (whole * usize::from(percent) / 100).max(1);
        Bounds { queue, site_workers: part(workers), site_jobs: part(workers + queue) }
    }
}

/// The free workers, or the jobs that wait for one.
pub(super) struct Line<W> {
    bounds: Bounds,
    /// Free workers; the one used last comes first, since its memory is warm.
    free: Vec<W>,
    /// Sites with a job.
    lanes: HashMap<u32, Lane<W>>,
    /// Sites with a waiting job, in the order in which they have their turn.
    turns: VecDeque<u32>,
    waiting: usize,
    next_ticket: u64,
    /// Sites that had a long job, and how many short ones are still to come. Such a site keeps to its
    /// share even while nobody waits: whoever comes next would wait for the end of its jobs.
    slow: HashMap<u32, u8>,
}

/// The jobs of one site.
struct Lane<W> {
    running: usize,
    waiting: VecDeque<(u64, Sender<W>)>,
}

/// What a job that asks for a worker gets.
pub(super) enum Entered<W> {
    /// A worker.
    Now(W),
    /// A place in the line: its number, and where the worker will come. The sender goes away when
    /// the place is taken back.
    Wait(u64, Receiver<W>),
    /// Nothing.
    Full,
}

impl<W> Lane<W> {
    fn jobs(&self) -> usize {
        self.running + self.waiting.len()
    }
}

impl<W> Line<W> {
    /// A line without workers.
    pub(super) fn new(bounds: Bounds) -> Self {
        Line {
            bounds,
            free: Vec::new(),
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            next_ticket: 0,
            slow: HashMap::new(),
        }
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A job of `site` asks for a worker.
    pub(super) fn enter(&mut self, site: u32) -> Entered<W> {
        // Nobody else waits while a worker is free.
        if self.may_run(site)
            && self.lane(site).waiting.is_empty()
            && let Some(worker) = self.free.pop()
        {
            self.lane(site).running += 1;
            return Entered::Now(worker);
        }
        let lane = self.lane(site);
        let (jobs, own) = (lane.jobs(), lane.waiting.len());
        let crowds = jobs >= self.bounds.site_jobs && self.waiting > own;
        if crowds || (self.waiting >= self.bounds.queue && !self.make_room(jobs + 1)) {
            self.forget(site);
            return Entered::Full;
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting += 1;
        if own == 0 {
            self.turns.push_back(site);
        }
        self.lane(site).waiting.push_back((ticket, sender));
        Entered::Wait(ticket, receiver)
    }

    /// A job gives its place up before it got a worker.
    pub(super) fn leave(&mut self, site: u32, ticket: u64) {
        let Some(lane) = self.lanes.get_mut(&site) else { return };
        let before = lane.waiting.len();
        lane.waiting.retain(|(number, _)| *number != ticket);
        self.waiting -= before - lane.waiting.len();
        self.settle(site);
    }

    /// A job of `site` is over; its worker comes back if it is fit for another.
    pub(super) fn done(&mut self, site: u32, worker: Option<W>) {
        if let Some(lane) = self.lanes.get_mut(&site) {
            lane.running = lane.running.saturating_sub(1);
            self.forget(site);
        }
        if let Some(worker) = worker {
            self.give(worker);
        }
        // One that was kept from a slow site may be for it now.
        while let Some(worker) = self.free.pop() {
            let left = self.free.len();
            self.give(worker);
            if self.free.len() > left {
                break;
            }
        }
    }

    /// How a job of `site` went that is now over.
    pub(super) fn took(&mut self, site: u32, long: bool) {
        if long {
            self.slow.insert(site, SHORT_JOBS);
        } else if let Some(left) = self.slow.get_mut(&site) {
            *left -= 1;
            if *left == 0 {
                self.slow.remove(&site);
            }
        }
    }

    /// A worker is free: the next job gets it.
    pub(super) fn give(&mut self, mut worker: W) {
        while let Some(site) = self.next() {
            let Some(lane) = self.lanes.get_mut(&site) else { continue };
            let Some((_, sender)) = lane.waiting.pop_front() else { continue };
            lane.running += 1;
            self.waiting -= 1;
            if !lane.waiting.is_empty() {
                self.turns.push_back(site);
            }
            match sender.send(worker) {
                Ok(()) => return,
                // Whoever waited is gone and has not said so yet.
                Err(back) => {
                    worker = back;
                    if let Some(lane) = self.lanes.get_mut(&site) {
                        lane.running -= 1;
                    }
                    self.forget(site);
                }
            }
        }
        self.free.push(worker);
    }

    /// Everything goes: the free workers come back, and whoever waits is told.
    pub(super) fn clear(&mut self) -> Vec<W> {
        self.refuse_all();
        std::mem::take(&mut self.free)
    }

    /// Whoever waits is told that there will be no worker.
    pub(super) fn refuse_all(&mut self) {
        for site in std::mem::take(&mut self.turns) {
            if let Some(lane) = self.lanes.get_mut(&site) {
                lane.waiting.clear();
            }
            self.forget(site);
        }
        self.waiting = 0;
    }

    /// The site whose turn it is, taken off the line: the first that holds less than its share of
    /// the workers, or else the first that may hold more.
    fn next(&mut self) -> Option<u32> {
        let modest = |site: &u32| self.running(*site) < self.bounds.site_workers;
        let first = self.turns.iter().position(modest);
        let place = first.or_else(|| self.turns.iter().position(|site| self.may_run(*site)))?;
        self.turns.remove(place)
    }

    fn running(&self, site: u32) -> usize {
        self.lanes.get(&site).map_or(0, |lane| lane.running)
    }

    /// Whether a site may have one more worker while nobody else wants it.
    fn may_run(&self, site: u32) -> bool {
        self.running(site) < self.bounds.site_workers || !self.slow.contains_key(&site)
    }

    /// Takes the newest place back from the site that has most jobs waiting, if it has more than its
    /// share and more than `jobs`, those of the site that wants in.
    fn make_room(&mut self, jobs: usize) -> bool {
        let lanes = self.turns.iter().filter_map(|site| Some((*site, self.lanes.get(site)?)));
        let Some((site, most)) = lanes
            .max_by_key(|(_, lane)| lane.waiting.len())
            .map(|(site, lane)| (site, lane.jobs()))
        else {
            return false;
        };
        if most <= self.bounds.site_jobs || most <= jobs {
            return false;
        }
        if let Some(lane) = self.lanes.get_mut(&site) {
            lane.waiting.pop_back();
            self.waiting -= 1;
        }
        self.settle(site);
        true
    }

    fn lane(&mut self, site: u32) -> &mut Lane<W> {
        self.lanes.entry(site).or_insert_with(|| Lane { running: 0, waiting: VecDeque::new() })
    }

    /// After places were taken out of a site's lane.
    fn settle(&mut self, site: u32) {
        if self.lanes.get(&site).is_some_and(|lane| lane.waiting.is_empty()) {
            self.turns.retain(|other| *other != site);
        }
        self.forget(site);
    }

    /// Drops the lane of a site without jobs.
    fn forget(&mut self, site: u32) {
        if self.lanes.get(&site).is_some_and(|lane| lane.jobs() == 0) {
            self.lanes.remove(&site);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with workers numbered from 0.
    fn line(workers: u32, queue: usize, percent: u8) -> Line<u32> {
        let mut line = Line::new(Bounds::new(workers as usize, queue, percent));
        (0..workers).for_each(|worker| line.give(worker));
        line
    }

    fn now(line: &mut Line<u32>, site: u32) -> u32 {
        match line.enter(site) {
            Entered::Now(worker) => worker,
            _ => panic!("site {site} got no worker"),
        }
    }

    fn wait(line: &mut Line<u32>, site: u32) -> (u64, Receiver<u32>) {
        match line.enter(site) {
            Entered::Wait(ticket, receiver) => (ticket, receiver),
            Entered::Now(_) => panic!("site {site} got a worker at once"),
            Entered::Full => panic!("site {site} was refused"),
        }
    }

    fn full(line: &mut Line<u32>, site: u32) -> bool {
        matches!(line.enter(site), Entered::Full)
    }

    /// The site whose job got the worker just given.
    fn winner(places: &mut Vec<(u32, Receiver<u32>)>) -> u32 {
        let place = places.iter_mut().position(|(_, it)| it.try_recv().is_ok()).unwrap();
        places.remove(place).0
    }

    #[test]
    fn a_free_worker_is_had_at_once_the_last_used_first() {
        let mut line = line(2, 4, 50);
        assert_eq!(now(&mut line, 1), 1);
        assert_eq!(now(&mut line, 2), 0);
        line.done(1, Some(1));
        assert_eq!(now(&mut line, 3), 1);
        assert_eq!(line.waiting(), 0);
    }

    #[test]
    fn sites_take_turns_however_many_jobs_they_bring() {
        let mut line = line(1, 16, 100);
        now(&mut line, 9);
        let mut places = Vec::new();
        for site in [1, 1, 1, 1, 2, 2, 3] {
            places.push((site, wait(&mut line, site).1));
        }
        line.done(9, Some(0));
        let mut served = Vec::new();
        while !places.is_empty() {
            let site = winner(&mut places);
            served.push(site);
            line.done(site, Some(0));
        }
        assert_eq!(served, [1, 2, 3, 1, 2, 1, 1]);
        assert_eq!((line.waiting(), line.free.len(), line.lanes.len()), (0, 1, 0));
    }

    #[test]
    fn a_site_with_its_share_of_workers_lets_others_go_first() {
        let mut line = line(4, 16, 50);
        for _ in 0..4 {
            now(&mut line, 1);
        }
        let mut places = vec![(1, wait(&mut line, 1).1), (2, wait(&mut line, 2).1)];
        line.done(1, Some(0));
        assert_eq!(winner(&mut places), 2, "site 1 still holds three of four");
        // Alone it may go on, since a worker at rest helps nobody.
        line.done(1, Some(1));
        assert_eq!(winner(&mut places), 1);
    }

    #[test]
    fn a_site_with_long_jobs_leaves_the_rest_free_for_others() {
        let mut line = line(2, 8, 50);
        now(&mut line, 1);
        line.took(1, true);
        let mut second = wait(&mut line, 1).1;
        assert!(second.try_recv().is_err(), "a worker is free, but not for this site");
        let other = now(&mut line, 2);
        line.done(2, Some(other));
        assert!(second.try_recv().is_err());
        line.done(1, Some(1));
        assert_eq!(second.try_recv(), Ok(1));
        // So many short jobs, and it may have all again.
        let mut more = [wait(&mut line, 1).1, wait(&mut line, 1).1];
        (0..SHORT_JOBS).for_each(|_| line.took(1, false));
        line.done(1, Some(1));
        assert!(more.iter_mut().all(|it| it.try_recv().is_ok()));
        assert_eq!((line.free.len(), line.slow.len(), line.waiting()), (0, 0, 0));
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut line = line(1, 2, 100);
        now(&mut line, 1);
        let _held = (wait(&mut line, 1), wait(&mut line, 2));
        assert!(full(&mut line, 3));
        assert_eq!((line.waiting(), line.lanes.len()), (2, 2));
    }

    #[test]
    fn a_site_alone_may_fill_the_queue_and_makes_room_for_others() {
        let mut line = line(1, 7, 50);
        now(&mut line, 1);
        let mut held: Vec<_> = (0..7).map(|_| wait(&mut line, 1)).collect();
        assert!(full(&mut line, 1));
        let other = wait(&mut line, 2);
        let newest = held.pop().unwrap().1.try_recv().unwrap_err();
        assert_eq!(newest, oneshot::error::TryRecvError::Closed, "its newest place went");
        assert!(held.iter_mut().all(|it| it.1.try_recv().is_err_and(|it| it != newest)));
        // Down to its share of 4, running ones among them, and no further.
        let more: Vec<_> = (0..3).map(|_| wait(&mut line, 2)).collect();
        assert!(full(&mut line, 2), "site 2 has its share as well");
        assert!(full(&mut line, 3), "nobody is above the share");
        assert_eq!(line.waiting(), 7);
        drop((other, more));
    }

    #[test]
    fn a_site_above_its_share_gets_no_further_place_while_another_waits() {
        let mut line = line(1, 9, 50);
        now(&mut line, 1);
        let held: Vec<_> = (0..5).map(|_| wait(&mut line, 1)).collect();
        let other = wait(&mut line, 2);
        assert!(full(&mut line, 1));
        line.leave(2, other.0);
        let again = wait(&mut line, 1);
        assert_eq!(line.waiting(), 6);
        drop((held, again));
    }

    #[test]
    fn a_place_given_up_is_passed_over() {
        let mut line = line(1, 8, 100);
        now(&mut line, 1);
        let (first, second, third) = (wait(&mut line, 2), wait(&mut line, 2), wait(&mut line, 3));
        line.leave(2, first.0);
        assert_eq!(line.waiting(), 2);
        // Gone without a word.
        drop(second);
        let mut places = vec![(3, third.1)];
        line.done(1, Some(5));
        assert_eq!(winner(&mut places), 3);
        assert_eq!((line.waiting(), line.turns.len(), line.lanes.len()), (0, 0, 1));
        line.leave(3, third.0);
        line.leave(77, 0);
        assert_eq!(line.lanes.len(), 1, "a place that is no more changes nothing");
    }

    #[test]
    fn a_worker_that_does_not_come_back_frees_the_share_alone() {
        let mut line = line(1, 8, 50);
        now(&mut line, 1);
        let mut place = wait(&mut line, 2).1;
        line.done(1, None);
        assert!(place.try_recv().is_err());
        line.give(9);
        assert_eq!(place.try_recv(), Ok(9));
    }

    #[test]
    fn at_the_end_everybody_is_told() {
        let mut line = line(2, 8, 50);
        now(&mut line, 1);
        assert_eq!(line.clear(), [0]);
        let mut place = wait(&mut line, 2).1;
        line.refuse_all();
        assert_eq!(place.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!((line.waiting(), line.turns.len(), line.lanes.len()), (0, 0, 1));
    }
}
