//! The command line of alerts: amtool 0.34's commands, flags, texts and exit codes, and `explain`, which tells an alert's
//! life from the ledger.
//!
//! [`run`] takes words and gives what to print. It reads files and asks a server over HTTP; all else it needs comes in
//! [`World`]. Left out: shell completion.

mod alert;
mod args;
mod check;
mod client;
mod commands;
mod explain;
mod format;
mod notes;
mod render;
mod routes;
mod settings;
mod silence;
mod tabs;
mod tree;
mod usage;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_alertmanager::{FeatureFlags, ParseMode};
use gauntlet_runtime::Clock;

use args::Call;
pub use check::template_files;

/// What a command needs from outside.
pub struct World<'w> {
    /// The name it was called by, for messages: `amtool`.
    pub program: &'w str,
    /// What `--version` prints.
    pub version: String,
    pub clock: Arc<dyn Clock>,
    /// Files that may hold defaults of flags, the first counts most.
    pub settings: Vec<PathBuf>,
    /// Who makes silences when no author is named.
    pub user: String,
    pub stdin: &'w mut dyn Read,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub code: u8,
}

/// Why a command failed. The texts are the peer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Message(String),
    /// Printed without the empty line behind it.
    #[error("{0}")]
    Terse(String),
    /// All was said.
    #[error("")]
    Silent,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }
}

/// A command under way.
struct Run<'r, 'w> {
    world: &'r mut World<'w>,
    call: Call,
    mode: ParseMode,
    out: Output,
}

/// Runs a command line; `arguments` are the words behind the program's name.
pub async fn run(arguments: &[String], mut world: World<'_>) -> Output {
    let program = world.program.to_owned();
    let (mut out, result) = start(arguments, &mut world).await;
    match result {
        Ok(()) => {}
        Err(failure) => {
            out.code = 1;
            match failure {
                Failure::Message(text) => out.stderr += &format!("{program}: error: {text}\n\n"),
                Failure::Terse(text) => out.stderr += &format!("{program}: error: {text}\n"),
                Failure::Silent => {}
            }
        }
    }
    out
}

async fn start(arguments: &[String], world: &mut World<'_>) -> (Output, Result<(), Failure>) {
    let done = |stdout: String| (Output { stdout, ..Output::default() }, Ok(()));
    let defaults = match settings::read(&world.settings) {
        Ok(defaults) => defaults,
        Err(text) => {
            let text = format!("could not load config file: {text}");
            return (Output::default(), Err(Failure::new(text)));
        }
    };
    let parsed = match args::parse(arguments) {
        Ok(parsed) => parsed,
        Err(text) => return (Output::default(), Err(Failure::new(text))),
    };
    match parsed {
        args::Parsed::Usage => done(usage::whole(world.program)),
        args::Parsed::Help(path) => done(usage::of(world.program, &path)),
        args::Parsed::Version => done(world.version.clone()),
        args::Parsed::Call(given) => {
            let (call, problem) = given.settle(&defaults, &world.user);
            if call.command.needs_url && call.url.is_none() {
                let text = "required flag --alertmanager.url not provided";
                return (Output::default(), Err(Failure::Terse(text.to_owned())));
            }
            if let Some(text) = problem {
                return (Output::default(), Err(Failure::new(text)));
            }
            let mut run = Run { world, call, mode: ParseMode::default(), out: Output::default() };
            let result = run.command().await;
            (run.out, result)
        }
    }
}

impl Run<'_, '_> {
    async fn command(&mut self) -> Result<(), Failure> {
        self.mode = self.features()?;
        let limit = self.call.timeout;
        let work = self.dispatch();
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result,
            Err(_) => Err(Failure::new("context deadline exceeded")),
        }
    }

    async fn dispatch(&mut self) -> Result<(), Failure> {
        match self.call.command.path {
            "alert query" => alert::query(self).await,
            "alert add" => alert::add(self).await,
            "silence add" => silence::add(self).await,
            "silence expire" => silence::expire(self).await,
            "silence import" => silence::import(self).await,
            "silence query" => silence::query(self).await,
            "silence update" => silence::update(self).await,
            "check-config" => check::run(self),
            "cluster show" => self.cluster().await,
            "config show" => self.config().await,
            "config routes show" => routes::show(self).await,
            "config routes test" => routes::test(self).await,
            "template render" => render::run(self),
            "explain" => explain::run(self).await,
            other => Err(Failure::new(format!("BUG: nothing to run for {other:?}"))),
        }
    }

    async fn cluster(&mut self) -> Result<(), Failure> {
        let status = client::Client::new(self)?.status().await?;
        let text = format::cluster(self.call.output, &self.call.date_format, &status["cluster"]);
        self.out.stdout += &text;
        Ok(())
    }

    async fn config(&mut self) -> Result<(), Failure> {
        let status = client::Client::new(self)?.status().await?;
        self.out.stdout += &format::config(self.call.output, &status);
        Ok(())
    }

    /// Feature flags: those that change how matchers are read count here, the others are known.
    fn features(&mut self) -> Result<ParseMode, Failure> {
        let wrong = |text| Failure::new(format!("error parsing the feature flag list: {text}"));
        let flags = FeatureFlags::parse(self.call.text("enable-feature")).map_err(wrong)?;
        for (source, words) in flags.mode_notes() {
            self.log(source, words);
        }
        flags.mode().map_err(wrong)
    }

    fn print(&mut self, line: &str) {
        self.out.stdout += line;
        self.out.stdout.push('\n');
    }
}
