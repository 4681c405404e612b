//! Connections that are refused, break or fall silent, and leases that run out.

use super::*;
use std::sync::atomic::Ordering;

#[test]
fn within_the_lease_a_new_connection_gets_what_was_not_acknowledged_again() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let crew = load(&mut agent, &mut line).await;
        for second in 0..3 {
            crew.reports.send(seen(second, 5.0)).unwrap();
        }
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.push(interval(&mut line).await);
        }
        crew.reports
            .send(Report::WantIterations {
                scenario: 0,
                want: 4,
            })
            .unwrap();
        assert!(matches!(line.next().await, From::LeaseRequest(_)));
        line.send(ack(0)).await;
        drop(line);
        crew.reports.send(seen(3, 5.0)).unwrap();

        let (mut line, hello) = controller.hello().await;
        assert_eq!((hello.incarnation, hello.name.as_str()), (42, "a"));
        let welcome = proto::v1::Welcome {
            lease_ms: LONG,
            heartbeat_ms: 50,
            ..Default::default()
        };
        line.send(To::Welcome(welcome)).await;
        assert!(
            matches!(line.next().await, From::LeaseRequest(request) if request.want == 4),
            "a wish may have been lost"
        );
        assert_eq!(interval(&mut line).await, sent[1]);
        assert_eq!(interval(&mut line).await, sent[2]);
        assert_eq!(interval(&mut line).await.sequence, 3);
        assert!(crew.job.fence.is_open());
        // A controller that did not hear it asks again.
        line.send(To::Go(Go {
            run: "r".to_owned(),
            t0_ns: 0,
        }))
        .await;
        assert!(matches!(line.next().await, From::Started(_)));
        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        assert!(matches!(line.next().await, From::Done(done) if done.intervals == 4));
        drop(line);
        // It is not known whether that was heard.
        let mut line = controller.welcome(LONG).await;
        for sequence in 1..4 {
            assert_eq!(interval(&mut line).await.sequence, sequence);
        }
        assert!(matches!(line.next().await, From::Done(done) if done.intervals == 4));
        go_home(agent, &line).await;
    });
}

#[test]
fn when_the_lease_is_over_load_is_cut_for_good_and_what_was_seen_still_counts() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(1_500).await;
        let mut crew = load(&mut agent, &mut line).await;
        let newest = line.heartbeat.borrow().sent_ns;
        assert!(
            crew.job.fence.until() >= newest,
            "a lease reaches beyond the newest heartbeat"
        );
        line.answers.store(false, Ordering::SeqCst);
        assert_eq!(crew.told().await, Told::Stop(StopHow::Interrupt));
        let last_heard = line.heartbeat.borrow().sent_ns;
        assert!(!crew.job.fence.is_open());
        drop(line);

        crew.reports.send(seen(0, 5.0)).unwrap();
        let mut line = loop {
            // Those that were made while nobody answered are of no use any more.
            let line = controller.welcome(1_500).await;
            if soon("a heartbeat", async {
                line.heartbeat.clone().changed().await.is_ok()
            })
            .await
            {
                break line;
            }
        };
        assert!(line.heartbeat.borrow().sent_ns > last_heard);
        assert_eq!(interval(&mut line).await.sequence, 0);
        assert!(
            !crew.job.fence.is_open(),
            "what was shut stays shut, whoever answers now"
        );
        crew.reports
            .send(Report::Finished { interrupted: true })
            .unwrap();
        let From::Done(done) = line.next().await else {
            panic!("not done")
        };
        assert!(done.interrupted);
        go_home(agent, &line).await;
    });
}

#[test]
fn who_is_idle_leaves_at_once_even_if_the_controller_is_deaf() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        soon("a heartbeat", line.heartbeat.changed()).await.unwrap();
        let Agent {
            shutdown, ended, ..
        } = agent;
        shutdown.send(()).unwrap();
        assert!(matches!(line.next().await, From::Leave(_)));
        // The line stays open from this side.
        assert_eq!(
            soon("the end", ended).await.unwrap().unwrap(),
            Ended::ShutDown
        );
    });
}

