//! A test whose requirement should be installed but is missing fails; any other such test is reported as skipped.

mod needs;

use needs::{Needed, line};

#[test]
fn missing_requirements_fail_only_if_required() {
    let all = [Needed::Gpu, Needed::Ffmpeg, Needed::Python, Needed::Shared];
    for (needed, name) in all.into_iter().zip(["gpu", "ffmpeg", "python", "shared"]) {
        let skipped = line("", needed, "draws", "none here");
        assert_eq!(skipped, "skipped: draws: none here\n");
        for required in [
            name,
            "gpu,ffmpeg,python,shared",
            " shared, python,ffmpeg,gpu",
        ] {
            let failed = std::panic::catch_unwind(|| line(required, needed, "draws", "none here"));
            assert!(failed.is_err(), "{name} of {required}");
        }
        let others = all.into_iter().filter(|other| *other != needed);
        others.for_each(|other| drop(line(name, other, "draws", "none here")));
    }
}
