//! Runs from their bundle to their end, on a line that holds.

use super::*;

#[test]
fn a_run_from_hello_to_goodbye() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        let job = &crew.job;
        assert_eq!(
            (
                job.seat,
                job.shares.seats(),
                job.workers,
                job.plan.flows.len()
            ),
            (1, 3, 2, 1)
        );
        assert!(job.fence.is_open());

        let mine = |heartbeat: &proto::v1::Heartbeat| {
            heartbeat.run == "r" && heartbeat.rtt_ns > 0 && heartbeat.vus == 3
        };
        let heartbeat = soon("a heartbeat", line.heartbeat.wait_for(mine))
            .await
            .unwrap()
            .clone();
        let off = heartbeat.offset_ns.abs_diff(i64::try_from(AHEAD).unwrap());
        assert!(
            off <= heartbeat.rtt_ns.div_ceil(2),
            "off by {off} ns at {} ns",
            heartbeat.rtt_ns
        );
        assert_eq!(
            (heartbeat.totals[0].begun, heartbeat.health.unwrap().cpu),
            (7, Some(0.5))
        );
        for line in [
            "throng_agent_connected 1",
            "throng_agent_run_info{run=\"r\"} 1",
            "throng_agent_iterations_begun_total{scenario=\"default\"} 7",
            "throng_agent_cpu_cores 0.5",
            "throng_agent_busy_vus 3",
        ] {
            agent.shows(line).await;
        }
        assert!(
            agent
                .glance
                .text()
                .contains("throng_agent_lease_left_seconds ")
        );

        crew.reports
            .send(Report::WantIterations {
                scenario: 0,
                want: 9,
            })
            .unwrap();
        let From::LeaseRequest(request) = line.next().await else {
            panic!("no request")
        };
        assert_eq!(
            (
                request.run.as_str(),
                request.scenario,
                request.want,
                request.epoch
            ),
            ("r", 0, 9, 1)
        );
        line.send(To::Grant(Grant {
            run: "r".to_owned(),
            scenario: 0,
            from: 3,
            to: 8,
            last: true,
        }))
        .await;
        assert_eq!(crew.told().await, Told::Grant(0, 3..8, true));

        crew.reports.send(seen(0, 5.0)).unwrap();
        let first = interval(&mut line).await;
        assert_eq!(
            (
                first.run.as_str(),
                first.agent,
                first.incarnation,
                first.sequence
            ),
            ("r", 1, 42, 0)
        );
        assert_eq!((first.from_ns, first.to_ns), (0, SECOND));
        let log = LogLine {
            text: "no seat left".to_owned(),
            count: 2,
            ..LogLine::default()
        };
        crew.reports
            .send(Report::Lines {
                lines: vec![log.clone()],
                suppressed: 1,
            })
            .unwrap();
        let From::Log(lines) = line.next().await else {
            panic!("no lines")
        };
        assert_eq!(
            (lines.run.as_str(), lines.lines, lines.suppressed),
            ("r", vec![log], 1)
        );

        crew.reports.send(seen(1, 6.0)).unwrap();
        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        assert_eq!(interval(&mut line).await.sequence, 1);
        let From::Done(done) = line.next().await else {
            panic!("not done")
        };
        assert_eq!(
            (done.intervals, done.interrupted, done.totals[0].begun),
            (2, false, 7)
        );
        assert_eq!(crew.told().await, Told::Dropped);
        line.send(ack(1)).await;
        line.send(closed()).await;
        soon(
            "idleness",
            line.heartbeat
                .wait_for(|heartbeat| heartbeat.run.is_empty()),
        )
        .await
        .unwrap();
        go_home(agent, &line).await;
    });
}

#[test]
fn stops_are_passed_on_and_the_run_ends_with_what_was_seen() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        for (run, mode) in [
            ("another", StopMode::StopInterrupt),
            ("r", StopMode::StopGraceful),
            ("r", StopMode::StopInterrupt),
        ] {
            let stop = StopRun {
                run: run.to_owned(),
                mode: mode.into(),
                reason: String::new(),
                only_you: false,
            };
            line.send(To::Stop(stop)).await;
        }
        assert_eq!(crew.told().await, Told::Stop(StopHow::Graceful));
        assert_eq!(crew.told().await, Told::Stop(StopHow::Interrupt));
        crew.reports.send(seen(0, 1.0)).unwrap();
        crew.reports
            .send(Report::Finished { interrupted: true })
            .unwrap();
        assert_eq!(interval(&mut line).await.sequence, 0);
        assert!(matches!(line.next().await, From::Done(done) if done.interrupted));
        go_home(agent, &line).await;
    });
}

#[test]
fn a_closed_run_is_forgotten_and_the_next_one_begins_afresh() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        line.send(closed()).await;
        assert_eq!(crew.told().await, Told::Dropped);
        assert!(!crew.job.fence.is_open());
        let again = load(&mut agent, &mut line).await;
        assert!(again.job.fence.is_open());
        again.reports.send(seen(0, 1.0)).unwrap();
        assert_eq!(interval(&mut line).await.sequence, 0);
        go_home(agent, &line).await;
    });
}

