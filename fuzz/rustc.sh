#!/bin/sh
# Cargo's RUSTC_WRAPPER: counts the edges that are taken in this program and in what decodes files, for libFuzzer, and
# leaves Burn and all others alone. The flags are cargo-fuzz's.
rustc=$1
shift
case " $* " in
*" --crate-name autolink "* | *" --crate-name autolink_fuzz "* | *" --crate-name image "* | *" --crate-name zune_jpeg "* | \
    *" --crate-name zune_core "* | *" --crate-name png "* | *" --crate-name fdeflate "* | *" --crate-name image_webp "* | \
    *" --crate-name gif "* | *" --crate-name weezl "* | *" --crate-name zip "* | *" --crate-name flate2 "* | *" --crate-name zlib_rs "*)
    exec "$rustc" "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$rustc" "$@" ;;
esac
