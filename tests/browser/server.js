// Serves the folder of the project over HTTP, as `cargo xtask serve` serves the page: `node tests/browser/server.js PORT`.
// With `plain` after the port, without headers, like a host that allows none.

import { createServer } from "node:http";
import sirv from "sirv";

const [port, kind] = process.argv.slice(2);
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const files = sirv(".", {
  dev: true,
  setHeaders(response) {
    if (kind !== "plain") for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  },
});
createServer((request, response) => files(request, response, () => void response.writeHead(404).end())).listen(Number(port), "127.0.0.1");
