"""AutoLink's keypoints in millions of images and videos: `annotate` is the job, `images` makes the views that the detector sees."""
