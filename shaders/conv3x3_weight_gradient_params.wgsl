/// The parameters of conv3x3_weight_gradient.wgsl and conv3x3_weight_gradient_quad.wgsl.
struct Params {
    /// I
    inputs: u32,
    /// O
    outputs: u32,
    /// H
    height: u32,
    /// W
    width: u32,
    /// Strips (or, without `flat`, images) that a workgroup sums.
    units_per_group: u32,
    /// Strips in a row.
    strips: u32,
    /// B
    batch: u32,
    /// The first input of x among all inputs.
    first_input: u32,
    all_inputs: u32,
}
