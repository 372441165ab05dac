// Verifies a webhook as receivers in Node do, with both libraries. Reads {secret, headers, body} from
// standard input, and prints whether each of them takes it, or by which error it does not.
import { text } from "node:stream/consumers";
import * as standard from "standardwebhooks";
import * as svix from "svix";

const { secret, headers, body } = JSON.parse(await text(process.stdin));

function verified(library) {
  try {
    new library.Webhook(secret).verify(body, headers);
    return "verified";
  } catch (error) {
    return error.constructor.name;
  }
}

console.log(JSON.stringify([verified(standard), verified(svix)]));
