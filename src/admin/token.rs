//! The bearer token of the admin listener's TCP side.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// A secret that opens the API over TCP.
#[derive(Clone)]
pub struct Token(String);

/// Random bytes in a token; printed as twice as many hex digits.
const BYTES: usize = 24;

impl Token {
    /// Reads the token from `path`, or makes one and writes it there with mode 0600.
    ///
    /// # Errors
    /// The file can neither be read nor written, or the system has no randomness.
    pub fn load_or_make(path: &Path) -> std::io::Result<Token> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.trim().len() >= BYTES => Ok(Token(text.trim().to_owned())),
            Ok(_) => Token::make(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Token::make(path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> std::io::Result<Token> {
        let text = random(BYTES)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{text}")?;
        Ok(Token(text))
    }

    /// Whether `shown` is the token. Takes the same time wherever the two differ.
    pub fn matches(&self, shown: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown.as_bytes()).is_ok()
    }
}

/// So many random bytes, in hex.
pub(super) fn random(count: usize) -> std::io::Result<String> {
    let mut bytes = vec![0u8; count];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the system has no randomness"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stays_the_same_over_restarts_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let first = Token::load_or_make(&path).unwrap();
        let second = Token::load_or_make(&path).unwrap();
        assert!(first.matches(&second.0));
        assert!(!first.matches("") && !first.matches(&"0".repeat(BYTES * 2)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
