// For `svelte-check` and editors; Vite reads it as well.

import { vitePreprocess } from "@sveltejs/vite-plugin-svelte";

export default {
  preprocess: vitePreprocess(),
  compilerOptions: {
    runes: true,
    // The page's Content-Security-Policy allows no inline styles: they go into the style sheet.
    css: "external",
  },
};
