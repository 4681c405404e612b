//! What a run makes of a controller that was away, or whose journal failed.

use super::Active;
use crate::output::Spec;
use crate::report::Away;
use proto::v1;

/// What a checkpoint holds of a run, in this order; and, so that nothing is forgotten, what it does not hold.
macro_rules! state {
    (kept: $($kept:ident)*; not: $($not:ident)*) => {
        /// Everything that happened in it, as bytes that only this version of throng reads.
        ///
        /// # Errors
        /// What cannot be written.
        pub fn checkpoint(&self) -> Result<Vec<u8>, postcard::Error> {
            let Self { $($kept,)* $($not: _,)* } = self;
            let bytes = Vec::new();
            $(let bytes = postcard::to_extend($kept, bytes)?;)*
            Ok(bytes)
        }

        /// Takes a run to that state.
        ///
        /// # Errors
        /// What cannot be read.
        fn take_state(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
            $(let (value, bytes) = postcard::take_from_bytes(bytes)?;
              self.$kept = value;)*
            if bytes.is_empty() { Ok(()) } else { Err(postcard::Error::DeserializeBadEncoding) }
        }
    };
}

impl Active {
    state! {
        kept: run members weights epoch handover unfit returned t0 stopped gather logs phases load_over pools changes notes away
            unjournaled ending timeline pace state next_progress next_thresholds;
        // What follows from the order, and who watches now.
        not: order digest outline over version events
    }

    /// Takes a run whose turn has just come to where a checkpoint says it was.
    ///
    /// # Errors
    /// Why it cannot, for a person.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.take_state(state)
            .map_err(|error| format!("its checkpoint cannot be read: {error}"))?;
        // What was changed, the plan's outline follows.
        self.outline
            .change(&self.order.plan, self.changes.control.clone());
        Ok(())
    }

    /// Nobody directed it for so long, and now somebody does again.
    pub fn resumed(&mut self, now: u64, away_ns: u64) {
        let from = self.run_time(now).saturating_sub_unsigned(away_ns);
        self.away.push(Away {
            from_ms: from as f64 / 1e6,
            for_ms: away_ns as f64 / 1e6,
        });
        for member in self.members.values_mut() {
            member.unheard_until(now);
        }
        self.run.resumed(now);
    }

    /// Its outputs go on. What was merged and not yet written to them when the controller ended is in the report only.
    pub fn outputs_go_on(&mut self, now: u64, specs: &[Spec], lease: u64) {
        let life = self.away.len() as u64 + 1;
        let specs: Vec<Spec> = specs.iter().map(|spec| spec.of_life(life)).collect();
        self.outputs_start(&specs, lease);
        if let Some(t0) = self.t0 {
            self.outputs_begin(now, t0);
        }
    }

    /// How far this controller time is from what an agent's heartbeat says, if it makes load: the run's clock is the agents'.
    #[must_use]
    pub fn clock_error(&self, now: u64, heartbeat: &v1::Heartbeat) -> Option<i64> {
        self.t0?;
        // It said so half a round trip ago.
        let told = heartbeat
            .run_ns?
            .saturating_add_unsigned(heartbeat.rtt_ns / 2);
        Some(told.saturating_sub(self.run_time(now)))
    }

    /// Its journal ended: from now on it is in memory only.
    pub fn unjournaled(&mut self, why: &str) {
        if self.unjournaled.is_none() {
            self.unjournaled = Some(why.to_owned());
            self.note(format!(
                "the journal ended: {why}; the run goes on in memory, and would be lost with its controller"
            ));
        }
    }
}
