//! amtool's command line in this process: `amtool` by link, `gauntlet am` by word.

use std::path::PathBuf;
use std::sync::Arc;

use gauntlet_amtool::World;
use gauntlet_runtime::SystemClock;

use crate::flags::program::{Ending, Program, version_text};

/// Runs a command to its end; `arguments` are the words behind the program's name.
pub(crate) fn run(program: &str, arguments: &[String]) -> Ending {
    // One provider of cryptography for every TLS connection of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(err) => {
            let stderr = format!("{program}: error: cannot start: {err}\n");
            return Ending { stderr, code: 1, ..Ending::default() };
        }
    };
    let mut stdin = std::io::stdin().lock();
    let world = World {
        program,
        version: version_text(Program::Amtool),
        clock: Arc::new(SystemClock),
        settings: settings(),
        user: std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default(),
        stdin: &mut stdin,
    };
    let output = runtime.block_on(gauntlet_amtool::run(arguments, world));
    Ending { stdout: output.stdout, stderr: output.stderr, code: output.code }
}

/// Where amtool keeps defaults of flags.
fn settings() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").unwrap_or_default();
    vec![PathBuf::from(home).join(".config/amtool/config.yml"), "/etc/amtool/config.yml".into()]
}
