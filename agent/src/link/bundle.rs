//! Collects the pieces of a bundle; puts them together and compiles them on a thread of its own, so that heartbeats go on.

use crate::orders::{Compiled, Problem};
use proto::bundle::Joiner;
use proto::v1::{BundleChunk, ProblemKind};
use std::sync::Arc;

/// The pieces of the bundle that is coming.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    chunks: Vec<BundleChunk>,
    bytes: usize,
}

impl Pieces {
    /// Takes the next; all of them if it was the last. Beyond [`proto::MAX_BUNDLE`] nothing is kept, which the join then reports.
    pub(crate) fn push(&mut self, chunk: BundleChunk) -> Option<Vec<BundleChunk>> {
        if chunk.index == 0 {
            *self = Self::default();
        }
        let last = chunk.index.saturating_add(1) >= chunk.chunks;
        self.bytes = self.bytes.saturating_add(chunk.data.len());
        if self.bytes <= proto::MAX_BUNDLE + proto::MAX_MESSAGE
            && self.chunks.len() <= proto::MAX_BUNDLE / proto::CHUNK
        {
            self.chunks.push(chunk);
        }
        last.then(|| std::mem::take(self).chunks)
    }
}

/// From pieces to a plan. Takes its time: not for a thread that must answer.
///
/// # Errors
/// What is wrong with the pieces, the bundle or the scenario in it.
pub fn compile(chunks: Vec<BundleChunk>) -> Result<Compiled, Problem> {
    let local = |text: String| {
        (
            ProblemKind::ProblemLocal,
            format!("the bundle was not received: {text}"),
        )
    };
    let mut joiner = Joiner::default();
    let mut whole = None;
    for chunk in chunks {
        whole = joiner
            .push(chunk)
            .map_err(|error| local(error.to_string()))?;
    }
    let (_, bytes) = whole.ok_or_else(|| local("its last piece did not come".to_owned()))?;
    let problem = |text: String| (ProblemKind::ProblemCompile, text);
    let bundle: plan::Bundle = serde_json::from_slice(&bytes).map_err(|error| {
        problem(format!(
            "the bundle is not one that this version knows: {error}"
        ))
    })?;
    let plan = plan::compile(&bundle).map_err(|diagnostics| problem(diagnostics.to_string()))?;
    Ok(Compiled {
        digest: plan.digest().to_vec(),
        plan: Arc::new(plan),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn chunks(source: &str) -> Vec<BundleChunk> {
        let bundle = plan::Bundle {
            name: "s.yaml".to_owned(),
            source: source.to_owned(),
            ..plan::Bundle::default()
        };
        proto::bundle::chunks("r", &serde_json::to_vec(&bundle).unwrap())
    }

    #[test]
    fn a_large_bundle_comes_together_and_compiles() {
        let long = format!(
            "{}#{}",
            plan::one_request("http://t/"),
            "x".repeat(proto::CHUNK * 2)
        );
        let mut pieces = Pieces::default();
        let mut all = chunks(&long);
        let last = all.pop().unwrap();
        for chunk in all {
            assert!(pieces.push(chunk).is_none());
        }
        let compiled = compile(pieces.push(last).unwrap()).unwrap();
        assert_eq!(compiled.digest, compiled.plan.digest());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_kind() {
        let mut damaged = chunks(&plan::one_request("http://t/"));
        damaged[0].data[3] ^= 1;
        let not_json = proto::bundle::chunks("r", b"nonsense");
        for (chunks, kind, says) in [
            (damaged, ProblemKind::ProblemLocal, "damaged on the way"),
            (Vec::new(), ProblemKind::ProblemLocal, "last piece"),
            (
                not_json,
                ProblemKind::ProblemCompile,
                "not one that this version knows",
            ),
            (chunks("flows: 3"), ProblemKind::ProblemCompile, "s.yaml"),
        ] {
            let (found, text) = compile(chunks).unwrap_err();
            assert_eq!(found, kind, "{text}");
            assert!(text.contains(says), "{text:?} does not say {says:?}");
        }
    }
}
