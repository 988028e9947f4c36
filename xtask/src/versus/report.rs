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
}

/// Which side a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

impl Report {
    pub(crate) fn new(suite: &'static str) -> Self {
        Self { suite, figures: Vec::new() }
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

    /// Prints the table and writes `target/versus/SUITE.json`.
    pub(crate) fn finish(&self, root: &Path) -> Result<()> {
        println!("\n{:<46} {:>12} {:>12} {:>8}  unit", self.suite, "ours", "theirs", "ratio");
        let mut logs = Vec::new();
        for figure in &self.figures {
            let (ours, theirs) = (median(&figure.ours), median(&figure.theirs));
            let ratio = ours.zip(theirs).map(|(o, t)| o / t);
            if let Some(ratio) = ratio.filter(|r| r.is_finite() && *r > 0.0) {
                logs.push(ratio.ln());
            }
            println!(
                "{:<46} {:>12} {:>12} {:>8}  {}",
                figure.name,
                show(ours),
                show(theirs),
                ratio.map_or("-".to_owned(), |r| format!("{r:.3}")),
                figure.unit
            );
        }
        if !logs.is_empty() {
            let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
            println!("{:<46} {:>12} {:>12} {mean:>8.3}  geometric mean", "", "", "");
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
        let path = dir.join(format!("{}.json", self.suite));
        std::fs::write(&path, serde_json::to_vec_pretty(&json!({ "figures": rows }))?)?;
        println!("as JSON: {}", path.display());
        Ok(())
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn show(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(v) if v.abs() >= 1000.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.3}"),
    }
}
