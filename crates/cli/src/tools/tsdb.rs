//! `promtool tsdb`: looks into data folders, and makes blocks.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use gauntlet_model::Matcher;
use gauntlet_promql::parse_metric_selector;
use gauntlet_runtime::{Clock, Fs, SystemClock, SystemFs};
use gauntlet_storage::TimeRange;
use gauntlet_tsdb::tools::analyze::{Analysis, analyze};
use gauntlet_tsdb::tools::backfill::Backfill;
use gauntlet_tsdb::tools::dump::{DumpFormat, dump};
use gauntlet_tsdb::tools::{ToolError, bench, list, new_ulid, open_block};
use gauntlet_tsdb::{Options, ReadOnlyDb};

use super::{Given, Tool, fail};
use crate::flags::program::Ending;
use crate::flags::tables::promtool as tables;

/// One line for each command.
pub(super) const HELP: &str = "  \
tsdb analyze [<db path>] [<block id>]                              Analyze churn and cardinality of a block.
  tsdb list [<db path>]                                              List blocks.
  tsdb dump [<db path>]                                              Dump samples.
  tsdb dump-openmetrics [<db path>]                                  Dump samples as OpenMetrics.
  tsdb create-blocks-from openmetrics <input file> [<output folder>] Make blocks of a file.
  tsdb bench write [<file>]                                          Measure writing.
";

const DEFAULT_DIR: &str = "data/";
const DEFAULT_SAMPLES: &str = "../../tsdb/testdata/20kseries.json";
/// Largest input of `create-blocks-from` and `bench`.
const MAX_INPUT_BYTES: u64 = 64 << 30;

const ANALYZE: Tool = Tool {
    name: "tsdb analyze",
    about: "Analyze churn, label pair cardinality and compaction efficiency.",
    flags: tables::ANALYZE,
    words: &["db path", "block id"],
    needed: 0,
};
const LIST: Tool = Tool {
    name: "tsdb list",
    about: "List tsdb blocks.",
    flags: tables::LIST,
    words: &["db path"],
    needed: 0,
};
const DUMP: Tool = Tool {
    name: "tsdb dump",
    about: "Dump samples of a folder.",
    flags: tables::DUMP,
    words: &["db path"],
    needed: 0,
};
const DUMP_OPENMETRICS: Tool = Tool {
    name: "tsdb dump-openmetrics",
    about: "Dump float samples of a folder as OpenMetrics.",
    flags: tables::DUMP_OPENMETRICS,
    words: &["db path"],
    needed: 0,
};
const OPENMETRICS: Tool = Tool {
    name: "tsdb create-blocks-from openmetrics",
    about: "Make blocks of the samples of an OpenMetrics file.",
    flags: tables::OPENMETRICS,
    words: &["input file", "output directory"],
    needed: 1,
};
const BENCH_WRITE: Tool = Tool {
    name: "tsdb bench write",
    about: "Measure writing.",
    flags: tables::BENCH_WRITE,
    words: &["file"],
    needed: 0,
};

/// Runs a command below `tsdb`.
pub(super) fn run(arguments: &[String]) -> Ending {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["analyze", ..] => tool(&ANALYZE, &arguments[1..], run_analyze),
        ["list", ..] => tool(&LIST, &arguments[1..], run_list),
        ["dump", ..] => tool(&DUMP, &arguments[1..], run_dump),
        ["dump-openmetrics", ..] => tool(&DUMP_OPENMETRICS, &arguments[1..], run_dump_openmetrics),
        ["create-blocks-from", "openmetrics", ..] => {
            tool(&OPENMETRICS, &arguments[2..], run_openmetrics)
        }
        ["create-blocks-from", "rules", ..] => fail(
            1,
            "the command \"tsdb create-blocks-from rules\" is known but not built yet".to_owned(),
        ),
        ["bench", "write", ..] => tool(&BENCH_WRITE, &arguments[2..], run_bench),
        [] | ["--help" | "-h" | "help", ..] => Ending {
            stdout: format!("usage: promtool tsdb <command> [<args> ...]\n\nCommands:\n{HELP}"),
            ..Ending::default()
        },
        [other, ..] => fail(1, format!("expected command but got {other:?}, try --help")),
    }
}

