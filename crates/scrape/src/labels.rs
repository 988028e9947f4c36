//! The labels of a sample: exposed ones, the target's, what relabelling makes of both, and the limits on the result.

use gauntlet_expfmt::ScratchLabels;
use gauntlet_model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use gauntlet_model::relabel::{self, NameScheme, Scratch};

use crate::config::ScrapeConfig;
use crate::error::ScrapeError;

/// Makes label sets of one target's samples.
#[derive(Debug, Default)]
pub(crate) struct SampleLabels {
    builder: LabelsBuilder,
    scratch: Scratch,
}

impl SampleLabels {
    /// The label set under which an exposed series is stored; `None` if relabelling drops it.
    pub(crate) fn build(
        &mut self,
        exposed: &ScratchLabels,
        target: &Labels,
        config: &ScrapeConfig,
    ) -> Option<Labels> {
        let builder = &mut self.builder;
        builder.clear();
        for (name, value) in exposed.iter() {
            builder.set(name, value);
        }
        if config.honor_labels {
            // An exposed empty value counts: it takes the target's label away.
            for (name, value) in target {
                if exposed.get(name).is_none() {
                    builder.set(name, value);
                }
            }
        } else {
            let mut conflicts: Vec<(&str, &str)> = Vec::new();
            for (name, value) in target {
                if let Some(own) = exposed.get(name).filter(|own| !own.is_empty()) {
                    conflicts.push((name, own));
                }
                builder.set(name, value);
            }
            conflicts.sort_by_key(|(name, _)| name.len());
            for (name, value) in conflicts {
                let mut free = format!("exported_{name}");
                while !builder.value(&free).is_empty() {
                    free.insert_str(0, "exported_");
                }
                builder.set(&free, value);
            }
        }
        relabel::process(builder, &config.metric_relabel_configs, &mut self.scratch).ok()?;
        (!builder.is_empty()).then(|| builder.build())
    }
}

/// Labels of a synthetic series: its name and the target's labels.
pub(crate) fn report_labels(name: &str, target: &Labels) -> Labels {
    // Target labels never begin with two underscores.
    let mut builder = target.to_builder();
    builder.set(METRIC_NAME, name);
    builder.build()
}

/// Refuses label sets without a name, with names that the scheme does not allow, and beyond the limits.
pub(crate) fn check(labels: &Labels, config: &ScrapeConfig) -> Result<(), ScrapeError> {
    let Some(metric) = labels.get(METRIC_NAME) else { return Err(ScrapeError::NoName) };
    let scheme = config.metric_name_validation_scheme;
    let names_fit = scheme.is_metric_name(metric)
        && (scheme == NameScheme::Utf8
            || labels.iter().all(|(name, _)| scheme.is_label_name(name)));
    if !names_fit {
        return Err(ScrapeError::InvalidName(labels.to_string()));
    }
    let limits = &config.limits;
    if limits.label_limit > 0 {
        let count = labels.len();
        if count as u64 > limits.label_limit {
            return Err(ScrapeError::LabelLimit(format!(
                "label_limit exceeded (metric: {metric:.50}, number of labels: {count}, limit: {})",
                limits.label_limit
            )));
        }
    }
    let (name_limit, value_limit) =
        (limits.label_name_length_limit, limits.label_value_length_limit);
    if name_limit == 0 && value_limit == 0 {
        return Ok(());
    }
    for (name, value) in labels {
        if name_limit > 0 && name.len() as u64 > name_limit {
            return Err(ScrapeError::LabelLimit(format!(
                "label_name_length_limit exceeded (metric: {metric:.50}, label name: {name:.50}, length: {}, limit: {name_limit})",
                name.len()
            )));
        }
        if value_limit > 0 && value.len() as u64 > value_limit {
            let shown: String = value.chars().take(50).collect();
            return Err(ScrapeError::LabelLimit(format!(
                "label_value_length_limit exceeded (metric: {metric:.50}, label name: {name:.50}, value: {shown:?}, length: {}, limit: {value_limit})",
                value.len()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(pairs: &[(&str, &str)]) -> ScratchLabels {
        let mut scratch = ScratchLabels::default();
        for (name, value) in pairs {
            scratch.push(name, value);
        }
        scratch.finish().unwrap();
        scratch
    }

    fn built(pairs: &[(&str, &str)], honor_labels: bool) -> String {
        let target = Labels::from_pairs([("a", "t"), ("instance", "i"), ("exported_a", "x")]);
        let config = ScrapeConfig { honor_labels, ..crate::config::tests_support::config("job") };
        let labels = SampleLabels::default().build(&exposed(pairs), &target, &config);
        labels.unwrap().to_string()
    }

    #[test]
    fn conflicts_step_aside_unless_honoured() {
        let pairs = [("__name__", "m"), ("a", "s"), ("instance", "")];
        assert_eq!(
            built(&pairs, false),
            r#"{__name__="m", a="t", exported_a="x", exported_exported_a="s", instance="i"}"#
        );
        assert_eq!(built(&pairs, true), r#"{__name__="m", a="s", exported_a="x"}"#);
    }

    #[test]
    fn limits_name_what_is_too_long() {
        let labels = Labels::from_pairs([("__name__", "m"), ("name", "value")]);
        let mut config = crate::config::tests_support::config("job");
        assert_eq!(check(&labels, &config), Ok(()));
        config.limits.label_limit = 1;
        let text = |config: &ScrapeConfig| check(&labels, config).unwrap_err().to_string();
        assert_eq!(
            text(&config),
            "label_limit exceeded (metric: m, number of labels: 2, limit: 1)"
        );
        config.limits.label_limit = 0;
        config.limits.label_value_length_limit = 4;
        assert_eq!(
            text(&config),
            "label_value_length_limit exceeded (metric: m, label name: name, value: \"value\", length: 5, limit: 4)"
        );
        assert_eq!(check(&Labels::from_pairs([("a", "b")]), &config), Err(ScrapeError::NoName));
    }
}
