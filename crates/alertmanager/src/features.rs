//! `--enable-feature`, as the server and the command line read it.

use crate::matcher::ParseMode;
use crate::metrics::Features;

/// Features by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureFlags {
    pub classic_mode: bool,
    pub utf8_strict_mode: bool,
    pub metrics: Features,
    /// Known to the peer; what it would record is in the ledger.
    pub event_recorder: bool,
    /// Known to the peer; there is no Go runtime to tune.
    pub auto_gomemlimit: bool,
}

impl FeatureFlags {
    /// Reads names separated by commas; the error is upstream's text.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut flags = Self::default();
        for name in list.split(',').filter(|_| !list.is_empty()) {
            let flag = match name {
                "classic-mode" => &mut flags.classic_mode,
                "utf8-strict-mode" => &mut flags.utf8_strict_mode,
                "receiver-name-in-metrics" => &mut flags.metrics.receiver_name_in_metrics,
                "alert-names-in-metrics" => &mut flags.metrics.alert_names_in_metrics,
                "group-key-in-metrics" => &mut flags.metrics.group_key_in_metrics,
                "event-recorder" => &mut flags.event_recorder,
                "auto-gomemlimit" => &mut flags.auto_gomemlimit,
                other => return Err(format!("unknown option '{other}' for --enable-feature")),
            };
            *flag = true;
        }
        Ok(flags)
    }

    /// How matchers are read; the error is upstream's text.
    pub fn mode(&self) -> Result<ParseMode, String> {
        match (self.classic_mode, self.utf8_strict_mode) {
            (true, true) => Err("cannot have both classic and UTF-8 modes enabled".to_owned()),
            (true, false) => Ok(ParseMode::Classic),
            (false, true) => Ok(ParseMode::Utf8),
            (false, false) => Ok(ParseMode::Fallback),
        }
    }

    /// What the peer logs about the modes: where in its source, and the words.
    pub fn mode_notes(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let classic =
            self.classic_mode.then_some(("featurecontrol.go:157", "Classic mode enabled"));
        let utf8 =
            self.utf8_strict_mode.then_some(("featurecontrol.go:160", "UTF-8 strict mode enabled"));
        classic.into_iter().chain(utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_known_by_name() {
        let flags = FeatureFlags::parse("receiver-name-in-metrics,classic-mode").unwrap();
        assert!(flags.metrics.receiver_name_in_metrics && !flags.metrics.group_key_in_metrics);
        assert_eq!(flags.mode(), Ok(ParseMode::Classic));
        assert_eq!(FeatureFlags::parse("").unwrap(), FeatureFlags::default());
        let err = FeatureFlags::parse("nope").unwrap_err();
        assert_eq!(err, "unknown option 'nope' for --enable-feature");
        let both = FeatureFlags::parse("classic-mode,utf8-strict-mode").unwrap();
        assert!(both.mode().is_err() && both.mode_notes().count() == 2);
    }
}
