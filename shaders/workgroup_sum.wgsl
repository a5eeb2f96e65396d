var<workgroup> shared_sums: array<vec2f, {{ lanes }}>;

/// The sum over the workgroup, for every lane.
fn workgroup_sum(value: vec2f, lane: u32) -> vec2f {
    workgroupBarrier();
    shared_sums[lane] = value;
    workgroupBarrier();
    var all = vec2f();
    for (var k = 0u; k < {{ lanes }}u; k++) { all += shared_sums[k]; }
    return all;
}
