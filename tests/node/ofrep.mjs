// OpenFeature's server SDK with the OFREP provider of others. Prints what each flag evaluates to, a line of JSON.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const { BASE_URL, KEY, USER } = process.env;
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: BASE_URL, headers: [["Authorization", KEY]] }));
const client = OpenFeature.getClient();
const context = { targetingKey: USER };
const found = [
  await client.getBooleanDetails("message", false, context),
  await client.getBooleanDetails("message", false, { ...context, delta: 11 }),
  await client.getNumberDetails("message:remaining", -1, context),
  await client.getObjectDetails("message:entitlement", {}, context),
  await client.getBooleanDetails("support", false, context),
  await client.getBooleanDetails("nothing", true, context),
  await client.getBooleanDetails("message", true, { targetingKey: "nobody" }),
];
console.log(JSON.stringify(found));
await OpenFeature.close();
