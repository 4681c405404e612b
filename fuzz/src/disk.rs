//! What lies on a disk, however it got there: a directory of runs, agents' transcripts, books, keys, reports, bundles.
//!
//! Frames have checksums, which [`segment`](crate::targets::segment) is about; here what is in them is any bytes, as a disk of another
//! version, or somebody else's hand, might leave them.

use crate::peers::{self, STEP, Two};
use crate::targets::{kind, letters};
use controller::director::{Director, Input};
use controller::door::Books;
use controller::journal::{Folder, RunFile};
use controller::merge::{Life, Merge};
use controller::{Config, Report};
use journal::fake::FakeDisk;
use journal::{Disk, Writer};
use prost::encoding::WireType;
use proto::transcript::Record;
use proto::v1::{self, FromAgent, ToAgent};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;

const DIR: &str = "/runs";
const RUN: &str = "r-20260101-000000-000-abcd";
const NOW: u64 = 1_000_000_000_000;

/// A bundle as it travels and as it is kept: any bytes are one that compiles, or what is wrong with it.
pub fn bundle(bytes: &[u8]) -> u64 {
    let chunks = proto::bundle::chunks(peers::RUN, bytes);
    match agent::link::core::compile(chunks) {
        Ok(_) => kind(&"a plan"),
        Err(wrong) => kind(&letters(&format!("{wrong:?}"))),
    }
}

/// Bundles: with data, with overrides, with variables.
pub(crate) fn bundles() -> Vec<Vec<u8>> {
    let plain = peers::bundle();
    let mut rich = plain.clone();
    rich.files
        .insert("rows.csv".to_owned(), b"a,b\n1,2\n".to_vec());
    rich.env.insert("HOST".to_owned(), "h".to_owned());
    rich.source = "data: { rows: { csv: rows.csv } }\nflows: { default: [{ get: 'http://{{ env.HOST }}/' }] }".to_owned();
    rich.overrides.vus = Some(3);
    rich.overrides.duration = Some("5s".to_owned());
    rich.overrides.base_url = Some("http://h".to_owned());
    rich.overrides.summary_trend_stats = Some("avg,p(99)".to_owned());
    let mut staged = plain.clone();
    staged.source = "flows: { default: [{ get: / }] }".to_owned();
    staged.overrides.stages = vec!["1s:5".to_owned(), "2m:0".to_owned()];
    staged.overrides.base_url = Some("http://h".to_owned());
    [plain, rich, staged]
        .iter()
        .filter_map(|bundle| serde_json::to_vec(bundle).ok())
        .collect()
}

/// Pieces that come as they like: they are a bundle, or refused.
pub fn chunks(bytes: &[u8]) -> u64 {
    let (mut joiner, mut start) = (
        proto::bundle::Joiner::default(),
        proto::bundle::StartJoiner::default(),
    );
    let mut seen = Vec::new();
    for chunk in peers::rows::<v1::BundleChunk>(bytes) {
        let part = v1::StartChunk {
            part: Some(v1::start_chunk::Part::Bundle(chunk.data.clone())),
        };
        let taken = start.push(part).is_ok();
        let joined = joiner.push(chunk).map(|whole| whole.is_some());
        seen.push((taken, joined.map_err(|error| letters(&error.to_string()))));
    }
    for message in peers::rows::<v1::StartChunk>(bytes) {
        seen.push((start.push(message).is_ok(), Ok(start.head().is_some())));
    }
    kind(&(seen, start.finish().is_ok()))
}

/// Pieces in order, out of order, and with a head.
pub(crate) fn pieces() -> Vec<Vec<u8>> {
    let mut two = vec![
        v1::BundleChunk {
            run: peers::RUN.to_owned(),
            index: 0,
            chunks: 2,
            sha256: proto::bundle::sha256(b"both"),
            data: b"bo".to_vec(),
        };
        2
    ];
    two[1].index = 1;
    two[1].data = b"th".to_vec();
    let whole = peers::row(&two);
    two.reverse();
    let head = v1::StartHead::default();
    vec![
        whole,
        peers::row(&two),
        peers::row(&proto::bundle::start(head, b"all")),
    ]
}

