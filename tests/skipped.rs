//! A test that lacks what should be here fails; others say that they are skipped.

mod needs;

use needs::{Needed, line};

#[test]
fn what_should_be_here_and_is_not_fails() {
    let all = [Needed::Gpu, Needed::Python, Needed::Shared];
    for (needed, name) in all.into_iter().zip(["gpu", "python", "shared"]) {
        let skipped = line("", needed, "draws", "none here");
        assert_eq!(skipped, "skipped: draws: none here\n");
        for required in [name, "gpu,python,shared", " shared, python,gpu"] {
            let failed = std::panic::catch_unwind(|| line(required, needed, "draws", "none here"));
            assert!(failed.is_err(), "{name} of {required}");
        }
        let others = all.into_iter().filter(|other| *other != needed);
        others.for_each(|other| drop(line(name, other, "draws", "none here")));
    }
}
