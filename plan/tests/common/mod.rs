//! What several tests need: a bundle of a text, its plan, a request of that.

use throng_plan::*;

pub(crate) fn bundle(source: &str) -> Bundle {
    Bundle {
        name: "t.yaml".to_owned(),
        source: source.to_owned(),
        ..Bundle::default()
    }
}

pub(crate) fn plan(source: &str) -> Plan {
    compiled(&bundle(source))
}

pub(crate) fn compiled(bundle: &Bundle) -> Plan {
    match compile(bundle) {
        Ok(plan) => plan,
        Err(diagnostics) => panic!("{diagnostics}"),
    }
}

/// The i-th request of the first flow, groups entered.
pub(crate) fn request(plan: &Plan, i: usize) -> Request {
    fn walk<'a>(steps: &'a [Step], found: &mut Vec<&'a Request>) {
        for step in steps {
            match step {
                Step::Request(request) => found.push(request),
                Step::Group { steps, .. } | Step::Each { steps, .. } => walk(steps, found),
                Step::Let(_) | Step::Sleep { .. } | Step::Stop { .. } | Step::Give(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&plan.flows[0].steps, &mut found);
    found[i].clone()
}
