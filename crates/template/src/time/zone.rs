//! Zones: UTC, the machine's, a fixed offset, or one of the IANA database of the system.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Go's `*time.Location`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zone {
    Utc,
    /// The machine's zone.
    Local,
    /// A name (may be empty) and seconds east of UTC.
    Fixed(String, i32),
    /// A zone of the IANA database, with the name it was asked by.
    Named(String, TimeZone),
}

impl Zone {
    /// Go's `time.LoadLocation`, with its errors. Reads the system's database.
    pub fn load(name: &str) -> Result<Self, String> {
        match name {
            "" | "UTC" => return Ok(Self::Utc),
            "Local" => return Ok(Self::Local),
            _ => {}
        }
        if name.contains("..") || name.starts_with(['/', '\\']) {
            return Err("time: invalid location name".to_owned());
        }
        // The database is searched without regard to case; files are not.
        match TimeZone::get(name) {
            Ok(zone) if zone.iana_name() == Some(name) => Ok(Self::Named(name.to_owned(), zone)),
            _ => Err(format!("unknown time zone {name}")),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Local => "Local",
            Self::Fixed(name, _) | Self::Named(name, _) => name,
        }
    }

    /// Abbreviation and offset (seconds east of UTC) at an instant in Unix seconds.
    pub(crate) fn at(&self, seconds: i64) -> (String, i64) {
        match self {
            Self::Utc => ("UTC".to_owned(), 0),
            Self::Fixed(name, offset) => (name.clone(), i64::from(*offset)),
            Self::Local => lookup(&TimeZone::system(), seconds),
            Self::Named(_, zone) => lookup(zone, seconds),
        }
    }
}

fn lookup(zone: &TimeZone, seconds: i64) -> (String, i64) {
    let (least, most) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    match Timestamp::from_second(seconds.clamp(least, most)) {
        Ok(instant) => {
            let info = zone.to_offset_info(instant);
            (info.abbreviation().to_owned(), i64::from(info.offset().seconds()))
        }
        Err(_) => ("UTC".to_owned(), 0),
    }
}
