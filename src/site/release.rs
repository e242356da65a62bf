//! The `[release]` table of a site document: how the customer's rules reach clients, and the way back.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac;
use edge_rules::Program;
use http::HeaderName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::document::Document;
use super::last_good::{LastGood, NewSet};
use super::rules::checked_rules;
use crate::clock::Timestamp;
use crate::setting::Complaint;

/// The field by which a request shows that it comes from somebody who tests rules.
pub static TEST_HEADER: LazyLock<HeaderName> =
    LazyLock::new(|| HeaderName::from_static("brink-rules-test"));

/// The longest time that a token for [`TEST_HEADER`] is good, in seconds: a week.
pub const LONGEST_TEST: u64 = 7 * 24 * 3600;

/// Shortest test key in bytes.
const SHORTEST_KEY: usize = 16;

/// Digits of a set's name.
const NAME_DIGITS: usize = 16;

/// How the rules of a document reach clients.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Release {
    /// How many of a hundred clients get the rules of this document, told apart by their addresses;
    /// the others get the set before. What the two make of the origin's answers is stored apart.
    /// Default: 100.
    pub percent: u8,
    /// The set that the others get, by its name or the first digits of it (`brink rules sets`).
    /// Default: the last other set that all clients got; if there is none, no rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What signs the tokens (`brink rules token`) that let a request have rules in state `test`, at
    /// least 16 characters. Default: none, and no request has them by a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_key: Option<String>,
}

impl Default for Release {
    fn default() -> Self {
        Release { percent: 100, before: None, test_key: None }
    }
}

impl Release {
    /// What is wrong with the values; empty when nothing is.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.percent > 100 {
            let message = format!("{} is more than all", self.percent);
            complaints.push(Complaint::new("percent", message).suggest("write 0 to 100"));
        }
        let is_name = |text: &String| {
            (4..=NAME_DIGITS).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit())
        };
        if let Some(text) = self.before.as_ref().filter(|text| !is_name(text)) {
            let message =
                format!("`{text}` is no name of a set: it has 4 to 16 hexadecimal digits");
            complaints.push(
                Complaint::new("before", message).suggest("`brink rules sets SITE` lists them"),
            );
        }
        if self.test_key.as_ref().is_some_and(|key| key.len() < SHORTEST_KEY) {
            let message = format!("a key has at least {SHORTEST_KEY} characters");
            complaints.push(Complaint::new("test_key", message));
        }
        complaints
    }

    /// The token for [`TEST_HEADER`] that is good until a time; none without a key.
    pub fn token(&self, until: Timestamp) -> Option<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.test_key.as_ref()?.as_bytes());
        let signature = hmac::sign(&key, signed_text(until.seconds()).as_bytes());
        Some(format!("{}.{}", until.seconds(), hex(signature.as_ref())))
    }
}

/// What a token's signature is of.
fn signed_text(until: u64) -> String {
    format!("brink rules test until {until}")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// A set of rules under its name, which is a hash of what it says: the same rules have the same name
/// however they are laid out.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// Sixteen hexadecimal digits.
    pub name: Box<str>,
    /// The rules; none if there are none.
    pub program: Option<Arc<Program>>,
}

/// A document's rules as they are kept.
#[derive(Serialize)]
struct Written<'a> {
    rules: &'a [toml::Table],
}

/// The set of a document, to be kept.
pub fn kept_form(document: &Document) -> NewSet {
    let (name, text) = written(&document.rules);
    NewSet {
        name,
        text,
        is_empty: document.rules.is_empty(),
        stands: document.release.percent == 100,
    }
}

/// The text by which a document's rules are kept, with their name.
fn written(rules: &[toml::Table]) -> (Box<str>, String) {
    let text = toml::to_string(&Written { rules }).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    let mut name = hex(digest.as_slice());
    name.truncate(NAME_DIGITS);
    (name.into(), text)
}

/// The sets of a site and who gets which.
#[derive(Debug)]
pub struct Rules {
    /// The document's own.
    own: RuleSet,
    /// What the others get while not all get the document's.
    before: Option<RuleSet>,
    /// How many of a hundred get the document's.
    percent: u8,
    /// Whether an operator has taken the document's own back.
    withdrawn: bool,
    read_bodies: bool,
    test_key: Option<hmac::Key>,
}

