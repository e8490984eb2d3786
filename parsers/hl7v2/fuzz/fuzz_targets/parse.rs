//! Any bytes are a message or refused; a message gives its bytes back, and can be normalized, edited, escaped and answered.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderly_hl7v2::{AckCode, Answer, Groups, Position, Settings, View, acknowledge, normalize, parse, read_reply, validate};

fuzz_target!(|bytes: &[u8]| {
    let answer = Answer { code: AckCode::AE, control_id: "E1", at: "20260305", errors: &[] };
    match parse(bytes, &Settings::default()) {
        Ok(mut message) => {
            assert_eq!(message.encode(), bytes);
            assert_eq!(message.rebuild(), bytes);
            normalize(&message);
            validate(&message);
            let groups = Groups::of(&message);
            for index in 0..message.segments().len() {
                assert!(groups.enclosing(index).all(|range| range.contains(&index)));
                walk(message.field(index, 5));
            }
            let at = Position { segment: 1, field: 5, repetition: Some(2), component: Some(3), subcomponent: None };
            let text = "a|b^c~d\\e&f\r\n";
            if message.set_text(&at, text).is_ok() {
                assert_eq!(message.view(&at).text(), text);
            }
            answered(&acknowledge(Some(&message.header()), &answer));
        }
        Err(refused) => {
            assert!(refused.tree.is_none_or(|tree| tree.rebuild() == bytes));
            answered(&acknowledge(refused.header.as_ref(), &answer));
        }
    }
});

fn answered(bytes: &[u8]) {
    assert_eq!(read_reply(bytes).map(|reply| reply.code), Ok(Some(AckCode::AE)));
}

fn walk(view: View<'_>) {
    let _ = (view.text(), view.presence());
    assert_eq!(view.children().count(), view.count());
    view.children().for_each(walk);
}
