//! Reading tensors from the device.

use burn::tensor::{Tensor, Transaction};

use crate::error::{Error, Result};

/// Reads tensors in one transaction, in order.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub(crate) async fn read(tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>> {
    let mut transaction = Transaction::default();
    for tensor in tensors {
        transaction = transaction.register(tensor);
    }
    let unanswered = |error: &dyn std::fmt::Debug| {
        let reason = root_cause(&format!("{error:?}"));
        Error::Backend(format!(
            "The device no longer answers ({reason}). Start again, or use the CPU."
        ))
    };
    let data = transaction
        .execute_async()
        .await
        .map_err(|error| unanswered(&error))?;
    data.into_iter()
        .map(|data| {
            data.convert::<f32>()
                .try_into_vec::<f32>()
                .map_err(|error| unanswered(&error))
        })
        .collect()
}

/// Extracts the last cause from a device's report, which lists causes line by line and ends with a backtrace.
fn root_cause(report: &str) -> String {
    report
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Backtrace"))
        .filter(|line| !line.is_empty() && *line != "Caused by:")
        .last()
        .unwrap_or("it gives no reason")
        .trim_end_matches('.')
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_cause_is_the_last_line_before_the_backtrace() {
        let report = "An error happened during execution\nCaused by:\n  the buffer could not be mapped\nBacktrace:\nNo backtrace";
        assert_eq!(root_cause(report), "the buffer could not be mapped");
        assert_eq!(root_cause(""), "it gives no reason");
    }
}
