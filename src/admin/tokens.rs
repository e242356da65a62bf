//! Tokens that the operator gives to people and programs: each has a name, a role and, if it is a
//! customer's, that customer. They lie in one file, as hashes: a token is shown once, when it is made.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use md5::Md5;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::access::{Caller, Role};
use super::token::random;
use crate::clock::{Clock, Timestamp};
use crate::site::Customers;

/// How every token begins: what finds secrets in files knows it by this.
const MARK: &str = "brink_";
/// Random bytes of an identifier and of a secret.
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 24;
/// The most tokens of a node.
const MOST: usize = 100_000;

/// A token as it is kept and told: not the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenInfo {
    /// By which it is told apart and taken back.
    pub id: String,
    /// Who or what it was made for.
    pub name: String,
    /// What it opens.
    pub role: Role,
    /// Whose sites it sees; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// When it ends, in milliseconds since 1970; without it, when it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    info: TokenInfo,
    /// SHA-256 of the whole token.
    hash: String,
    /// MD5 of the whole token: what UPYUN's signatures are made with.
    md5: String,
}

/// The tokens of a node.
pub struct Tokens {
    path: PathBuf,
    table: RwLock<Vec<Kept>>,
    clock: Clock,
}

/// What a token is to be.
pub(super) struct NewToken {
    pub name: String,
    pub role: Role,
    pub customer: Option<String>,
    pub expires: Option<Timestamp>,
}

impl Tokens {
    /// The tokens in a file; none if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is no such file.
    pub fn open(path: &Path, clock: Clock) -> std::io::Result<Tokens> {
        let table = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Tokens { path: path.to_owned(), table: RwLock::new(table), clock })
    }

    /// Makes a token; gives it whole, this once.
    ///
    /// # Errors
    /// One sentence: there are too many, or it could not be written.
    pub(super) fn create(&self, new: NewToken) -> Result<(TokenInfo, String), String> {
        let made = |error: std::io::Error| format!("no token could be made: {error}");
        let id = random(ID_BYTES).map_err(made)?;
        let token = format!("{MARK}{id}_{}", random(SECRET_BYTES).map_err(made)?);
        let info = TokenInfo {
            id,
            name: new.name,
            role: new.role,
            customer: new.customer,
            created: self.clock.now().0,
            expires: new.expires.map(|it| it.0),
        };
        let hash = hex(&Sha256::digest(&token));
        let kept = Kept { info: info.clone(), hash, md5: hex(&Md5::digest(&token)) };
        self.change(|table| match table.len() < MOST {
            true => {
                table.push(kept);
                Ok(())
            }
            false => Err(format!("there are {MOST} tokens already; take some back")),
        })?;
        Ok((info, token))
    }

    /// Takes a token back; gives what it was.
    ///
    /// # Errors
    /// One sentence: it could not be written; the token holds still.
    pub(super) fn revoke(&self, id: &str) -> Result<Option<TokenInfo>, String> {
        self.change(|table| {
            let at = table.iter().position(|kept| kept.info.id == id);
            Ok(at.map(|at| table.remove(at).info))
        })
    }

    /// All of them, the oldest first.
    pub(super) fn list(&self) -> Vec<TokenInfo> {
        self.table.read().iter().map(|kept| kept.info.clone()).collect()
    }

    /// Whose token this is, if it holds.
    pub(super) fn caller(&self, token: &str, from: &str) -> Option<Caller> {
        let id = token.strip_prefix(MARK)?.split('_').next()?;
        let shown = hex(&Sha256::digest(token));
        let is = |kept: &Kept| is_equal(&kept.hash, &shown);
        self.holding(id, is).map(|info| caller(info, from))
    }

    /// Whose signature this is by UPYUN's rule: the operator's name is the token's id, its password the
    /// token, and `sign` makes the signature of the password's MD5.
    pub(super) fn signer(
        &self,
        id: &str,
        signature: &str,
        sign: impl Fn(&str) -> String,
        from: &str,
    ) -> Option<Caller> {
        let is = |kept: &Kept| is_equal(&sign(&kept.md5), &signature.to_ascii_lowercase());
        self.holding(id, is).map(|info| caller(info, from))
    }

    fn holding(&self, id: &str, is: impl Fn(&Kept) -> bool) -> Option<TokenInfo> {
        let now = self.clock.now().0;
        let table = self.table.read();
        let kept = table.iter().find(|kept| kept.info.id == id)?;
        let holds = kept.info.expires.is_none_or(|end| now < end);
        (is(kept) && holds).then(|| kept.info.clone())
    }

    /// Changes the table, and the file before it.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Kept>) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut table = self.table.write();
        let mut next = table.clone();
        let done = change(&mut next)?;
        self.write(&next).map_err(|error| {
            format!("the tokens could not be written to {}: {error}", self.path.display())
        })?;
        *table = next;
        Ok(done)
    }

    fn write(&self, table: &[Kept]) -> std::io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(table)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    }
}

fn caller(info: TokenInfo, from: &str) -> Caller {
    let whose = match &info.customer {
        None => Customers::All,
        Some(name) => Customers::One(Arc::from(name.as_str())),
    };
    let name = format!("{} ({})", info.name, info.id);
    Caller { name, role: info.role, whose, from: from.to_owned() }
}

/// Whether two hashes are the same; takes the same time wherever they differ.
fn is_equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn new(name: &str, customer: Option<&str>, expires: Option<Timestamp>) -> NewToken {
        let customer = customer.map(str::to_owned);
        NewToken { name: name.into(), role: Role::Purge, customer, expires }
    }

    #[test]
    fn a_token_opens_until_it_ends_or_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let clock = Clock::manual(Timestamp::from_seconds(1000));
        let tokens = Tokens::open(&path, clock.clone()).unwrap();
        let (info, token) = tokens.create(new("cms", Some("acme"), None)).unwrap();
        let soon = Timestamp::from_seconds(1010);
        let (_, short) = tokens.create(new("short", None, Some(soon))).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&token) && text.contains(&info.id));

        let tokens = Tokens::open(&path, clock.clone()).unwrap();
        let caller = tokens.caller(&token, "here").unwrap();
        assert_eq!((caller.role, &*caller.whose_name()), (Role::Purge, "acme"));
        assert!(tokens.caller(&short, "here").is_some());
        clock.advance(Duration::from_secs(10));
        assert!(tokens.caller(&short, "here").is_none());
        for wrong in ["", "brink_", &token[..token.len() - 1], &format!("{token}0"), &info.id] {
            assert!(tokens.caller(wrong, "here").is_none(), "{wrong}");
        }
        assert_eq!(tokens.revoke(&info.id).unwrap().unwrap(), info);
        assert!(tokens.caller(&token, "here").is_none());
        assert_eq!(tokens.revoke(&info.id).unwrap(), None);
        assert_eq!(Tokens::open(&path, clock).unwrap().list().len(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        std::fs::write(&path, "{").unwrap();
        assert!(Tokens::open(&path, Clock::system()).is_err());
    }

    impl Caller {
        fn whose_name(&self) -> String {
            self.customer().map(|name| name.to_string()).unwrap_or_default()
        }
    }
}