#[test]
fn who_is_told_to_end_asks_to_hand_over_then_finishes_and_takes_its_leave() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        let Agent {
            shutdown, ended, ..
        } = agent;
        shutdown.send(()).unwrap();
        assert!(matches!(line.next().await, From::Drain(drain) if drain.run == "r"));
        // It may not have been heard on a line that broke.
        drop(line);
        let mut line = controller.welcome(LONG).await;
        assert!(matches!(line.next().await, From::Drain(drain) if drain.run == "r"));
        // Nobody takes the share over.
        assert_eq!(crew.told().await, Told::Stop(StopHow::Graceful));
        assert_eq!(crew.told().await, Told::Stop(StopHow::Interrupt));
        crew.reports.send(seen(0, 1.0)).unwrap();
        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        assert_eq!(interval(&mut line).await.sequence, 0);
        assert!(matches!(line.next().await, From::Done(_)));
        line.send(ack(0)).await;
        assert!(matches!(line.next().await, From::Leave(_)));
        line.ends().await;
        drop(line);
        assert_eq!(
            soon("the end", ended).await.unwrap().unwrap(),
            Ended::ShutDown
        );
    });
}

#[test]
fn whose_starter_is_gone_cuts_everything() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        let Agent {
            shutdown, ended, ..
        } = agent;
        drop(shutdown);
        assert_eq!(crew.told().await, Told::Dropped);
        assert_eq!(
            soon("the end", ended).await.unwrap().unwrap(),
            Ended::ShutDown
        );
    });
}

#[test]
fn what_hinders_is_said_with_its_kind() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let answer = assign(&mut line, "x", 1, "flows: 3").await;
        assert_eq!(answer.problem_kind(), ProblemKind::ProblemCompile);
        assert!(answer.problem.contains("s.yaml"), "{}", answer.problem);
        *agent.load.target.lock().unwrap() = Some("connection refused".to_owned());
        let answer = assign(&mut line, "y", 1, &sound()).await;
        assert_eq!(
            (answer.problem_kind(), answer.problem.as_str()),
            (ProblemKind::ProblemTarget, "connection refused")
        );
        *agent.load.target.lock().unwrap() = None;
        *agent.load.machine.lock().unwrap() = Some("too many open files".to_owned());
        let answer = assign(&mut line, "r", 1, &sound()).await;
        assert_eq!(answer.problem, "");
        line.send(To::Go(Go {
            run: "r".to_owned(),
            t0_ns: AHEAD,
        }))
        .await;
        let From::Log(log) = line.next().await else {
            panic!("not a word")
        };
        assert_eq!(
            log.lines[0].text,
            "this agent cannot start its workers: too many open files"
        );
        assert!(
            matches!(line.next().await, From::Done(done) if done.interrupted && done.intervals == 0)
        );
        line.send(closed()).await;
        *agent.load.machine.lock().unwrap() = None;
        load(&mut agent, &mut line).await;
        go_home(agent, &line).await;
    });
}

#[test]
fn workers_that_break_off_end_the_part_aloud() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let Mustered { reports, .. } = load(&mut agent, &mut line).await;
        drop(reports);
        let From::Log(log) = line.next().await else {
            panic!("not a word")
        };
        assert!(log.lines[0].text.contains("broke off"));
        assert!(matches!(line.next().await, From::Done(done) if done.interrupted));
        go_home(agent, &line).await;
    });
}

#[test]
fn a_controller_that_does_not_read_is_still_obeyed_and_costs_bounded_memory() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        line.reads.send_replace(false);
        // Far more than the windows of the connection hold.
        let tag = "x".repeat(4_000);
        for second in 0..500 {
            let series = (0..10)
                .map(|i| Series {
                    tags: Tags::default().with("name", &format!("{i}{tag}")),
                    values: vec![(Metric::HttpReqs, Value::counter(1.0))],
                })
                .collect();
            let (from, to) = (second * SECOND, (second + 1) * SECOND);
            crew.reports
                .send(Report::Interval { from, to, series })
                .unwrap();
        }
        let stop = StopRun {
            run: "r".to_owned(),
            mode: StopMode::StopInterrupt.into(),
            reason: String::new(),
            only_you: false,
        };
        line.send(To::Stop(stop)).await;
        assert_eq!(crew.told().await, Told::Stop(StopHow::Interrupt));
        crew.reports
            .send(Report::Finished { interrupted: true })
            .unwrap();
        assert_eq!(crew.told().await, Told::Dropped);
        line.reads.send_replace(true);
        let (mut requests, mut until, mut intervals) = (0.0, 0, 0);
        let done = loop {
            match line.next().await {
                From::Interval(interval) => {
                    assert_eq!((interval.sequence, interval.from_ns), (intervals, until));
                    line.send(ack(interval.sequence)).await;
                    intervals += 1;
                    until = interval.to_ns;
                    let seen = proto::convert::from_wire(&interval).unwrap();
                    requests += seen
                        .series
                        .iter()
                        .map(|one| match one.values[0].1 {
                            Value::Counter(sum) => sum,
                            _ => 0.0,
                        })
                        .sum::<f64>();
                }
                From::Done(done) => break done,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            (done.intervals, until, requests),
            (intervals, 500 * SECOND, 5_000.0)
        );
        assert!(intervals <= 200, "{intervals} of 500 came one by one");
        go_home(agent, &line).await;
    });
}