/// Texts of keys and certificates; a book of tokens; a report: read whole, or refused.
pub fn files(bytes: &[u8]) -> u64 {
    let certificates = trust::files::certificates(bytes);
    let key = trust::files::private_key(bytes);
    let book = Books::read_book(bytes);
    let report = serde_json::from_slice::<Report>(bytes);
    if let Ok(report) = &report {
        let _ = (
            controller::report::text(report, false),
            report.exit.code_failing_on_degraded(),
        );
    }
    kind(&(
        certificates
            .map(|all| all.len().min(3))
            .map_err(|e| letters(&e.to_string())),
        key.map(|_| ()).map_err(|e| letters(&e.to_string())),
        book.map(|all| all.len().min(3))
            .map_err(|e| letters(&e.to_string())),
        report
            .map(|report| report.agents.len().min(3))
            .map_err(|e| letters(&e.to_string())),
    ))
}

/// One of each.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    let agent = include_bytes!("../seeds/agent.der");
    let chain = trust::files::pem("CERTIFICATE", agent) + &trust::files::pem("CERTIFICATE", agent);
    let key = trust::files::pem("PRIVATE KEY", &[7; 48]);
    vec![
        chain.into_bytes(),
        key.into_bytes(),
        include_bytes!("../seeds/tokens.json").to_vec(),
        include_bytes!("../seeds/report.json").to_vec(),
    ]
}

/// What two lives of agents wrote down, as `throng merge` reads it, out of its frames (of which [`segment`](crate::targets::segment) is):
/// parts behind their lengths, each a message with the payload in the field of its kind. A report is made of it, or it is told why not.
pub fn transcript(bytes: &[u8]) -> u64 {
    let record = |part: &mut &[u8]| {
        let kind = prost::encoding::decode_varint(part).ok()? >> 3;
        let payload = parts(part).next()?;
        Record::decode(u8::try_from(kind).ok()?, payload)
    };
    let records: Vec<Record> = parts(bytes)
        .filter_map(|mut part| record(&mut part))
        .take(200)
        .collect();
    let heads: Vec<Life> = Life::read(records.iter().cloned()).into_iter().collect();
    let life = heads.first().map_or(0, |life| life.hello.incarnation);
    let mut merge = match Merge::new(heads, &Config::default()) {
        Ok(merge) => merge,
        Err(refused) => return kind(&letters(&refused.to_string())),
    };
    for record in records {
        merge.take(life, record);
    }
    match merge.end(String::new()) {
        Ok(over) => kind(&over.exit_code),
        Err(refused) => kind(&letters(&refused.to_string())),
    }
}

/// What an agent says and hears in a run: the seeds of both peers, one after the other.
pub(crate) fn transcripts() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut put = |record: Record| {
        let (kind, payload) = record.encode();
        let mut part = Vec::new();
        prost::encoding::encode_key(u32::from(kind), WireType::LengthDelimited, &mut part);
        prost::encoding::encode_varint(payload.len() as u64, &mut part);
        part.extend(payload);
        prost::encoding::encode_varint(part.len() as u64, &mut all);
        all.extend(part);
    };
    let hello = v1::Hello {
        incarnation: 7,
        name: "a1".to_owned(),
        ..v1::Hello::default()
    };
    put(Record::Said(v1::from_agent::Message::Hello(hello)));
    for bytes in peers::good_controller().iter().take(1) {
        for message in peers::rows::<ToAgent>(bytes) {
            if let Some(message) = message.message {
                put(Record::Heard(message));
            }
        }
    }
    for bytes in peers::good_agents().iter().take(1) {
        for message in peers::rows::<FromAgent>(bytes) {
            if let Some(message) = message.message {
                put(Record::Said(message));
            }
        }
    }
    vec![all]
}