/// The rules that a client gets.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// The rules; none if the set has none.
    pub program: Option<&'a Arc<Program>>,
    /// The set's name, if not all clients get it: what it makes is stored apart.
    pub on_trial: Option<&'a str>,
}

/// One of the two sets of rules that clients may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The document's own.
    Document,
    /// That of the others, while not all get the document's; else the document's all the same.
    Before,
}

impl Rules {
    /// The sets of a document, with what the node kept of earlier ones.
    ///
    /// # Errors
    /// The document names a set that was not kept.
    pub fn new(site: &str, document: &Document, kept: &LastGood) -> Result<Rules, Complaint> {
        let release = &document.release;
        let (name, _) = written(&document.rules);
        let withdrawn = kept.withdrawn(site).is_some_and(|set| *set == *name);
        let percent = if withdrawn { 0 } else { release.percent };
        let before = match percent {
            100 => None,
            _ => Some(set_before(site, &name, release.before.as_deref(), kept)?),
        };
        let test_key = release.test_key.as_ref();
        let others = before.as_ref().and_then(|set| set.program.as_ref());
        let read_bodies = document.program.iter().chain(others).any(|it| it.reads_body());
        Ok(Rules {
            own: RuleSet { name, program: document.program.clone() },
            before,
            percent,
            withdrawn,
            read_bodies,
            test_key: test_key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())),
        })
    }

    /// Whether any client has rules.
    pub fn any(&self) -> bool {
        let before = self.before.as_ref().and_then(|set| set.program.as_ref());
        self.own.program.as_ref().or(before).is_some()
    }

    /// The document's own set.
    pub fn own(&self) -> &RuleSet {
        &self.own
    }

    /// How the sets are given to clients, in words; nothing where all get the document's.
    pub fn told(&self) -> Option<String> {
        let before = self.before.as_ref()?;
        Some(match self.withdrawn {
            true => format!("all have {}, {} was taken back", before.name, self.own.name),
            false => format!(
                "{} of 100 clients have {}, the others {}",
                self.percent, self.own.name, before.name
            ),
        })
    }

    /// The rules for a client.
    pub fn of(&self, client: IpAddr) -> Chosen<'_> {
        match &self.before {
            Some(_) if share(&self.own.name, client) >= u32::from(self.percent) => {
                self.on(Side::Before)
            }
            _ => self.on(Side::Document),
        }
    }

    /// The rules of one side.
    pub fn on(&self, side: Side) -> Chosen<'_> {
        match (&self.before, side) {
            (None, _) => Chosen { program: self.own.program.as_ref(), on_trial: None },
            (Some(_), Side::Document) => {
                Chosen { program: self.own.program.as_ref(), on_trial: Some(&self.own.name) }
            }
            (Some(before), Side::Before) => {
                Chosen { program: before.program.as_ref(), on_trial: None }
            }
        }
    }

    /// The sides that clients are on.
    pub fn sides(&self) -> &'static [Side] {
        match (&self.before, self.percent) {
            (None, _) => &[Side::Document],
            (Some(_), 0) => &[Side::Before],
            (Some(_), _) => &[Side::Document, Side::Before],
        }
    }

    /// Whether any of the rules look at the bodies of requests.
    pub fn read_bodies(&self) -> bool {
        self.read_bodies
    }

    /// Whether anybody can show that they test rules.
    pub fn takes_tokens(&self) -> bool {
        self.test_key.is_some()
    }

    /// Whether a token is good now.
    pub fn is_tester(&self, token: &[u8], now: Timestamp) -> bool {
        let verified = || {
            let (until, signature) = std::str::from_utf8(token).ok()?.split_once('.')?;
            let until: u64 = until.parse().ok()?;
            let is_now = (now.seconds()..=now.seconds() + LONGEST_TEST).contains(&until);
            let (key, signature) = (self.test_key.as_ref()?, unhex(signature)?);
            hmac::verify(key, signed_text(until).as_bytes(), &signature).ok()?;
            Some(is_now)
        };
        verified().unwrap_or(false)
    }
}

/// Where a client stands among a hundred; another order for each set, so that it is not always the
/// same clients who try what is new.
fn share(set: &str, client: IpAddr) -> u32 {
    let mut digest = Sha256::new();
    digest.update(set.as_bytes());
    match client {
        IpAddr::V4(address) => digest.update(address.octets()),
        // Whoever has a network of IPv6 changes addresses within it.
        IpAddr::V6(address) => digest.update(address.octets().get(..8).unwrap_or_default()),
    }
    let first =
        digest.finalize().first_chunk().map_or(0, |bytes: &[u8; 4]| u32::from_be_bytes(*bytes));
    first % 100
}

