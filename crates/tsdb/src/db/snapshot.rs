//! Snapshots: a folder with hard links to all blocks, and the head as a block of its own.

use std::path::Path;

use gauntlet_block::BlockReader;

use super::Db;
use crate::error::{At as _, Result};

impl Db {
    /// Makes a snapshot in `dest`, which must not be there yet; `with_head` takes the newest samples along.
    pub fn snapshot(&self, dest: &Path, with_head: bool) -> Result<()> {
        self.refuse_while_replaying("a snapshot would lack samples")?;
        let _changing = self.changing.lock();
        self.fs.create_dir_all(dest).at("creating", dest)?;
        for block in self.blocks().iter() {
            self.link_block(block, dest)?;
        }
        if with_head && self.head.min_time() <= self.head.max_time() {
            let (min_t, end) = (self.head.min_time(), self.head.max_time() + 1);
            self.head.write_block(dest, self.new_ulid(), min_t, end)?;
            if self.head.has_late() {
                self.head.write_late_blocks(dest, || self.new_ulid())?;
            }
        }
        self.fs.sync_dir(dest).at("syncing", dest)
    }

    fn link_block(&self, block: &BlockReader, dest: &Path) -> Result<()> {
        let folder = block.folder();
        let name = block.meta().ulid.to_string();
        let tmp = dest.join(format!("{name}{}", gauntlet_block::writer::CREATION_SUFFIX));
        self.fs.create_dir_all(&tmp.join("chunks")).at("creating", &tmp)?;
        let chunks = folder.join("chunks");
        for entry in self.fs.list(&chunks).at("listing", &chunks)? {
            let from = chunks.join(&entry.name);
            self.fs.hard_link(&from, &tmp.join("chunks").join(&entry.name)).at("linking", &from)?;
        }
        // These are replaced as a whole when they change: a link keeps the state of now.
        for file in ["index", "meta.json", "tombstones"] {
            let from = folder.join(file);
            if self.fs.exists(&from) {
                self.fs.hard_link(&from, &tmp.join(file)).at("linking", &from)?;
            }
        }
        let target = dest.join(name);
        self.fs.rename(&tmp, &target).at("renaming", &tmp)
    }
}