/// Reads the command line and runs the tool; what it says goes out at once, since it may be much.
fn tool(
    tool: &Tool,
    arguments: &[String],
    work: fn(&Given, &mut dyn Write) -> Result<(), ToolError>,
) -> Ending {
    let given = match tool.read(arguments) {
        Ok(given) => given,
        Err(ending) => return ending,
    };
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let done = work(&given, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => Ending::default(),
        // Whoever reads the output has seen enough.
        Err(ToolError::Output(err)) if err.kind() == std::io::ErrorKind::BrokenPipe => {
            Ending::default()
        }
        Err(err) => {
            // What was found before it is said.
            let _ = out.flush();
            Ending { stderr: format!("{err}\n"), code: 1, ..Ending::default() }
        }
    }
}

fn run_analyze(given: &Given, out: &mut dyn Write) -> Result<(), ToolError> {
    let text = given.values.text("match");
    let selector = match text.as_str() {
        "" => None,
        text => Some((text, parse(text)?)),
    };
    let dir = Path::new(given.word(0, DEFAULT_DIR));
    let block = open_block(&SystemFs::shared(), dir, given.word(1, ""))?;
    let (limit, extended) = (given.values.count("limit"), given.values.bool("extended"));
    analyze(&block, &Analysis { limit, extended, selector }, out)
}

fn run_list(given: &Given, out: &mut dyn Write) -> Result<(), ToolError> {
    let dir = Path::new(given.word(0, DEFAULT_DIR));
    list::list(&SystemFs::shared(), dir, given.values.bool("human-readable"), out)
}

fn run_dump(given: &Given, out: &mut dyn Write) -> Result<(), ToolError> {
    let format = match given.values.text("format").as_str() {
        "seriesjson" => DumpFormat::SeriesJson,
        _ => DumpFormat::Prom,
    };
    dump_as(given, format, out)
}

fn run_dump_openmetrics(given: &Given, out: &mut dyn Write) -> Result<(), ToolError> {
    dump_as(given, DumpFormat::OpenMetrics, out)
}

fn dump_as(given: &Given, format: DumpFormat, out: &mut dyn Write) -> Result<(), ToolError> {
    let time = |name: &str| {
        let text = given.values.text(name);
        text.parse::<i64>().map_err(|err| ToolError::Input(format!("--{name}: {err}")))
    };
    let range = TimeRange::new(time("min-time")?, time("max-time")?);
    let selectors: Vec<Vec<Matcher>> =
        given.values.texts("match").iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
    let dir = Path::new(given.word(0, DEFAULT_DIR));
    let fs = SystemFs::shared();
    if !fs.exists(dir) {
        let text = format!("stat {}: no such file or directory", dir.display());
        return Err(ToolError::Input(text));
    }
    let db = ReadOnlyDb::open(dir, &Options::default(), fs)?;
    dump(&db, &selectors, range, format, out)
}

fn run_openmetrics(given: &Given, out: &mut dyn Write) -> Result<(), ToolError> {
    let mut labels = BTreeMap::new();
    for text in given.values.texts("label") {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            ToolError::Input(format!("--label: expected name=value, got {text:?}"))
        })?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    let tool = Backfill {
        human_readable: given.values.bool("human-readable"),
        quiet: given.values.bool("quiet"),
        max_block_ms: given.values.duration_ms("max-block-duration"),
        labels,
    };
    let input = read_input(Path::new(given.word(0, "")))?;
    let dest = Path::new(given.word(1, DEFAULT_DIR));
    tool.run(&SystemFs::shared(), &input, dest, || new_ulid(&SystemClock), out)
}

fn run_bench(given: &Given, out: &mut dyn Write) -> Result<(), ToolError> {
    let input = read_input(Path::new(given.word(0, DEFAULT_SAMPLES)))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dest = given.values.text("out");
    let (metrics, scrapes) = (given.values.count("metrics"), given.values.count("scrapes"));
    bench::write(&SystemFs::shared(), &clock, Path::new(&dest), &input, metrics, scrapes, out)
}

fn read_input(path: &Path) -> Result<Vec<u8>, ToolError> {
    let fs: Arc<dyn Fs> = SystemFs::shared();
    fs.read(path, MAX_INPUT_BYTES).map_err(|err| {
        let what = match err.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => err.to_string(),
        };
        ToolError::Input(format!("stat {}: {what}", path.display()))
    })
}

fn parse(selector: &str) -> Result<Vec<Matcher>, ToolError> {
    parse_metric_selector(selector).map_err(|err| ToolError::Input(err.to_string()))
}
