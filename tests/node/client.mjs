// Kana's own browser client, unchanged, under Node.js: the two globals of a browser that it needs are lent to it.
// Reads a line of JSON for each step: an object is the configuration of a new client, a list is a call of it,
// the name first. Answers each call with a line of JSON; an error is {"error": message}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
globalThis.self = globalThis;
globalThis.XMLHttpRequest = require("xmlhttprequest-ssl").XMLHttpRequest;
const { KanaUserClient } = require("@usekana/client-kana-js");

let client;
for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  if (Array.isArray(step)) {
    const answer = await client[step[0]](...step.slice(1));
    console.log(JSON.stringify(answer?.error ? { error: answer.error.message } : (answer ?? null)));
  } else {
    client = new KanaUserClient(step);
  }
}
