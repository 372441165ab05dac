// What Kana's command line (0.1.0) sends and how it takes the answers, with Node's own fetch. The
// package itself is on no registry any more. Reads one configuration from standard input, validates,
// publishes and pulls it, and prints one JSON object for each answer.
import { text } from "node:stream/consumers";

const root = process.env.KANA_DEV_URL;
const headers = { "Content-Type": "application/json", Authorization: process.env.KANA_DEV_KEY };
const file = JSON.parse(await text(process.stdin));

async function validate() {
  // The status is not looked at.
  const response = await fetch(`${root}/validate`, { method: "POST", headers, body: JSON.stringify(file) });
  const { data } = await response.json();
  return {
    errors: data.filter((line) => line.includes("[ERROR]")),
    warnings: data.filter((line) => !line.includes("[ERROR]") && line.includes("[WARNING]")),
    upToDate: data.length === 0,
  };
}

async function call(path, init) {
  const response = await fetch(`${root}/${path}`, { headers, ...init });
  return response.status > 399 ? { error: response.statusText } : response.json();
}

const print = (value) => console.log(JSON.stringify(value));
print(await validate());
print(await call("publish", { method: "POST", body: JSON.stringify(file) }));
print(await call("pull"));
print(await validate());
