/// The parameters of edge_map.wgsl and edge_map_gradient.wgsl.
struct Params {
    /// K
    keypoint_count: u32,
    size: u32,
    /// B
    batch: u32,
    /// Sigma squared of an edge's profile.
    thickness: f32,
}
