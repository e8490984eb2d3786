//! Whatever lies in a broker's queues, as a delivery, as what became of one, or as what whoever delivers must know: it is read or refused, and what was
//! read is the same when it is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_runtime::{Control, Envelope, Report};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::read(bytes) {
        assert_eq!(Envelope::read(&envelope.write()), Ok(envelope));
    }
    if let Ok(report) = Report::read(bytes) {
        let written = report.write();
        assert_eq!(Report::read(&written).map(|report| report.write()), Ok(written));
    }
    if let Ok(control) = Control::read(bytes) {
        assert_eq!(Control::read(&control.write()), Ok(control));
    }
});
