//! Changes of a run reach its crew, also over a line that broke, the newest once.

use super::*;
use plan::Control;

fn versions() -> [To; 3] {
    let first = Control::default().pause(1).unwrap();
    let second = first.resume(2).unwrap();
    let third = second.pause(3).unwrap();
    [first, second, third].map(|control| To::Desired(proto::control::to_wire("r", &control)))
}

#[test]
fn the_newest_change_counts_however_often_and_in_whatever_order_they_come() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        let [first, second, third] = versions();
        let elsewhere = Control::default().pause(1).unwrap();
        line.send(To::Desired(proto::control::to_wire("s", &elsewhere)))
            .await;
        for message in [second.clone(), first.clone(), second.clone()] {
            line.send(message).await;
        }
        assert_eq!(
            crew.told().await,
            Told::Change(2),
            "of this run, the newest"
        );
        let confirmed = line.heartbeat.wait_for(|beat| beat.desired_version == 2);
        soon("a confirmation", confirmed).await.unwrap();

        drop(line);
        let mut line = controller.welcome(LONG).await;
        for message in [second, third, first] {
            line.send(message).await;
        }
        assert_eq!(crew.told().await, Told::Change(3), "after a new line, too");
        let confirmed = line.heartbeat.wait_for(|beat| beat.desired_version == 3);
        soon("a confirmation", confirmed).await.unwrap();

        crew.reports
            .send(Report::Finished { interrupted: false })
            .unwrap();
        loop {
            if let From::Done(_) = line.next().await {
                break;
            }
        }
        let closed = RunClosed {
            run: "r".to_owned(),
        };
        line.send(To::Closed(closed)).await;
        let forgotten = line.heartbeat.wait_for(|beat| beat.run.is_empty());
        let beat = soon("an idle heartbeat", forgotten).await.unwrap().clone();
        assert_eq!(beat.desired_version, 0, "the next run begins unchanged");
        go_home(agent, &line).await;
    });
}

#[test]
fn changes_that_make_no_sense_are_not_made() {
    story(async {
        let mut controller = Controller::start().await;
        let mut agent = Agent::start(&controller.url, Duration::from_secs(10));
        let mut line = controller.welcome(LONG).await;
        let mut crew = load(&mut agent, &mut line).await;
        let [_, sound, _] = versions();
        let To::Desired(mut nonsense) = sound.clone() else {
            panic!("no change")
        };
        nonsense.pauses[0].to_ns = Some(0);
        line.send(To::Desired(nonsense)).await;
        line.send(sound).await;
        assert_eq!(crew.told().await, Told::Change(2));
        go_home(agent, &line).await;
    });
}
