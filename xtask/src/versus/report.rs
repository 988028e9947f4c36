//! Figures of both sides, their medians and ratios, as a table for people and JSON for machines.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

/// One figure, measured several times on each side.
#[derive(Debug, Default)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
}

/// All figures of a suite.
#[derive(Debug)]
pub(crate) struct Report {
    suite: &'static str,
    figures: Vec<Figure>,
    /// What was asked of both sides, and whether they agree.
    compared: Vec<(String, Verdict)>,
}

/// Whether both sides gave one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Equal,
    /// Both have nothing: no proof of the same work.
    Empty,
    Differs(String),
}

impl Verdict {
    fn text(&self) -> String {
        match self {
            Self::Equal => "equal".to_owned(),
            Self::Empty => "both empty".to_owned(),
            Self::Differs(how) => format!("differs: {how}"),
        }
    }
}

/// Which side a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

impl Report {
    pub(crate) fn new(suite: &'static str) -> Self {
        Self { suite, figures: Vec::new(), compared: Vec::new() }
    }

    pub(crate) fn add(&mut self, side: Side, name: &str, unit: &'static str, value: f64) {
        let at = match self.figures.iter().position(|f| f.name == name) {
            Some(at) => at,
            None => {
                self.figures.push(Figure { name: name.to_owned(), unit, ..Figure::default() });
                self.figures.len() - 1
            }
        };
        match side {
            Side::Ours => self.figures[at].ours.push(value),
            Side::Theirs => self.figures[at].theirs.push(value),
        }
    }

    pub(crate) fn compare(&mut self, what: &str, verdict: Verdict) {
        self.compared.push((what.to_owned(), verdict));
    }

    /// Prints the table and writes `target/versus/SUITE.json`.
    pub(crate) fn finish(&self, root: &Path) -> Result<()> {
        println!("\n{:<46} {:>12} {:>12} {:>8}  unit", self.suite, "ours", "theirs", "ratio");
        for figure in &self.figures {
            let (ours, theirs) = (median(&figure.ours), median(&figure.theirs));
            let ratio = ours.zip(theirs).map(|(o, t)| o / t);
            println!(
                "{:<46} {:>12} {:>12} {:>8}  {}",
                figure.name,
                show(ours),
                show(theirs),
                ratio.map_or("-".to_owned(), |r| format!("{r:.3}")),
                figure.unit
            );
        }
        // One mean for each kind of figure: CPU, wall time and memory do not mix.
        for kind in ["cpu", "wall", "peak memory of the first"] {
            let logs: Vec<f64> = self
                .figures
                .iter()
                .filter(|f| f.name.ends_with(kind))
                .filter_map(|f| Some(median(&f.ours)? / median(&f.theirs)?))
                .filter(|ratio| ratio.is_finite() && *ratio > 0.0)
                .map(f64::ln)
                .collect();
            if logs.len() > 1 {
                let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
                println!(
                    "{:<46} {:>34.3}",
                    format!("geometric mean of {} ratios: {kind}", logs.len()),
                    mean
                );
            }
        }
        for (what, verdict) in self.compared.iter().filter(|(_, v)| *v != Verdict::Equal) {
            println!("{what}: {}", verdict.text());
        }
        if !self.compared.is_empty() {
            let equal = self.compared.iter().filter(|(_, v)| *v == Verdict::Equal).count();
            println!("{equal} of {} answers are equal and not empty", self.compared.len());
        }
        let dir = root.join("target/versus");
        std::fs::create_dir_all(&dir)?;
        let rows: Vec<_> = self
            .figures
            .iter()
            .map(|f| {
                json!({
                    "name": f.name, "unit": f.unit, "ours": f.ours, "theirs": f.theirs,
                    "median_ours": median(&f.ours), "median_theirs": median(&f.theirs),
                })
            })
            .collect();
        let answers: Vec<_> = self
            .compared
            .iter()
            .map(|(what, verdict)| json!({ "asked": what, "verdict": verdict.text() }))
            .collect();
        let path = dir.join(format!("{}.json", self.suite));
        std::fs::write(
            &path,
            serde_json::to_vec_pretty(&json!({ "figures": rows, "answers": answers }))?,
        )?;
        println!("as JSON: {}", path.display());
        Ok(())
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => None,
        0 => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
        _ => Some(sorted[middle]),
    }
}

fn show(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(v) if v.abs() >= 1000.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.3}"),
    }
}
