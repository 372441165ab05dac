// A program against /v1 by a client whose types openapi-typescript made of what the server says of itself.
// It is compiled before it runs, so a field that is called otherwise is found then. Prints one JSON object.
import createClient from "openapi-fetch";
import type { paths } from "./v1.js";

const client = createClient<paths>({
  baseUrl: process.env.KANA_URL,
  headers: { Authorization: `Bearer ${process.env.KANA_KEY}` },
});

const userId = "eu/ts 1";
const created = await client.POST("/v1/users", { body: { id: userId, name: "Sam", metadata: { plan: "new" } } });
const subscribed = await client.POST("/v1/subscriptions", { body: { userId, packageIds: ["basic"] } });
const checked = await client.POST("/v1/check", { body: { userId, featureId: "message", delta: 4 } });

const usage = {
  body: { userId, featureId: "message", delta: 4 },
  params: { header: { "Idempotency-Key": "ts-1" } },
} as const;
const recorded = await client.POST("/v1/record", usage);
const again = await client.POST("/v1/record", usage);
const refused = await client.POST("/v1/record", { body: { userId, featureId: "message", delta: 100 } });
const wrong = await client.POST("/v1/record", { body: { userId: "nobody", featureId: "message" } });

const held = await client.POST("/v1/reservations", { body: { userId, lines: [{ featureId: "message", units: 2 }] } });
const id = held.data?.reservation?.id ?? "";
const settled = await client.POST("/v1/reservations/{id}/settle", {
  params: { path: { id } },
  body: { lines: [{ featureId: "message", units: 1 }] },
});

const path = { userId };
const mine = await client.GET("/v1/users/{userId}/entitlements", { params: { path } });
const entries = await client.GET("/v1/users/{userId}/entries", { params: { path, query: { first: 1 } } });

console.log(
  JSON.stringify({
    name: created.data?.name,
    packageId: subscribed.data?.items[0]?.packageId,
    access: checked.data?.access,
    used: [recorded.data?.consumption?.used, again.data?.consumption?.used],
    duplicate: [recorded.data?.duplicate, again.data?.duplicate],
    refused: refused.data?.outcome,
    wrong: [wrong.response.status, wrong.error?.code, wrong.error?.title],
    settled: settled.data?.reservation?.lines[0]?.settled,
    mine: mine.data?.features.map((each) => [each.featureId, each.consumption?.used ?? null]),
    entries: entries.data?.items.length,
  }),
);
