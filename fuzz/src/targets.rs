//! The doors that bytes come in by.

use crate::wire::Shape;
use metrics::{Digits, Histogram, Metric, Tags, Trend, TrendParts};
use plan::{Bundle, Explanation, Overrides, Stripe};
use prost::Message as _;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One door.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Takes any bytes; gives the kind of the answer.
    pub run: fn(&[u8]) -> u64,
    /// Good input to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that mean something there.
    pub words: &'static [&'static str],
    /// How its input is made up.
    pub shape: Shape,
}

/// All doors.
pub const ALL: [Target; 15] = [
    Target {
        name: "plan",
        run: plan,
        seeds: crate::seeds::scenarios,
        words: crate::seeds::WORDS,
        shape: Shape::Bytes,
    },
    Target {
        name: "histogram",
        run: histogram,
        seeds: crate::seeds::histograms,
        words: &[],
        shape: Shape::Bytes,
    },
    Target {
        name: "interval",
        run: interval,
        seeds: crate::seeds::intervals,
        words: &[],
        shape: Shape::Message,
    },
    Target {
        name: "segment",
        run: segment,
        seeds: crate::seeds::segments,
        words: &[],
        shape: Shape::Bytes,
    },
    Target {
        name: "checkpoint",
        run: checkpoint,
        seeds: crate::seeds::checkpoints,
        words: &[],
        shape: Shape::Bytes,
    },
    Target {
        name: "identity",
        run: identity,
        seeds: crate::seeds::identities,
        words: &["throng_", "throng://agent/", "throng-operator", "/"],
        shape: Shape::Bytes,
    },
    Target {
        name: "controller",
        run: crate::peers::controller,
        seeds: crate::peers::good_controller,
        words: &[],
        shape: Shape::Row,
    },
    Target {
        name: "agents",
        run: crate::peers::agents,
        seeds: crate::peers::good_agents,
        words: &[],
        shape: Shape::Row,
    },
    Target {
        name: "bundle",
        run: crate::disk::bundle,
        seeds: crate::disk::bundles,
        words: crate::seeds::WORDS,
        shape: Shape::Bytes,
    },
    Target {
        name: "chunks",
        run: crate::disk::chunks,
        seeds: crate::disk::pieces,
        words: &[],
        shape: Shape::Row,
    },
    Target {
        name: "files",
        run: crate::disk::files,
        seeds: crate::disk::texts,
        words: &[
            "-----BEGIN CERTIFICATE-----",
            "-----END",
            "null",
            "1e400",
            "-1",
            "[]",
            "{}",
            "\"\"",
        ],
        shape: Shape::Bytes,
    },
    Target {
        name: "transcript",
        run: crate::disk::transcript,
        seeds: crate::disk::transcripts,
        words: &[],
        shape: Shape::Row,
    },
    Target {
        name: "resume",
        run: crate::disk::resume,
        seeds: crate::disk::directories,
        words: &[],
        shape: Shape::Row,
    },
    Target {
        name: "answer",
        run: crate::answer::answer,
        seeds: crate::answer::answers,
        words: crate::answer::WORDS,
        shape: Shape::Bytes,
    },
    Target {
        name: "page",
        run: crate::page::page,
        seeds: crate::page::requests,
        words: crate::page::WORDS,
        shape: Shape::Bytes,
    },
];

/// Any text is a plan, or a list of what is wrong with it; and whatever is a plan can be explained.
pub fn plan(bytes: &[u8]) -> u64 {
    let source = String::from_utf8_lossy(bytes).into_owned();
    let bundle = Bundle {
        name: "f.yaml".to_owned(),
        env: BTreeMap::from([("HOST".to_owned(), "h".to_owned())]),
        files: BTreeMap::from([("rows.csv".to_owned(), b"a,b\n1,2\n".to_vec())]),
        overrides: Overrides {
            base_url: Some("http://h".to_owned()),
            ..Overrides::default()
        },
        seed: 1,
        source,
    };
    let _ = (plan::wanted_env(&bundle.source), bundle.wanted_files());
    let plan = match plan::compile(&bundle) {
        Ok(plan) => plan,
        Err(diagnostics) => {
            assert!(!diagnostics.items().is_empty(), "an empty complaint");
            let _ = (diagnostics.render(false), diagnostics.render(true));
            // Numbers and names apart, what was said.
            let said = diagnostics.items().iter().map(|item| letters(&item.what));
            return kind(&said.collect::<Vec<_>>());
        }
    };
    let _ = (plan.digest(), plan.load_end(), plan.max_vus());
    for scenario in &plan.scenarios {
        if let Some(curve) = scenario.executor.vu_curve(scenario.graceful_stop) {
            let (middle, vu) = (curve.end() / 2, curve.max() / 2);
            let _ = (curve.vus_at(middle), curve.held_at(middle), curve.spans(vu));
        }
        if let Some(curve) = scenario.arrival_curve(plan.seed)
            && let Some(last) = curve.total().checked_sub(1)
        {
            let due = curve.due_at(last);
            assert!(
                due.is_some_and(|due| curve.due_by(due) > last),
                "due_at and due_by disagree"
            );
        }
    }
    // A crowd's every step is listed, which takes its time and is nothing new.
    if plan.max_vus() <= 10_000 {
        let explanation = Explanation::new(&plan, Stripe::equal(3), 2);
        let _ = (explanation.text(), explanation.json());
    }
    kind(
        &plan
            .scenarios
            .iter()
            .map(|s| s.executor.name())
            .collect::<Vec<_>>(),
    )
}