/// Whatever stands behind its length, up to the first that is not whole.
fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = prost::decode_length_delimiter(&mut rest).ok()?;
        let (part, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(part)
    })
}

/// A directory of runs with one that is not over: its file, its bundle, and its records, each behind its length. It is gone on with, or
/// told why not; and a run can be started afterwards.
pub fn resume(bytes: &[u8]) -> u64 {
    let mut parts = parts(bytes);
    let (Some(file), Some(bundle)) = (parts.next(), parts.next()) else {
        return 0;
    };
    let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new(1));
    // A directory is named after its run.
    let named = serde_json::from_slice::<RunFile>(file).map(|file| file.id);
    let run = named
        .ok()
        .filter(|id| id.starts_with("r-") && !id.contains('/'));
    let run = run.unwrap_or_else(|| RUN.to_owned());
    let dir = Path::new(DIR).join(&run);
    let made = disk.make_dir(&dir);
    let written = [("run.json", file), ("bundle.json", bundle)]
        .map(|(name, bytes)| disk.replace(&dir.join(name), bytes).is_ok());
    assert!(
        made.is_ok() && written == [true; 2],
        "the disk is in memory"
    );
    let Ok(mut writer) = Writer::open(Arc::clone(&disk), dir.join("journal")) else {
        return 0;
    };
    for record in parts.take(100) {
        let _ = writer.append(1, record);
    }
    let _ = writer.commit();
    drop(writer);
    let Ok(folder) = Folder::open(disk, Path::new(DIR)) else {
        return 0;
    };
    let mut now = NOW;
    let mut director = Director::resuming(Config::default(), folder, Some(now));
    let mut seen = Vec::new();
    for _ in 0..20 {
        now += 10 * STEP;
        director.tick(now);
        director.write(now);
        let state = director.active().map(|active| active.run.state() as i32);
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    // Or why it is not gone on with.
    let (reply, mut answer) = oneshot::channel();
    director.take(now, Input::Watch(run, reply));
    let told = answer.try_recv().ok().and_then(Result::ok);
    let told = told.into_iter().flat_map(|(first, _)| first);
    let ends = told.filter_map(|event| match event.event {
        Some(v1::run_event::Event::Over(over)) => Some(letters(&over.text)),
        _ => None,
    });
    kind(&(seen, ends.collect::<Vec<_>>(), peers::notes(&director)))
}

/// What a director left that was killed in the middle of a run: soon after its begin, and later.
pub(crate) fn directories() -> Vec<Vec<u8>> {
    [1, 3, 8].into_iter().filter_map(left_after).collect()
}

fn left_after(messages: usize) -> Option<Vec<u8>> {
    let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new(1));
    let folder = Folder::open(Arc::clone(&disk), Path::new(DIR)).ok()?;
    let mut now = NOW;
    let mut director = Director::resuming(Config::default(), folder, Some(now));
    let mut two = Two::start(&mut director, now)?;
    let story = peers::good_agents().into_iter().next()?;
    for (index, message) in peers::rows::<FromAgent>(&story).take(messages).enumerate() {
        now += STEP;
        director.tick(now);
        two.say(&mut director, now, index, message.message?);
        director.write(now);
    }
    let run = director.active()?.order.id.clone();
    let dir = Path::new(DIR).join(&run);
    let mut bytes = Vec::new();
    let mut put = |part: &[u8]| {
        let length = prost::encode_length_delimiter(part.len(), &mut bytes);
        bytes.extend_from_slice(part);
        length.ok()
    };
    put(&disk.read(&dir.join("run.json")).ok()?)?;
    put(&disk.read(&dir.join("bundle.json")).ok()?)?;
    let cut = journal::read::<journal::Error>(&*disk, &dir.join("journal"), |_, frame| {
        put(frame.payload);
        Ok(())
    });
    assert!(cut.is_ok(), "nothing was torn");
    Some(bytes)
}
