//! Who orders: what a caller may do, and whose sites it may do it to.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::admin::problem::Problem;
use crate::audit::Actor;
use crate::site::Customers;

/// What a token opens; each role may do what the ones before it may.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    Read,
    /// Purge and warm.
    Purge,
    /// Change sites.
    Edit,
    /// All that concerns the node: reloads, tokens, the audit log. Never a customer's.
    Operator,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Purge => "purge",
            Role::Edit => "edit",
            Role::Operator => "operator",
        }
    }
}

/// Whoever sends a request that the guard let through.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name of its token, or how else it is known.
    pub name: String,
    pub role: Role,
    /// Whose sites it may see.
    pub whose: Customers,
    /// Where it comes from.
    pub from: String,
}

impl Caller {
    /// The operator, by a way that needs no token of a table.
    pub fn operator(name: &str, from: String) -> Caller {
        Caller { name: name.into(), role: Role::Operator, whose: Customers::All, from }
    }

    /// As the audit log names it.
    pub fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            role: self.role.as_str().into(),
            customer: self.customer().map(|name| name.to_string()),
            from: self.from.clone(),
        }
    }

    /// The customer that it acts for.
    pub fn customer(&self) -> Option<&Arc<str>> {
        match &self.whose {
            Customers::All => None,
            Customers::One(name) => Some(name),
        }
    }

    fn with(parts: &Parts, least: Role) -> Result<Caller, Problem> {
        let Some(caller) = parts.extensions.get::<Caller>() else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "nobody knows who asks"));
        };
        caller.least(least)?;
        Ok(caller.clone())
    }

    /// Whether it may do what a role may.
    pub fn least(&self, least: Role) -> Result<(), Problem> {
        if self.role >= least {
            return Ok(());
        }
        let (has, needs) = (self.role.as_str(), least.as_str());
        let message = format!("this needs the role `{needs}`; the token has `{has}`");
        Err(Problem::new(StatusCode::FORBIDDEN, message))
    }
}

/// A caller with a role: a handler that takes one answers nobody who has less.
macro_rules! extractors {
    ($($name:ident),*) => {$(
        #[doc = concat!("A caller who may do what [`Role::", stringify!($name), "`] may.")]
        pub(super) struct $name(pub Caller);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                Caller::with(parts, Role::$name).map($name)
            }
        }
    )*};
}

extractors!(Read, Purge, Edit);

/// A caller who may do everything.
pub(super) struct Operator;

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Caller::with(parts, Role::Operator).map(|_| Operator)
    }
}
