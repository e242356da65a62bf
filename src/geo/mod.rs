//! Where a client is: the country of its address and the number of its autonomous system, from
//! databases in MaxMind's format that the operator keeps up to date.
//!
//! A look-up walks a tree in memory and allocates nothing. What no database knows is not guessed.

mod country;
mod database;
mod settings;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use maxminddb::PathElement;

pub use country::Country;
pub use settings::Settings;

use crate::setting::Complaint;
use database::Database;

const COUNTRY: &[PathElement<'static>] =
    &[PathElement::Key("country"), PathElement::Key("iso_code")];
const ASN: &[PathElement<'static>] = &[PathElement::Key("autonomous_system_number")];

/// What is known of where clients are.
#[derive(Default)]
pub struct Geo {
    databases: ArcSwap<Databases>,
}

#[derive(Clone, Default)]
struct Databases {
    country: Option<Arc<Database>>,
    asn: Option<Arc<Database>>,
}

impl Geo {
    /// Reads the databases that the settings name.
    ///
    /// # Errors
    /// What is wrong with each that will not do: it cannot be read, is damaged, or has nothing of
    /// what it is named for.
    pub fn open(settings: &Settings) -> Result<Self, Vec<Complaint>> {
        let geo = Geo::default();
        let complaints = geo.reload(settings);
        if complaints.is_empty() { Ok(geo) } else { Err(complaints) }
    }

    /// Takes the databases that the settings name now, those whose files have changed too. One that
    /// will not do is complained of, and the one before stays in its place.
    pub fn reload(&self, settings: &Settings) -> Vec<Complaint> {
        let mut databases = Databases::clone(&self.databases.load());
        let mut complaints = Vec::new();
        match databases.country_by(settings) {
            Ok(country) => databases.country = country,
            Err(why) => complaints.push(Complaint::new("country", why)),
        }
        match databases.asn_by(settings) {
            Ok(asn) => databases.asn = asn,
            Err(why) => complaints.push(Complaint::new("asn", why)),
        }
        self.databases.store(Arc::new(databases));
        complaints
    }

    /// The country that the address is used in.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let databases = self.databases.load();
        Country::parse(databases.country.as_ref()?.find(address, COUNTRY)?)
    }

    /// The number of the autonomous system that the address is announced by.
    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        self.databases.load().asn.as_ref()?.find(address, ASN)
    }

    /// When each database that there is was made, in seconds since 1970, by its name in the settings.
    pub fn built(&self) -> Vec<(&'static str, u64)> {
        let databases = self.databases.load();
        let named = [("country", &databases.country), ("asn", &databases.asn)];
        named.into_iter().filter_map(|(name, it)| Some((name, it.as_ref()?.built()))).collect()
    }
}

impl Databases {
    fn known(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.country.iter().chain(&self.asn)
    }

    fn country_by(&self, settings: &Settings) -> Result<Option<Arc<Database>>, String> {
        let Some(path) = &settings.country else { return Ok(None) };
        let database = Database::open(path, self.known())?;
        if database.any(|record| {
            let code = record.decode_path::<&str>(COUNTRY);
            code.is_ok_and(|code| code.and_then(Country::parse).is_some())
        }) {
            return Ok(Some(database));
        }
        Err(format!("no record of {} has `country.iso_code`", database.describe()))
    }

    fn asn_by(&self, settings: &Settings) -> Result<Option<Arc<Database>>, String> {
        let Some(path) = &settings.asn else { return Ok(None) };
        let database = Database::open(path, self.known())?;
        if database.any(|record| matches!(record.decode_path::<u32>(ASN), Ok(Some(_)))) {
            return Ok(Some(database));
        }
        Err(format!("no record of {} has `autonomous_system_number`", database.describe()))
    }
}

#[cfg(test)]
mod tests;
