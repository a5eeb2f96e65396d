//! Translates module paths to the names of the authors' `state_dict`.

/// Returns the authors' name and shape of the tensor at a module path.
///
/// | ours | theirs |
/// | --- | --- |
/// | `detector.down.i` (0..4) | `encoder.detector.conv.i`: `net.0` conv1, `net.2` norm1, `net.4` conv2, `net.5` norm2, `conv_res.0`, `conv_res.2` |
/// | `detector.up.i` (0..2) | `encoder.detector.conv.{4+i}`: `net.1` conv, `net.2` norm |
/// | `detector.head` | `encoder.detector.conv.6` |
/// | `edges.raw` | `decoder.skeleton_scalar` |
/// | `decoder.alpha` `[1]` | `decoder.alpha` `[]` |
/// | `decoder.first`, `decoder.last` | `decoder.down0.0`, `decoder.conv` |
/// | `decoder.down.i` (0..4) | `decoder.down{i+1}.net`: 0 conv1, 1 norm1, 3 conv2, 4 norm2 |
/// | `decoder.up.i` (0..4) | `decoder.up{i+1}.net`: 1 conv1, 2 norm1, 4 conv2, 5 norm2 |
pub fn checkpoint_name(path: &[String], shape: Vec<usize>) -> (String, Vec<usize>) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    let name = match path[..] {
        ["detector", "down", i, layer, tensor] => {
            let layer = match layer {
                "conv1" => "net.0",
                "norm1" => "net.2",
                "conv2" => "net.4",
                "norm2" => "net.5",
                "shortcut" => "conv_res.0",
                _ => "conv_res.2",
            };
            format!("encoder.detector.conv.{i}.{layer}.{tensor}")
        }
        ["detector", "up", i, layer, tensor] => {
            let layer = if layer == "conv" { 1 } else { 2 };
            format!(
                "encoder.detector.conv.{}.net.{layer}.{tensor}",
                4 + number(i)
            )
        }
        ["detector", "head", tensor] => format!("encoder.detector.conv.6.{tensor}"),
        ["edges", "raw"] => "decoder.skeleton_scalar".into(),
        ["decoder", "alpha"] => return ("decoder.alpha".into(), vec![]),
        ["decoder", "first", tensor] => format!("decoder.down0.0.{tensor}"),
        ["decoder", "last", tensor] => format!("decoder.conv.{tensor}"),
        ["decoder", side, i, layer, tensor] => {
            let place = match layer {
                "conv1" => 0,
                "norm1" => 1,
                "conv2" => 3,
                _ => 4,
            };
            // Blocks of the way up begin with the upsampling, which counts as a layer.
            let place = if side == "up" { place + 1 } else { place };
            format!("decoder.{side}{}.net.{place}.{tensor}", number(i) + 1)
        }
        _ => path.join("."),
    };
    (name, shape)
}
