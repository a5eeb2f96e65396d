//! The one drawing of a skeleton, shared by the preview PNG, the PNG export and the SVG export: which edges stand out, the colours of
//! keypoints, and the shapes.

mod contrast;
pub mod palette; // the colours of keypoints
mod skeleton;

pub(crate) use contrast::most_closing;
pub use contrast::{
    DEAD, EdgeRole, MIN_CLOSING, MIN_CONTRAST, edge_roles, median_and_contrast, skeleton,
    skeleton_strengths,
};
pub(crate) use skeleton::{
    DOT_RADIUS_UNITS, Dot, EDGE_OPACITY, EDGE_WIDTH_UNITS, Ink, Overlay, RIM_WIDTH_UNITS,
    draw_trail, draw_weighted, encode_png,
};
