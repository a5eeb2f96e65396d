import { createSession, type Session } from "@autolink-web/autolink";
import "@autolink-web/autolink/elements";

/** Trains two steps, with a loss that needs the weights of the package. */
async function train(): Promise<string> {
  const session: Session = await createSession({ backend: "cpu" });
  await session.configure({ keypoints: 4, size: 32, width: 4, batch: 2, micro_batch: 2, loss: "perceptual" });
  await session.load({ kind: "puppets", count: 4, seed: 0 });
  await session.train({ steps: 2 });
  const { step, loss, reason } = session.state();
  session.close();
  return JSON.stringify({ step, loss, reason });
}

const output = document.querySelector("pre");
train().then(
  (text) => output?.replaceChildren(text),
  (error) => output?.replaceChildren(`${error}`),
);

// The elements have types, too.
const lab = document.querySelector("autolink-lab");
console.assert(lab?.session === null);
