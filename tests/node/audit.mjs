// Audits a GraphQL server with graphql-http's checks of the GraphQL-over-HTTP specification.
// node audit.mjs URL [AUTHORIZATION]  prints one JSON line for each check.
import { serverAudits } from "graphql-http";

const [url, authorization] = process.argv.slice(2);
const fetchFn = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...init.headers, ...(authorization && { authorization }) } });

for (const audit of serverAudits({ url, fetchFn })) {
  const result = await audit.fn();
  console.log(JSON.stringify({ id: result.id, name: result.name, status: result.status, reason: result.reason }));
}
