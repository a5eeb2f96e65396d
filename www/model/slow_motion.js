// @ts-check
/**
 * Slow motion: the order in which a step passes the stages, and their sentences.
 *
 * @module
 */

/** @typedef {"image" | "detector" | "heatmaps" | "keypoints" | "edge-map" | "mask" | "masked" | "decoder" | "reconstruction" | "difference"} Lit */

/** The forward pass. @type {[Lit, string][]} */
export const FORWARD = [
  ["image", "One of the preview images. It has no labels."],
  ["detector", "The detector, a network that learns, looks at the whole image."],
  ["heatmaps", "For each keypoint the detector computes a heatmap: where the keypoint may be."],
  ["keypoints", "The mean of each heatmap is a keypoint. Each pair is an edge, with one weight for all images."],
  ["edge-map", "All edges, each as bright as its weight. The decoder sees the keypoints only through this map."],
  ["mask", "A random mask. Dark cells are hidden from the decoder."],
  ["masked", "The masked input shows the appearance, and little of the pose."],
  ["decoder", "The decoder, the other network that learns, sees the edge map and the masked input, and nothing else."],
  ["reconstruction", "The decoder reconstructs the image from the edge map and the masked input. The number is its mean error."],
  ["difference", "The loss measures the difference between the reconstruction and the image. Training makes it smaller."],
];

/** The backward pass: the gradient of the loss. @type {[Lit, string][]} */
export const BACKWARD = [
  ["difference", "Backward: the gradient of the loss says how each pixel of the reconstruction should change."],
  ["decoder", "Backward: each weight of the decoder moves a little so that the loss becomes smaller."],
  ["edge-map", "Backward: the gradient says where the edge map should be brighter or darker, and the edge weights follow."],
  ["keypoints", "Backward: each keypoint is pulled to where its edges help the decoder more."],
  ["heatmaps", "Backward: each heatmap gains in the direction of that pull, and loses on the other side."],
  ["detector", "Backward: each weight of the detector moves a little. No label was needed for this."],
];

/** Time for which a stage is lit, ms. */
export const LIT = 1_200;

/** Duration of a step: all stages forward and backward, and a breath, ms. */
export const STEP = (FORWARD.length + BACKWARD.length + 1) * LIT;
