/**
 * The custom elements for the pages of others. Importing this module defines them.
 *
 * ```html
 * <autolink-lab model="hands"></autolink-lab>
 * <autolink-skeleton model="hands" src="hand.jpg" alt="A hand"></autolink-skeleton>
 * ```
 *
 * @module
 */

import { AutolinkLab } from "./lab.js";
import { AutolinkSkeleton } from "./skeleton.js";

export { AutolinkLab, AutolinkSkeleton };

declare global {
  interface HTMLElementTagNameMap {
    "autolink-lab": AutolinkLab;
    "autolink-skeleton": AutolinkSkeleton;
  }
}

if (!customElements.get("autolink-lab")) customElements.define("autolink-lab", AutolinkLab);
if (!customElements.get("autolink-skeleton")) customElements.define("autolink-skeleton", AutolinkSkeleton);
