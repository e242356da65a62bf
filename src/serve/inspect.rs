//! What is stored for a URL, whatever its variants.

use serde::{Deserialize, Serialize};

use crate::serve::Serve;
use crate::serve::plan;
use crate::site::Customers;
use crate::store::inspect::Listing;

/// What to inspect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The URL.
    pub url: String,
    /// Whether to read all that it has on disk.
    #[serde(default)]
    pub verify: bool,
}

/// What is there.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Inspected {
    /// The newest first.
    pub stored: Vec<Listing>,
}

impl Serve {
    /// Shows what is stored for a URL; what only the disk has is brought up.
    ///
    /// # Errors
    /// It is no URL, or one of no site, or of somebody else's.
    pub async fn inspect(&self, order: &Order, whose: &Customers) -> Result<Inspected, String> {
        let asked = self.asked(&order.url, whose)?;
        let question = plan::question(self, asked.site(), asked.policy(), &asked.request());
        let stored = self.store.inspect(&question.to_key(), order.verify).await;
        Ok(Inspected { stored })
    }
}
