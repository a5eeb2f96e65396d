/// The parameters of conv3x3.wgsl and conv3x3_quad.wgsl.
struct Params {
    /// I
    inputs: u32,
    /// O
    outputs: u32,
    /// H
    height: u32,
    /// W
    width: u32,
    /// Runs of 4 `tiles` pixels in a row.
    strips: u32,
    /// Bands of `rows` rows in an image.
    bands: u32,
    /// B
    batch: u32,
    /// The slope of the LeakyReLU below zero; 1 leaves it out.
    slope: f32,
    /// X, the channels of x.
    x_channels: u32,
}