#[test]
fn a_refusal_is_told_with_both_versions_and_ends_the_agent() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_secs(10));
        let (line, _) = controller.hello().await;
        let reason = "this controller speaks version 9 of the wire".to_owned();
        line.send(To::Refused(Refused {
            reason,
            retry: false,
        }))
        .await;
        let error = agent.ended().await.unwrap_err().to_string();
        let ours = format!("version {} of the wire", proto::PROTOCOL);
        assert!(
            error.contains("version 9 of the wire") && error.contains(&ours),
            "{error}"
        );
        assert!(error.contains(&controller.url), "{error}");
    });
}

#[test]
fn who_may_come_later_tries_until_it_gives_up() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_millis(1_500));
        for _ in 0..2 {
            let (line, _) = controller.hello().await;
            let reason = "the fleet is full".to_owned();
            line.send(To::Refused(Refused {
                reason,
                retry: true,
            }))
            .await;
        }
        let error = agent.ended().await.unwrap_err();
        assert!(
            matches!(&error, Error::Refused { reason, .. } if reason == "the fleet is full"),
            "{error}"
        );
    });
}

#[test]
fn nobody_there_is_told_with_where_how_long_and_why() {
    story(async {
        // A port that was free a moment ago.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let agent = Agent::start(&url, Duration::from_millis(200));
        let error = agent.ended().await.unwrap_err();
        let Error::Unreachable {
            address,
            tried,
            cause,
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!(address, &url);
        assert!(*tried >= Duration::from_millis(200));
        assert!(cause.contains("refused"), "{cause}");
    });
}

#[test]
fn what_is_no_controller_is_called_so() {
    story(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let page =
                    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, page).await;
            }
        });
        let agent = Agent::start(&url, Duration::from_millis(200));
        let error = agent.ended().await.unwrap_err().to_string();
        assert!(
            error.contains("does not answer as a throng controller"),
            "{error}"
        );
        server.abort();
    });
}

#[test]
fn an_idle_agent_dials_again_and_silence_is_a_broken_line() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_secs(10));
        drop(controller.welcome(LONG).await);
        let line = controller.welcome(200).await;
        line.answers.store(false, Ordering::SeqCst);
        let next = controller.welcome(LONG).await;
        drop(line);
        go_home(agent, &next).await;
    });
}

#[test]
fn several_agents_live_in_one_process_and_share_nothing() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agents = Vec::new();
        let mut lines = Vec::new();
        let mut lives = Vec::new();
        let mut known = Vec::new();
        for name in ["local-1", "local-2"] {
            let enlisted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let config = Config {
                controller: controller.url.clone(),
                name: name.to_owned(),
                labels: Default::default(),
                workers: 1,
                give_up: Duration::from_secs(10),
                drain: DRAIN,
                access: Access::default(),
                bounds: Bounds::default(),
                enlisted: enlisted.clone(),
                glance: None,
                spool: None,
            };
            let (stop, stopped) = oneshot::channel::<()>();
            let shutdown = async move {
                let _ = stopped.await;
            };
            agents.push((stop, tokio::spawn(crate::run(config, shutdown))));
            let (mut line, hello) = controller.hello().await;
            assert_eq!(
                (hello.name.as_str(), hello.workers, hello.protocol),
                (name, 1, proto::PROTOCOL)
            );
            assert!(hello.cores > 0 && hello.pid == std::process::id());
            let welcome = proto::v1::Welcome {
                lease_ms: LONG,
                heartbeat_ms: 50,
                ..Default::default()
            };
            line.send(To::Welcome(welcome)).await;
            soon("a heartbeat", line.heartbeat.changed()).await.unwrap();
            assert!(enlisted.load(Ordering::Relaxed), "it is in a fleet");
            known.push(enlisted);
            lines.push(line);
            lives.push(hello.incarnation);
        }
        assert_ne!(lives[0], lives[1]);
        for (stop, agent) in agents {
            stop.send(()).unwrap();
            assert_eq!(
                soon("the end", agent).await.unwrap().unwrap(),
                Ended::ShutDown
            );
            let mut line = lines.remove(0);
            assert!(matches!(line.next().await, From::Leave(_)));
        }
        for enlisted in known {
            assert!(!enlisted.load(Ordering::Relaxed), "it has left");
        }
    });
}

#[test]
fn who_comes_when_the_controller_is_closing_goes_home() {
    story(async {
        let mut controller = Controller::start().await;
        let agent = Agent::start(&controller.url, Duration::from_secs(10));
        let (line, _) = controller.hello().await;
        go_home(agent, &line).await;
    });
}
