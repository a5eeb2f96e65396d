//! How well discovered keypoints predict landmarks.
