//! Time zones by their names, as the machine's time zone database knows them.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::time::Time;

/// A named zone. `Local` is the machine's own, the empty name and `UTC` are UTC.
#[derive(Clone)]
pub struct Location {
    name: String,
    zone: TimeZone,
}

impl Location {
    /// Errs with Go's words where the database has no such zone.
    pub fn load(name: &str) -> Result<Self, String> {
        let zone = match name {
            "" | "UTC" => TimeZone::UTC,
            "Local" => TimeZone::system(),
            // Go looks a name up as a path and refuses those that could leave the folder.
            _ if name.contains("..") || name.starts_with(['/', '\\']) || name.contains('\\') => {
                return Err("time: invalid location name".to_owned());
            }
            // The database is searched without regard to case; Go's is not.
            _ => match TimeZone::get(name) {
                Ok(zone) if zone.iana_name() == Some(name) => zone,
                _ => return Err(format!("unknown time zone {name}")),
            },
        };
        let name = if name.is_empty() { "UTC" } else { name };
        Ok(Self { name: name.to_owned(), zone })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds to add to UTC at a time. Beyond the years that the database covers: none.
    pub fn offset_secs(&self, time: Time) -> i64 {
        Timestamp::from_second(time.unix_secs())
            .map_or(0, |at| i64::from(self.zone.to_offset(at).seconds()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
