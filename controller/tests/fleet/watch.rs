//! Runs as whoever started them sees them: started, watched to their end, stopped.

use crate::fake::{bundle, patiently};
use proto::v1::control_client::ControlClient;
use proto::v1::run_event::Event;
use proto::v1::{self, StartHead};
use std::collections::BTreeMap;
use std::time::Duration;
use throng_controller::{Report, clock};
use tonic::Streaming;
use tonic::transport::Channel;

pub(crate) async fn start(
    control: &mut ControlClient<Channel>,
    source: &str,
    head: StartHead,
) -> Result<String, tonic::Status> {
    let json = serde_json::to_vec(&bundle(source)).unwrap();
    let chunks = proto::bundle::start(head, &json);
    Ok(control
        .start(tokio_stream::iter(chunks))
        .await?
        .into_inner()
        .run)
}

/// Asks for a run's end; true if it was running.
pub(crate) async fn stop(
    control: &mut ControlClient<Channel>,
    run: &str,
    mode: v1::StopMode,
) -> bool {
    let request = v1::StopRequest {
        run: run.to_owned(),
        mode: mode.into(),
        reason: String::new(),
    };
    let reply = control.stop(request).await.unwrap();
    reply.into_inner().was_running
}

/// Until this much of a run is over.
pub(crate) async fn sleep_until(t0: u64, run_ns: u64) {
    let wait = (t0 + run_ns).saturating_sub(clock::now());
    tokio::time::sleep(Duration::from_nanos(wait)).await;
}

/// Watches a run to its end.
pub(crate) struct Watch {
    stream: Streaming<v1::RunEvent>,
    pub(crate) states: Vec<String>,
    pub(crate) logs: Vec<String>,
    /// The newest view.
    pub(crate) view: Option<v1::View>,
    /// The points as told so far, by where they begin.
    pub(crate) points: BTreeMap<i64, v1::Second>,
}

impl Watch {
    pub(crate) async fn of(control: &mut ControlClient<Channel>, run: &str) -> Watch {
        let request = v1::WatchRequest {
            run: run.to_owned(),
        };
        let stream = control.watch(request).await.unwrap().into_inner();
        Watch {
            stream,
            states: Vec::new(),
            logs: Vec::new(),
            view: None,
            points: BTreeMap::new(),
        }
    }

    /// Takes one event.
    pub(crate) async fn step(&mut self) {
        assert!(self.next().await.is_some(), "the run's events ended");
    }

    async fn next(&mut self) -> Option<Event> {
        let event = patiently("an event", self.stream.message())
            .await
            .unwrap()?;
        match event.event.as_ref().unwrap() {
            Event::State(state) => self.states.push(
                state
                    .state()
                    .as_str_name()
                    .trim_start_matches("STATE_")
                    .to_lowercase(),
            ),
            Event::Log(line) => self.logs.push(line.text.clone()),
            Event::View(view) => self.view = Some(view.clone()),
            Event::Seconds(seconds) => {
                if seconds.all {
                    self.points.clear();
                }
                let begin = |point: &v1::Second| point.span.unwrap().from_ns;
                let points = seconds.points.iter();
                self.points
                    .extend(points.map(|point| (begin(point), *point)));
            }
            Event::Progress(_) | Event::Over(_) => {}
        }
        event.event
    }

    /// Takes events until this is so.
    pub(crate) async fn until_so(&mut self, so: impl Fn(&Watch) -> bool) {
        while !so(self) {
            self.step().await;
        }
    }

    pub(crate) async fn until(&mut self, state: &str) {
        while self.states.last().is_none_or(|last| last != state) {
            assert!(
                self.next().await.is_some(),
                "the run ended before {state}: {:?}",
                self.states
            );
        }
    }

    /// Until somebody logs this.
    pub(crate) async fn log(&mut self, text: &str) {
        while !self.logs.iter().any(|line| line.contains(text)) {
            self.step().await;
        }
    }

    pub(crate) async fn over(&mut self) -> (Report, v1::RunOver) {
        loop {
            if let Event::Over(over) = self
                .next()
                .await
                .expect("the stream ended without an end of the run")
            {
                let report = serde_json::from_slice(&over.report).unwrap();
                return (report, over);
            }
        }
    }
}
