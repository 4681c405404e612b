//! Every target, for a bounded while: what CI tries each time.
#![expect(clippy::unwrap_used, reason = "tests")]

use throng_fuzz::{ALL, Shape, Target, driver};

fn target(name: &str) -> Target {
    ALL.into_iter().find(|target| target.name == name).unwrap()
}

fn holds(name: &str, inputs: u64, kinds: usize) {
    let tried = driver::drive(target(name), 1, |tried| tried < inputs);
    let broke = tried.broke.as_deref().map(String::from_utf8_lossy);
    assert_eq!(broke, None);
    // So that a driver that tries nothing new is noticed.
    assert!(
        tried.kinds >= kinds,
        "only {} kinds of answers",
        tried.kinds
    );
}

#[test]
fn any_text_is_a_plan_or_a_list_of_what_is_wrong() {
    holds("plan", 1_500, 100);
}

#[test]
fn any_bytes_are_a_histogram_or_refused() {
    holds("histogram", 20_000, 5);
}

#[test]
fn any_bytes_are_an_interval_or_refused() {
    holds("interval", 20_000, 5);
}

#[test]
fn any_bytes_are_a_segment_cut_where_it_is_torn() {
    holds("segment", 20_000, 5);
}

#[test]
fn any_bytes_of_a_stranger_are_somebody_or_refused() {
    holds("identity", 5_000, 5);
}

#[test]
fn any_bytes_are_a_checkpoints_data_or_refused() {
    holds("checkpoint", 20_000, 5);
}

#[test]
fn whatever_a_controller_says_the_agent_goes_on_or_ends_in_order() {
    holds("controller", 5_000, 10);
}

#[test]
fn whatever_agents_say_the_director_goes_on() {
    holds("agents", 3_000, 5);
}

#[test]
fn any_bytes_are_a_bundle_that_compiles_or_what_is_wrong_with_it() {
    holds("bundle", 2_000, 20);
}

#[test]
fn any_pieces_are_a_bundle_or_refused() {
    holds("chunks", 10_000, 5);
}

#[test]
fn any_text_is_a_key_a_certificate_a_book_a_report_or_refused() {
    holds("files", 5_000, 20);
}

#[test]
fn any_transcript_is_a_report_or_refused() {
    holds("transcript", 2_000, 4);
}

#[test]
fn any_directory_of_a_run_is_gone_on_with_or_refused() {
    holds("resume", 500, 2);
}

#[test]
fn whatever_a_target_answers_the_request_ends() {
    holds("answer", 3_000, 10);
}

#[test]
fn whatever_is_asked_of_the_page_it_answers_and_nothing_breaks() {
    holds("page", 1_500, 20);
}

/// A target whose good input is refused would try nothing but refusals.
#[test]
fn every_target_has_good_input_and_a_test() {
    let tests = include_str!("targets.rs");
    for target in ALL {
        assert!(!(target.seeds)().is_empty(), "{}", target.name);
        let tried = format!("holds(\"{}\", ", target.name);
        assert!(tests.contains(&tried), "{} is not tried", target.name);
    }
    let state = |bytes: &Vec<u8>| throng_fuzz::disk::resume(bytes);
    let good: Vec<u64> = (target("resume").seeds)().iter().map(state).collect();
    let refused = throng_fuzz::disk::resume(&[]);
    assert!(good.len() == 3 && !good.contains(&refused), "{good:?}");
}

#[test]
fn a_panic_is_found_and_its_input_kept() {
    let broken = Target {
        name: "broken",
        run: |bytes| {
            assert!(bytes.first() != Some(&b'!'), "found");
            bytes.first().copied().unwrap_or(0).into()
        },
        seeds: || vec![b"a".to_vec()],
        words: &["!"],
        shape: Shape::Bytes,
    };
    let tried = driver::drive(broken, 1, |tried| tried < 10_000);
    assert_eq!(
        tried.broke.and_then(|input| input.first().copied()),
        Some(b'!')
    );
}
