//! Alerts in the role `up`: an Alertmanager of its own port and folder, alone, by a configuration that is made if there is none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::flags::parse::Given;
use crate::flags::tables;
use crate::flags::values::Values;
use crate::roles::overview::Part;
use crate::roles::{Failure, Start, alertmanager};

/// What stands in the folder at the first start.
const CONFIG: &str = "\
# Alerts that come here are kept and shown, and nobody is told of them. Name receivers, then reload with SIGHUP.
route:
  receiver: nobody
  group_by: [alertname]
receivers:
- name: nobody
";

/// An Alertmanager that is to run.
pub(super) struct Alerts {
    start: Start,
    address: String,
    config: PathBuf,
}

impl Alerts {
    /// `None` if it is switched off. Takes its share of the reloads that `start` gets.
    pub(super) fn plan(
        start: &mut Start,
        address: String,
        data: &Path,
    ) -> Result<Option<Self>, Failure> {
        if !start.values.bool("alertmanager") {
            return Ok(None);
        }
        let dir = data.join("alertmanager");
        let config = match start.values.text("alertmanager.config.file").as_str() {
            "" => made(&dir)?,
            path => PathBuf::from(path),
        };
        let given = [
            ("config.file", config.display().to_string()),
            ("storage.path", dir.display().to_string()),
            ("web.listen-address", address.clone()),
            ("cluster.listen-address", String::new()),
        ];
        let given = given.into_iter().filter_map(|(name, value)| {
            let flag = tables::ALERTMANAGER.iter().find(|flag| flag.name == name)?;
            Some(Given { flag: *flag, value })
        });
        let values = Values::check(tables::ALERTMANAGER, given.collect())
            .map_err(|err| Failure::new(format!("BUG: values of the Alertmanager: {err}")))?;
        let start = Start {
            values,
            clock: Arc::clone(&start.clock),
            shutdown: start.shutdown.clone(),
            reload: shared_reload(start),
            stop: Arc::clone(&start.stop),
            recent: start.recent.clone(),
        };
        Ok(Some(Self { start, address, config }))
    }

    pub(super) fn part(&self) -> Part {
        let port = self.address.rsplit(':').next().unwrap_or_default();
        Part::good("Alertmanager", format!("on port {port}, by {}", self.config.display()))
    }

    /// Serves until the shutdown.
    pub(super) async fn run(self) -> Result<(), Failure> {
        alertmanager::run(self.start).await
    }
}

/// The configuration in the folder; made if there is none.
fn made(dir: &Path) -> Result<PathBuf, Failure> {
    let path = dir.join("alertmanager.yml");
    if !path.exists() {
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(&path, CONFIG))
            .map_err(|err| Failure::new(format!("creating {}: {err}", path.display())))?;
    }
    Ok(path)
}

/// Another receiver of the reloads that `start` gets.
fn shared_reload(start: &mut Start) -> mpsc::Receiver<()> {
    let (first, mine) = mpsc::channel(1);
    let (second, theirs) = mpsc::channel(1);
    let mut signals = std::mem::replace(&mut start.reload, mine);
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            // One that is asked already will read what is there now.
            let _ = (first.try_send(()), second.try_send(()));
        }
    });
    theirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_made_once_and_is_a_good_one() {
        let dir = tempfile::tempdir().expect("dir");
        let folder = dir.path().join("alertmanager");
        let path = made(&folder).expect("made");
        let mode = gauntlet_alertmanager::ParseMode::Utf8;
        let loaded = gauntlet_alertmanager::Config::load(&path, mode).expect("good");
        assert!(loaded.notes.is_empty());
        std::fs::write(&path, "mine").expect("write");
        assert_eq!(made(&folder).expect("there"), path);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "mine");
    }
}
