//! Whose sites are meant: an operator's order is about all, a customer's about its own.

use std::sync::Arc;

/// Those whose sites an order may be about. Others' are to it as if they were not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Customers {
    /// Everybody, and sites of nobody in particular.
    All,
    /// One customer.
    One(Arc<str>),
}

impl Customers {
    /// Whether a site of this customer is one that is meant.
    pub fn owns(&self, customer: Option<&str>) -> bool {
        match self {
            Customers::All => true,
            Customers::One(name) => customer == Some(&**name),
        }
    }
}
