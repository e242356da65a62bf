//! What one request to an origin comes to: told when its response is over, whichever way that came
//! about.

use std::sync::Arc;

use super::group::Group;

/// Told of each request to an origin at its end: whose site's it was, and the bytes of the body that
/// came. Retries and redirects on the way count as one.
pub type Ledger = Arc<dyn Fn(&Arc<str>, u64) + Send + Sync>;

/// One request under way.
pub(crate) struct Bill {
    group: Arc<Group>,
    bytes: u64,
}

impl Bill {
    /// Of a request to this group; none if nobody wants to know.
    pub fn begin(group: &Arc<Group>) -> Option<Bill> {
        group.shared.ledger.get()?;
        Some(Bill { group: Arc::clone(group), bytes: 0 })
    }

    /// Bytes of the body came.
    pub fn came(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        if let Some(ledger) = self.group.shared.ledger.get() {
            ledger(self.group.site_name(), self.bytes);
        }
    }
}
