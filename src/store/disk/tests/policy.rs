//! What the policy decides.

use super::super::name::mix;
use super::super::policy::*;

const MIB: u64 = 1 << 20;
const RECORD: u64 = 64 << 10;

/// A gibibyte, with as much of its budget as may be saved.
fn policy() -> Policy {
    let mut policy = Policy::new(256, 4 * MIB, RECORD, 120);
    policy.fetched(1 << 40);
    policy
}

fn offer(number: u64, bytes: u64, hits: u32) -> Offer {
    Offer { hash: mix(number), bytes, hits }
}

fn candidate(number: u64, bytes: u64, frequency: u8, class: Class) -> Candidate {
    Candidate { hash: mix(number), bytes, frequency, class }
}

#[test]
fn what_is_asked_for_again_is_proved() {
    let mut policy = policy();
    assert_eq!(policy.admit(&offer(1, RECORD, 0), false), Some(Class::New));
    assert_eq!(policy.admit(&offer(2, RECORD, 1), false), Some(Class::Proved));
    policy.begin(Class::New);
    // Large and not used, beside small ones that were.
    (10..20).for_each(|number| {
        policy.survives(&candidate(number, RECORD, 3, Class::New));
    });
    policy.begin(Class::New);
    assert_eq!(policy.survives(&candidate(1, MIB, 0, Class::New)), None);
    assert_eq!(policy.admit(&offer(1, RECORD, 0), false), Some(Class::New), "nobody asked");
    policy.missed(mix(1));
    assert_eq!(policy.admit(&offer(1, RECORD, 0), false), Some(Class::Proved));
    // Its ghost is gone.
    assert_eq!(policy.admit(&offer(1, RECORD, 0), false), Some(Class::New));
}

#[test]
fn no_more_is_written_than_the_budget_allows() {
    let mut policy = Policy::new(256, 4 * MIB, RECORD, 50);
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut fetched, mut written, mut copied) = (0, 0, 0);
    for number in 0..200_000 {
        let bytes = rng.u64(500..2 * RECORD);
        policy.fetched(bytes);
        fetched += bytes;
        let hits = u32::from(rng.u8(..4) == 0);
        if policy.admit(&offer(number, bytes, hits), false).is_some() {
            written += bytes;
        }
        if number % 100 == 0 {
            policy.begin(Class::Proved);
        }
        let found = candidate(rng.u64(..), bytes, rng.u8(..4), Class::Proved);
        if policy.survives(&found).is_some() {
            copied += bytes;
        }
        assert!(written + copied <= fetched / 2);
    }
    assert!(written + copied > fetched / 5 * 2, "{written} and {copied} of {fetched}");
    assert!(copied > fetched / 20, "{copied} of {fetched}");
    // While there is room, it costs nothing to write.
    let mut policy = Policy::new(256, 4 * MIB, RECORD, 0);
    assert_eq!(policy.admit(&offer(1, RECORD, 0), true), Some(Class::New));
    assert_eq!(policy.admit(&offer(2, RECORD, 0), false), None);
}

#[test]
fn the_less_may_be_written_the_more_is_worth_refusing() {
    let admitted = |budget: u32| {
        let mut policy = Policy::new(256, 4 * MIB, RECORD, budget);
        policy.fetched(1 << 30);
        let mut taken = [0; 2];
        for number in 0..20_000 {
            let large = number % 2;
            let bytes = if large == 1 { MIB } else { RECORD };
            policy.fetched(bytes);
            let offer = offer(number, bytes, 0);
            taken[large as usize] += u32::from(policy.admit(&offer, false).is_some());
        }
        taken
    };
    assert_eq!(admitted(100), [10_000, 10_000]);
    let [small, large] = admitted(30);
    assert!(small > 9_900 && (1_500..3_500).contains(&large), "{small} {large}");
}

#[test]
fn the_class_that_has_too_much_goes_and_ghosts_say_what_is_too_much() {
    // Nothing may be written, so nothing survives.
    let mut policy = Policy::new(256, 4 * MIB, RECORD, 0);
    let most = |policy: &Policy| {
        (0..=256).find(|new| policy.victim(*new, 256 - new) == Class::New).unwrap()
    };
    assert_eq!(most(&policy), 26, "a tenth");
    assert_eq!(policy.victim(0, 5), Class::Proved);
    assert_eq!(policy.victim(3, 0), Class::New);
    let ask_again = |policy: &mut Policy, class: Class| {
        for number in 0..2_000 {
            assert_eq!(policy.survives(&candidate(number, RECORD, 0, class)), None);
            policy.missed(mix(number));
        }
    };
    ask_again(&mut policy, Class::New);
    assert!(most(&policy) > 100);
    (0..20).for_each(|_| ask_again(&mut policy, Class::New));
    assert_eq!(most(&policy), 231, "never all");
    (0..40).for_each(|_| ask_again(&mut policy, Class::Proved));
    assert_eq!(most(&policy), 6, "never nothing");
}

#[test]
fn the_best_of_a_segment_survive_and_only_a_share_of_it() {
    for (class, share) in [(Class::New, NEW_COPIED), (Class::Proved, PROVED_COPIED)] {
        let mut policy = policy();
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut found, mut copied, mut frequencies) = (0, 0, [[0u32; 2]; 4]);
        for round in 0..400 {
            policy.fetched(1 << 40);
            policy.begin(class);
            for _ in 0..64 {
                let frequency = rng.u8(..4);
                let record = candidate(rng.u64(..), RECORD, frequency, class);
                let kept = policy.survives(&record);
                assert!(kept.is_none_or(|kept| kept == frequency / 2));
                if round >= 20 {
                    found += RECORD;
                    copied += kept.map_or(0, |_| RECORD);
                    frequencies[usize::from(frequency)][usize::from(kept.is_some())] += 1;
                }
            }
        }
        assert!((copied * 100 / found).abs_diff(share) <= 2, "{copied} of {found}");
        assert_eq!((frequencies[0][1], frequencies[1][1]), (0, 0));
        assert!(frequencies[3][1] > 2 * frequencies[3][0] / 3, "{frequencies:?}");
    }
}

#[test]
fn of_the_same_use_the_small_survive() {
    let mut policy = policy();
    let mut kept = [0; 2];
    for number in 0..64_000 {
        if number % 640 == 0 {
            policy.fetched(1 << 40);
            policy.begin(Class::Proved);
        }
        let bytes = if number % 2 == 0 { RECORD } else { RECORD / 16 };
        let record = candidate(number, bytes, 1, Class::Proved);
        kept[number as usize % 2] += u32::from(policy.survives(&record).is_some());
    }
    assert!(kept[1] > 31_000 && kept[0] < 10_000, "{kept:?}");
}
