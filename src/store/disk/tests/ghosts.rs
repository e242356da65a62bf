//! What ghosts remember.

use super::super::ghosts::*;
use super::super::name::mix;
use super::super::policy::Class;

#[test]
fn a_ghost_says_where_it_came_from_and_goes_once_it_was_asked_for() {
    let mut ghosts = Ghosts::new(1024);
    let all = [None, Some(Class::New), Some(Class::Proved)];
    all.iter().zip(1..).for_each(|(origin, number)| ghosts.add(mix(number), *origin));
    ghosts.add(mix(1), Some(Class::New));
    assert!(!ghosts.take(mix(1)), "nobody asked");
    assert_eq!(ghosts.ask(mix(1)), Some(Class::New), "the last time counts");
    assert_eq!(ghosts.ask(mix(1)), None, "it was said before");
    assert!(ghosts.take(mix(1)) && !ghosts.take(mix(1)));
    assert_eq!(ghosts.ask(mix(2)), Some(Class::New));
    ghosts.add(mix(2), None);
    assert!(!ghosts.take(mix(2)), "not since");
    assert_eq!(ghosts.ask(mix(3)), Some(Class::Proved));
    assert_eq!(ghosts.ask(mix(4)), None);
    assert!(!ghosts.take(mix(4)));
}

#[test]
fn the_young_are_known_the_old_forgotten_and_strangers_rarely_mistaken() {
    let mut ghosts = Ghosts::new(8192);
    (0..100_000).for_each(|number| ghosts.add(mix(number), Some(Class::New)));
    let mut known = |numbers: std::ops::Range<u64>| {
        numbers.filter(|number| ghosts.ask(mix(*number)).is_some()).count()
    };
    let strangers = known(1_000_000..1_100_000);
    assert!(strangers < 300, "{strangers} of 100,000");
    assert!(known(0..50_000) < 150);
    let young = known(97_000..100_000);
    assert!(young > 2_700, "{young} of 3,000");
}

#[test]
fn two_bytes_each() {
    for places in [8, 1000, 1 << 20] {
        assert!(size_of_val(&*Ghosts::new(places).buckets) as u64 <= 2 * places);
    }
}

#[test]
fn a_bucket_that_is_full_of_the_young_still_takes_one() {
    let mut ghosts = Ghosts::new(0);
    for number in 0..1000 {
        ghosts.add(mix(number), Some(Class::Proved));
        assert_eq!(ghosts.ask(mix(number)), Some(Class::Proved));
    }
    assert_eq!(ghosts.buckets.len(), 1);
}
