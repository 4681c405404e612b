//! `throng merge`: makes a run's report from what its agents kept on their disks, when its controller cannot.

use crate::args::Common;
use crate::error::Error;
use crate::follow::{self, FailOn};
use crate::summary_file::SummaryFile;
use crate::terminal::Terminal;
use controller::merge::{Life, Merge, MergeError, Revival};
use journal::RealDisk;
use proto::transcript::Record;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How far below a directory that is named transcripts are looked for.
const DEPTH: u32 = 4;
/// The two journals of a transcript: what tells of the run, and what was seen.
const HEAD: &str = "head";
const SEEN: &str = "seen";
/// What a controller's directory of a run holds, beside others.
const RUN: &str = "run.json";

/// `throng merge`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Spools of agents (`throng agent --spool DIR`), and the run's own directory (`throng controller --runs DIR`) if it was
    /// saved; copied here from wherever they are
    #[arg(value_name = "DIR", required = true)]
    pub(crate) dirs: Vec<PathBuf>,
    /// Which run, if there are several
    #[arg(long, env = "THRONG_RUN", value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Write the report's figures as JSON
    #[arg(long, env = "THRONG_SUMMARY", value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Also fail when load or data have gaps: `degraded` ends with 120
    #[arg(
        long,
        env = "THRONG_FAIL_ON",
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true
    )]
    pub(crate) fail_on: Option<FailOn>,
}

const EXAMPLES: &str = "\
Examples:
  throng merge ~/.local/state/throng/spool
  throng merge spools/* --run r-20261123-0342-k3f9 --summary report.json

A spool holds the runs that no controller took whole; docs/spool.md tells when that is.";

/// Reads what is there, and prints the report.
///
/// # Errors
/// `Read`, `Merge`; a run that failed is no error but an exit code.
pub(crate) fn run(args: Args, common: &Common, terminal: &Terminal) -> Result<u8, Error> {
    let summary = args
        .summary
        .as_deref()
        .map(SummaryFile::claim)
        .transpose()?;
    let mut found = Found::default();
    for dir in &args.dirs {
        found.look(dir, DEPTH)?;
    }
    let mut lives = Vec::new();
    for dir in found.transcripts {
        let mut head = Vec::new();
        read(&dir.join(HEAD), |record| head.push(record))?;
        if let Some(life) = Life::read(head)
            && args.run.as_ref().is_none_or(|run| *run == life.run)
        {
            lives.push((dir, life));
        }
    }
    let config = controller::Config {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..controller::Config::default()
    };
    let heads = lives.iter().map(|(_, life)| life.clone()).collect();
    let from = match lives.len() {
        1 => "the transcript of one agent".to_owned(),
        count => format!("the transcripts of {count} agents"),
    };
    let over = match own_directory(found.runs, args.run.as_deref())? {
        None => {
            let mut merge = Merge::new(heads, &config).map_err(Error::Merge)?;
            seen(&lives, |life, record| merge.take(life, record))?;
            merge.end(format!("merged from {from} instead of a controller"))
        }
        Some(dir) => {
            let mut revival = Revival::new(&dir, heads, &config).map_err(Error::Merge)?;
            seen(&lives, |life, record| revival.take(life, record))?;
            revival.end(format!("merged from the run's directory and {from}"))
        }
    };
    follow::conclude(
        &over.map_err(Error::Merge)?,
        args.fail_on,
        summary,
        common,
        terminal,
    )
}

/// The controller's directory of the run, if there is one.
fn own_directory(runs: BTreeSet<PathBuf>, wanted: Option<&str>) -> Result<Option<PathBuf>, Error> {
    let name = |dir: &PathBuf| {
        dir.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let mut runs: Vec<PathBuf> = runs
        .into_iter()
        .filter(|dir| wanted.is_none_or(|wanted| name(dir).as_deref() == Some(wanted)))
        .collect();
    if runs.len() > 1 {
        let names: Vec<String> = runs.iter().filter_map(name).collect();
        return Err(Error::Merge(MergeError::Several(names.join(", "))));
    }
    Ok(runs.pop())
}

/// Goes through what each life saw.
fn seen(lives: &[(PathBuf, Life)], mut take: impl FnMut(u64, Record)) -> Result<(), Error> {
    for (dir, life) in lives {
        read(&dir.join(SEEN), |record| {
            take(life.hello.incarnation, record)
        })?;
    }
    Ok(())
}

/// What there is to merge.
#[derive(Debug, Default)]
struct Found {
    transcripts: BTreeSet<PathBuf>,
    runs: BTreeSet<PathBuf>,
}

impl Found {
    /// Looks at a directory, and below it.
    fn look(&mut self, dir: &Path, depth: u32) -> Result<(), Error> {
        let unreadable = |error: std::io::Error| Error::Read {
            path: dir.display().to_string(),
            why: error.to_string(),
        };
        // By their true names, so that one that is named twice is one.
        let dir = dir.canonicalize().map_err(unreadable)?;
        if dir.join(RUN).is_file() {
            self.runs.insert(dir);
            return Ok(());
        }
        if dir.join(HEAD).is_dir() {
            self.transcripts.insert(dir);
            return Ok(());
        }
        for entry in std::fs::read_dir(&dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if depth > 0 && path.is_dir() {
                self.look(&path, depth - 1)?;
            }
        }
        Ok(())
    }
}

/// Reads one journal; what a crash tore is cut.
fn read(dir: &Path, mut each: impl FnMut(Record)) -> Result<(), Error> {
    let unreadable = |error: journal::Error| Error::Read {
        path: dir.display().to_string(),
        why: error.to_string(),
    };
    let cut = journal::read(&RealDisk, dir, |_, frame| {
        if let Some(record) = Record::decode(frame.kind, frame.payload) {
            each(record);
        }
        Ok::<_, journal::Error>(())
    })
    .map_err(unreadable)?;
    for tail in cut {
        tracing::warn!(
            "{}: the last {} bytes of segment {} were not written whole; they are left out",
            dir.display(),
            tail.bytes,
            tail.segment
        );
    }
    Ok(())
}
