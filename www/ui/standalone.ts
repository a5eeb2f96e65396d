/**
 * The present skeletons as one HTML file that opens from disk, without the engine and without a network.
 *
 * @module
 */

import type { PreviewViews } from "../engine/protocol.js";
import { escaped, imageOf, skeletonOf } from "./figure.js";
import { MIN_STRENGTH } from "./skeleton.js";

const STYLES = `
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.45; }
body { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.3rem; }
a { color: inherit; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; margin: 1rem 0; padding: 0; list-style: none; }
svg { display: block; width: 100%; background: #14161d; border-radius: 0.5rem; }
circle.is-shown { stroke: #fff; stroke-opacity: 1; stroke-width: 0.03; }
.bare image { visibility: hidden; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; align-items: center; }
label { display: flex; gap: 0.5rem; align-items: center; }
`;

/** What the file does: it is written into it as a script, and uses nothing else. */
function interact() {
  const all = <T extends Element>(selector: string) => [...document.querySelectorAll<T>(selector)];
  const [edges] = all<HTMLInputElement>("#edges");
  edges.addEventListener("input", () => {
    for (const line of all<SVGLineElement>("line")) line.style.display = Number(line.dataset.strength) < edges.valueAsNumber ? "none" : "";
  });
  const [images] = all<HTMLInputElement>("#images");
  images.addEventListener("change", () => document.body.classList.toggle("bare", !images.checked));
  // The same keypoint in all images.
  document.addEventListener("pointerover", ({ target }) => {
    const k = target instanceof SVGCircleElement ? target.dataset.k : undefined;
    for (const circle of all<SVGCircleElement>("circle")) circle.classList.toggle("is-shown", k !== undefined && circle.dataset.k === k);
  });
}

/**
 * Returns the text of the file.
 * @param caption Line below the heading.
 */
export async function standaloneOf(views: PreviewViews, palette: string[], caption: string): Promise<string> {
  const items = await Promise.all(
    views.keypoints.map(
      async (points, i) =>
        `<li><svg viewBox="0 0 1 1" role="img" aria-label="Image ${i + 1} with ${points.length} keypoints and their edges">` +
        `<image width="1" height="1" preserveAspectRatio="none" href="${await imageOf(views, 0, i)}"/>${skeletonOf(views, palette, i)}</svg></li>`,
    ),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AutoLink: a skeleton from unlabelled images</title>
<style>${STYLES}</style>
<main>
<h1>A skeleton from unlabelled images</h1>
<p>${escaped(caption)} Nobody labelled these images. Point at a keypoint to see it in all of them.</p>
<form>
<label><input type="checkbox" id="images" autocomplete="off" checked> Images</label>
<label>Draw edges above <input type="range" id="edges" autocomplete="off" min="0" max="1" step="0.01" value="${MIN_STRENGTH}"></label>
</form>
<ul>
${items.join("\n")}
</ul>
<p>Made with AutoLink (<a href="https://arxiv.org/abs/2205.10636">He, Wandt and Rhodin, NeurIPS 2022</a>).</p>
</main>
<script>(${interact})();</script>
</html>
`;
}
