// RudderStack's own library for Node.js, unchanged. Reads one line of JSON: the key, the address, options of the
// library, and calls of it, the name first. Writes a line of JSON for each call when its batch is answered: the
// error that the library tells of, or null. A time is written {"time": milliseconds}.
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const Analytics = createRequire(import.meta.url)("@rudderstack/rudder-sdk-node");

const [line] = await once(createInterface({ input: process.stdin }), "line");
const { key, url, options, calls } = JSON.parse(line, (_, value) => (value?.time ? new Date(value.time) : value));
const client = new Analytics(key, { dataPlaneUrl: url, logLevel: "none", errorHandler: () => {}, ...options });

const answers = calls.map(
  ([name, message]) => new Promise((answer) => client[name](message, (error) => answer(error?.message ?? null))),
);
const flushing = setInterval(() => client.flush().catch(() => {}), 20);
for (const answer of answers) console.log(JSON.stringify(await answer));
clearInterval(flushing);
