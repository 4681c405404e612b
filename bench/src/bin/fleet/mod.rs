//! A controller whose run makes load, and agents that are there only as what they say: for programs that measure it.

use controller::active::Order;
use controller::director::{Director, Input};
use controller::link::{Link, Outgoing};
use controller::run::Needs;
use controller::weights::Weights;
use controller::{clock, service_fleet};
use metrics::{Digits, Interval, Kind, Metric, Series, Tags, Trend, Value};
use plan::{Bundle, Overrides};
use proto::v1::{self, from_agent::Message as From};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A second, in nanoseconds.
pub(crate) const S: u64 = 1_000_000_000;
const SCENARIO: &str = "
scenarios:
  load: { executor: constant-vus, vus: 1000, duration: 10h, exec: default }
flows:
  default: [{ get: 'http://h/' }]
";

/// What each agent measures in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Series, each of requests with all their phases.
    pub(crate) series: usize,
    /// Steps that they belong to.
    pub(crate) steps: usize,
    /// Requests in each.
    pub(crate) samples: u64,
}

/// A controller whose run makes load, and what it was told.
pub(crate) struct Crowd {
    pub(crate) director: Director,
    pub(crate) run: String,
    pub(crate) now: u64,
    agents: Vec<Agent>,
}

struct Agent {
    id: u64,
    link: Arc<Link>,
    // Held, for its end would end the agent's part.
    _stream: mpsc::Receiver<Outgoing>,
}

impl Crowd {
    /// Agents come, a run is ordered, and its load begins.
    pub(crate) fn begin(director: Director, now: u64, seats: u32) -> Result<Self, String> {
        let mut crowd = Self {
            director,
            run: String::new(),
            now,
            agents: Vec::new(),
        };
        for seat in 0..seats {
            crowd.hello(seat)?;
        }
        let order = order(seats)?;
        let digest = order.plan.digest().to_vec();
        let started = crowd.ask(|reply| Input::Start(Box::new(order), true, reply))?;
        crowd.run = started.map_err(|refusal| format!("{refusal:?}"))?.run;
        for seat in 0..seats {
            let prepared = v1::Prepared {
                run: crowd.run.clone(),
                epoch: 1,
                digest: digest.clone(),
                ..v1::Prepared::default()
            };
            crowd.say(seat, From::Prepared(prepared));
        }
        // T0 comes.
        crowd.go_by(S);
        crowd.director.tick(crowd.now);
        crowd.director.write(crowd.now);
        let active = crowd.director.active();
        active
            .is_some_and(|active| active.t0.is_some())
            .then_some(crowd)
            .ok_or_else(|| "the run did not begin".to_owned())
    }

    fn hello(&mut self, seat: u32) -> Result<(), String> {
        let (outbox, stream) = mpsc::channel(1 << 14);
        let link = Arc::new(Link::behind(Some(outbox), self.now, self.director.gate()));
        let hello = v1::Hello {
            name: format!("agent-{seat}"),
            incarnation: u64::from(seat) + 1,
            ..v1::Hello::default()
        };
        let (said, connection) = (link.clone(), u64::from(seat));
        let id = self.ask(|reply| Input::Hello(Box::new(hello), said, connection, reply))?;
        self.agents.push(Agent {
            id: id.ok_or("an agent was refused")?,
            link,
            _stream: stream,
        });
        Ok(())
    }

    /// Asks the director, and takes its answer.
    pub(crate) fn ask<T>(
        &mut self,
        input: impl FnOnce(oneshot::Sender<T>) -> Input,
    ) -> Result<T, String> {
        let (reply, mut answer) = oneshot::channel();
        self.director.take(self.now, input(reply));
        self.director.write(self.now);
        answer.try_recv().map_err(|error| error.to_string())
    }

    /// A seat's agent says something.
    pub(crate) fn say(&mut self, seat: u32, message: From) {
        let agent = &self.agents[seat as usize];
        let (connection, now) = (u64::from(seat), self.now);
        if let Some(input) = service_fleet::input(&agent.link, connection, agent.id, message, now) {
            self.director.take(now, input);
        }
    }

    /// So much time goes by, in which nobody's lease ends.
    pub(crate) fn go_by(&mut self, by: u64) {
        self.now += by;
        for agent in &self.agents {
            let _ = agent.link.answer(0, self.now);
        }
    }
}

/// What a seat's agent measures in a second.
pub(crate) fn interval(shape: Shape, seat: u32, sequence: u64) -> Interval {
    let second = i64::try_from(sequence).unwrap_or(0) * S as i64;
    Interval {
        agent: seat,
        incarnation: u64::from(seat) + 1,
        sequence,
        from: second,
        to: second + S as i64,
        series: (0..shape.series)
            .map(|series| requests(shape, series, u64::from(seat) + sequence))
            .collect(),
    }
}

/// What a second of one kind of request comes to.
fn requests(shape: Shape, series: usize, salt: u64) -> Series {
    let (step, group) = (series % shape.steps, series / shape.steps);
    let name = format!("/api/concerts/{{{{ id }}}}/schedules/{step}");
    let group = match group {
        0 => String::new(),
        group => format!("::{group}"),
    };
    let tags = [
        ("expected_response", "true"),
        ("group", &group),
        ("method", "GET"),
        ("name", &name),
        ("proto", "HTTP/1.1"),
        ("scenario", "load"),
        ("status", "200"),
    ];
    let tags = tags
        .into_iter()
        .fold(Tags::default(), |tags, (name, value)| {
            tags.with(name, value)
        });
    let mut random = (series as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
    let mut trend = |digits: Digits, about: u64| {
        let mut trend = Trend::new(digits);
        for _ in 0..shape.samples {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            trend.record(about / 2 + (random >> 33) % about);
        }
        Value::trend(trend)
    };
    let mut values = vec![
        (Metric::HttpReqs, Value::counter(shape.samples as f64)),
        (Metric::HttpReqFailed, Value::rate(0, shape.samples)),
    ];
    let times = [
        (Metric::HttpReqDuration, 20_000_000),
        (Metric::HttpReqBlocked, 20_000),
        (Metric::HttpReqConnecting, 200_000),
        (Metric::HttpReqTlsHandshaking, 1_000_000),
        (Metric::HttpReqSending, 30_000),
        (Metric::HttpReqWaiting, 19_000_000),
        (Metric::HttpReqReceiving, 200_000),
    ];
    for (metric, about) in times {
        debug_assert_eq!(metric.kind(), Kind::Trend);
        values.push((metric, trend(metric.resolution(), about)));
    }
    Series { tags, values }
}

fn order(seats: u32) -> Result<Order, String> {
    let bundle = Bundle {
        name: "large.yaml".to_owned(),
        source: SCENARIO.to_owned(),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        overrides: Overrides::default(),
        seed: 1,
    };
    let plan = plan::compile(&bundle).map_err(|wrong| wrong.render(false))?;
    Ok(Order {
        id: String::new(),
        name: bundle.name.clone(),
        seed: bundle.seed,
        unix_ms: clock::unix_ms(),
        bundle: serde_json::to_vec(&bundle).map_err(|error| error.to_string())?,
        plan,
        needs: Needs {
            expect: seats,
            min: 0,
            wait: S,
            preflight: false,
            on_loss: Default::default(),
        },
        weights: Weights::Equal,
    })
}