/// Any bytes are a histogram, or refused; they never make one allocate what the bytes do not hold.
pub fn histogram(bytes: &[u8]) -> u64 {
    let mut kinds = Vec::new();
    for digits in [Metric::HttpReqDuration, Metric::HttpReqBlocked].map(Metric::resolution) {
        let mut histogram = Histogram::compact(digits);
        let added = histogram.merge_v2(bytes);
        if let Ok(added) = &added {
            assert_eq!(*added, histogram.len(), "merged into nothing");
            let mut again = Vec::new();
            histogram.to_v2(&mut again);
            let mut other = Histogram::compact(digits);
            assert_eq!(
                other.merge_v2(&again).ok(),
                Some(histogram.len()),
                "what was written cannot be read"
            );
            assert_eq!(other, again_of(digits, &again), "read twice, read alike");
        }
        kinds.push(
            added
                .map(|_| ())
                .map_err(|error| letters(&error.to_string())),
        );
        let parts = TrendParts {
            count: 3,
            sum: 6,
            min: 1,
            max: 3,
            clamped: 0,
            histogram: bytes,
        };
        let _ = Trend::from_parts(digits, &parts);
    }
    kind(&kinds)
}

fn again_of(digits: Digits, bytes: &[u8]) -> Histogram {
    let mut histogram = Histogram::compact(digits);
    // Checked by the caller.
    let _ = histogram.merge_v2(bytes);
    histogram
}

/// Any bytes from an agent are an interval, or refused.
pub fn interval(bytes: &[u8]) -> u64 {
    let Ok(wire) = proto::v1::Interval::decode(bytes) else {
        return 0;
    };
    match proto::convert::from_wire(&wire) {
        Ok(interval) => {
            let again = proto::convert::to_wire(&wire.run, &interval);
            assert!(
                proto::convert::from_wire(&again).is_ok(),
                "what was written cannot be read"
            );
            let tags: Vec<&Tags> = interval.series.iter().map(|series| &series.tags).collect();
            kind(&tags.len().min(4))
        }
        Err(rejected) => kind(&letters(&format!("{rejected:?}"))),
    }
}

/// Any bytes are a segment of a journal, cut where it is torn, or of another version.
pub fn segment(bytes: &[u8]) -> u64 {
    let mut frames = match journal::Frames::of(bytes) {
        Ok(frames) => frames,
        Err(version) => {
            assert_ne!(version, journal::frame::VERSION, "our own version, refused");
            return kind(&"version");
        }
    };
    let mut again = journal::frame::header().to_vec();
    let mut count = 0;
    for frame in frames.by_ref() {
        assert!(journal::frame::encode(
            &mut again,
            frame.kind,
            frame.payload
        ));
        count += 1;
    }
    assert!(
        count == 0 || bytes.strip_prefix(again.as_slice()).map(<[u8]>::len) == Some(frames.left()),
        "what was read is not what was written, or bytes were lost count of"
    );
    kind(&(count.min(4), frames.left() > 0))
}

/// Any bytes from a stranger are a token, a certificate that names a role, a signing request, or refused.
pub fn identity(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let token = trust::Token::parse(&text);
    if let Ok(token) = &token {
        assert_eq!(token.text(), text.trim(), "two texts of one token");
    }
    let certificate = trust::identity::read(&bytes.to_vec().into());
    if let Ok(identity) = &certificate {
        for part in [&identity.name, &identity.mark] {
            assert!(
                part.is_empty() || trust::identity::clean(part) == *part,
                "a name that is not fit to print"
            );
        }
    }
    let request = trust::SigningRequest::read(bytes);
    kind(&(
        token.map_err(|error| letters(&error.to_string())).is_ok(),
        certificate.map(|_| ()).map_err(|error| letters(&error)),
        request.map(|_| ()).map_err(|error| letters(&error)),
    ))
}

/// Any bytes are the merged data of a checkpoint, or refused.
pub fn checkpoint(bytes: &[u8]) -> u64 {
    match postcard::from_bytes::<metrics::Store>(bytes) {
        Ok(store) => {
            let again = postcard::to_allocvec(&store);
            assert!(
                again.is_ok_and(|again| postcard::from_bytes::<metrics::Store>(&again).is_ok()),
                "what was written cannot be read"
            );
            kind(&store.series().min(4))
        }
        Err(refused) => kind(&letters(&refused.to_string())),
    }
}

/// The words of a text that are the same each time: none with a digit in it, and nothing that stands in quotes.
pub(crate) fn letters(text: &str) -> String {
    text.split(['`', '"'])
        .step_by(2)
        .flat_map(str::split_whitespace)
        .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
        .collect()
}

pub(crate) fn kind(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
