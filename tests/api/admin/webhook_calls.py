"""Documents of the Admin API about webhooks."""

from __future__ import annotations

ENDPOINT = "id url types isEnabled disabledAt disabledBecause failures createdAt secret previousSecretEndsAt"
DELIVERY = "endpointId notificationId type occurredAt state nextAt attempts { at status error body }"

LIST = f"{{ webhookEndpoints {{ {ENDPOINT} }} }}"
CREATE = f"mutation($input: CreateWebhookEndpointInput!) {{ createWebhookEndpoint(input: $input) {{ {ENDPOINT} }} }}"
UPDATE = (
    "mutation($id: String!, $input: UpdateWebhookEndpointInput!)"
    f" {{ updateWebhookEndpoint(id: $id, input: $input) {{ {ENDPOINT} }} }}"
)
DISABLE = f"mutation($id: String!) {{ updateWebhookEndpoint(id: $id, input: {{isEnabled: false}}) {{ {ENDPOINT} }} }}"
ROTATE = f"mutation($id: String!) {{ rotateWebhookSecret(id: $id) {{ {ENDPOINT} }} }}"
DELETE = f"mutation($id: String!) {{ deleteWebhookEndpoint(id: $id) {{ {ENDPOINT} }} }}"
REPLAY = f'mutation($id: String!) {{ replayWebhooks(endpointId: $id, from: "2020-01-01T00:00:00Z") {{ {ENDPOINT} }} }}'
DELIVERIES = f"query($id: String!) {{ webhookDeliveries(endpointId: $id) {{ {DELIVERY} }} }}"
RESEND = (
    "mutation($id: String!, $notificationId: String!)"
    f" {{ resendWebhook(endpointId: $id, notificationId: $notificationId) {{ {DELIVERY} }} }}"
)
