//! Between the wire's form of what was changed in a run and that of `plan`. Checks what a broken peer could get wrong.

use crate::v1;
use plan::{Change, Control, ControlError, Pause, Scale};

/// The wire's form of a run's changes.
#[must_use]
pub fn to_wire(run: &str, control: &Control) -> v1::Desired {
    v1::Desired {
        run: run.to_owned(),
        version: control.version(),
        pauses: control
            .pauses()
            .iter()
            .map(|pause| v1::PauseSpan {
                from_ns: pause.from,
                to_ns: pause.to,
            })
            .collect(),
        scales: control
            .scales()
            .iter()
            .map(|scale| v1::ScaleChange {
                // A plan has far fewer scenarios.
                scenario: u32::try_from(scale.scenario).unwrap_or(u32::MAX),
                from_ns: scale.from,
                change: Some(match scale.change {
                    Change::Factor(factor) => v1::scale_change::Change::Factor(factor),
                    Change::Vus(vus) => v1::scale_change::Change::Vus(vus),
                    Change::Rate(rate) => v1::scale_change::Change::Rate(rate),
                }),
            })
            .collect(),
    }
}

/// The changes of a message.
///
/// # Errors
/// When they could not have come from a sound controller.
pub fn from_wire(wire: &v1::Desired) -> Result<Control, ControlError> {
    let pauses = wire.pauses.iter().map(|pause| Pause {
        from: pause.from_ns,
        to: pause.to_ns,
    });
    let scales = wire.scales.iter().map(|scale| {
        let change = match scale.change {
            Some(v1::scale_change::Change::Factor(factor)) => Change::Factor(factor),
            Some(v1::scale_change::Change::Vus(vus)) => Change::Vus(vus),
            Some(v1::scale_change::Change::Rate(rate)) => Change::Rate(rate),
            None => return Err(ControlError("a scale of nothing".to_owned())),
        };
        Ok(Scale {
            scenario: scale.scenario as usize,
            from: scale.from_ns,
            change,
        })
    });
    Control::new(
        wire.version,
        pauses.collect(),
        scales.collect::<Result<_, _>>()?,
    )
}

#[cfg(test)]
mod tests {
    use super::{from_wire, to_wire};
    use plan::{Change, Control, Scale};

    #[test]
    fn changes_come_back_the_same() {
        let mut control = Control::default();
        for (from, change) in [
            (1, Change::Factor(1500)),
            (2, Change::Vus(7)),
            (2, Change::Rate(9)),
        ] {
            let scale = Scale {
                scenario: 2,
                from,
                change,
            };
            control = control.scale(scale).expect("in order");
        }
        for at in [10, 30] {
            assert_eq!(from_wire(&to_wire("r", &control)), Ok(control.clone()));
            control = control.pause(at).expect("not paused");
            assert_eq!(from_wire(&to_wire("r", &control)), Ok(control.clone()));
            control = control.resume(at + 5).expect("paused");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let sound = Control::default().pause(10).expect("not paused");
        let sound = to_wire("r", &sound);
        let mut backwards = sound.clone();
        backwards.pauses[0].to_ns = Some(9);
        let mut twice = sound.clone();
        twice.pauses.push(twice.pauses[0]);
        let mut nothing = sound.clone();
        nothing.scales.push(crate::v1::ScaleChange::default());
        assert!(from_wire(&sound).is_ok());
        for wire in [backwards, twice, nothing] {
            assert!(from_wire(&wire).is_err(), "{wire:?}");
        }
    }
}