/// The set that clients have who do not get the one called `own`.
fn set_before(
    site: &str,
    own: &str,
    named: Option<&str>,
    kept: &LastGood,
) -> Result<RuleSet, Complaint> {
    let sets = kept.rule_sets(site);
    let named = named.filter(|_| !kept.is_forgetful());
    let found = match named {
        Some(start) => {
            Some(sets.iter().find(|set| set.name.starts_with(start)).ok_or_else(|| {
                let names: Vec<&str> = sets.iter().map(|set| &*set.name).collect();
                let known = if names.is_empty() { "none".into() } else { names.join(", ") };
                Complaint::new("release.before", format!("no set `{start}` of this site was kept"))
                    .suggest(format!("kept: {known}"))
            })?)
        }
        None => {
            let others = sets.iter().filter(|set| *set.name != *own && set.stood.is_some());
            others.max_by_key(|set| set.stood)
        }
    };
    let Some(set) = found else { return Ok(RuleSet { name: "none".into(), program: None }) };
    let program = toml::de::DeTable::parse(&set.text)
        .ok()
        .and_then(|table| checked_rules(&set.name, &set.text, table.get_ref(), false).ok())
        .ok_or_else(|| {
            let message = format!("set {} has rules that this version does not take", set.name);
            Complaint::new("release.before", message)
        })?;
    Ok(RuleSet { name: set.name.as_str().into(), program })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_shared_out_by_percent_and_stay_where_they_are() {
        let count = |set: &str, percent: u32| {
            let clients = (0..10_000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
            clients.filter(|client| share(set, *client) < percent).count()
        };
        assert_eq!((count("a", 0), count("a", 100)), (0, 10_000));
        assert!((900..1_100).contains(&count("a", 10)), "{}", count("a", 10));
        let one: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(share("a", one), share("a", one));
        let (this, that): (IpAddr, IpAddr) =
            ("2001:db8:1:2::1".parse().unwrap(), "2001:db8:1:2:ffff::9".parse().unwrap());
        assert_eq!(share("a", this), share("a", that));
    }

    #[test]
    fn the_name_of_a_set_is_of_what_it_says() {
        let set = |text: &str| {
            let document: toml::Table = toml::from_str(text).unwrap();
            let rules = document["rules"].as_array().unwrap();
            written(&rules.iter().map(|it| it.as_table().unwrap().clone()).collect::<Vec<_>>()).0
        };
        let one = set("[[rules]]\ntext = '$EXIT(403)'\nname = 'x'\n");
        assert_eq!(one, set("rules = [{ name = \"x\", text = \"$EXIT(403)\" }] # the same"));
        assert_ne!(one, set("[[rules]]\ntext = '$EXIT(404)'\nname = 'x'\n"));
        assert_eq!(one.len(), NAME_DIGITS);
    }

    #[test]
    fn a_token_is_good_for_its_time_and_its_key() {
        let release = |key: &str| Release { test_key: Some(key.into()), ..Release::default() };
        let rules = |key: &str| Rules {
            own: RuleSet { name: "a".into(), program: None },
            before: None,
            percent: 100,
            withdrawn: false,
            read_bodies: false,
            test_key: Some(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())),
        };
        let at = |seconds: u64| Timestamp(seconds * 1000);
        let token = release("0123456789abcdef").token(at(5_000)).unwrap();
        let good = rules("0123456789abcdef");
        assert!(good.is_tester(token.as_bytes(), at(4_000)));
        assert!(good.is_tester(token.as_bytes(), at(5_000)));
        assert!(!good.is_tester(token.as_bytes(), at(5_001)));
        assert!(!rules("another key, as long").is_tester(token.as_bytes(), at(4_000)));
        let far = release("0123456789abcdef").token(at(5_000 + LONGEST_TEST)).unwrap();
        assert!(!good.is_tester(far.as_bytes(), at(4_999)));
        for bad in ["", ".", "5000.", "5000.zz", "5000.é", "6000.00", &token[1..]] {
            assert!(!good.is_tester(bad.as_bytes(), at(4_000)), "{bad}");
        }
    }
}
