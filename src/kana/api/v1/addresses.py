"""The one table of addresses: a method and a path for each query and mutation of the Admin API, and one of our own.

``{userId}`` in a path is the argument of that name, or else ``id``. What is left of the arguments is the query of a GET
or DELETE, and the body of all others.
"""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """A method and a path, and which query or mutation answers there.

    With ``part`` the answer is not the object but one of its fields that take arguments, such as the results of a job;
    those arguments are then the query.
    """

    method: str
    path: str
    operation: str
    part: str = ""

    @property
    def id(self) -> str:
        """The name of the operation in OpenAPI, as generated clients have it: that of the Admin API."""
        return self.operation + self.part[:1].upper() + self.part[1:]


ENTITLEMENTS = "entitlements"
"""The one operation that the Admin API does not have."""

ADDRESSES: tuple[Address, ...] = (
    Address("POST", "/v1/check", "canUseFeature"),
    Address("POST", "/v1/check/batch", "canUseFeatures"),
    Address("POST", "/v1/record", "recordUsage"),
    Address("POST", "/v1/record/batch", "recordUsageBatch"),
    Address("POST", "/v1/consume", "consume"),
    Address("POST", "/v1/reservations", "reserve"),
    Address("GET", "/v1/reservations/{id}", "reservation"),
    Address("POST", "/v1/reservations/{id}/settle", "settleReservation"),
    Address("POST", "/v1/reservations/{id}/extend", "extendReservation"),
    Address("POST", "/v1/reservations/{id}/release", "releaseReservation"),
    Address("POST", "/v1/entries/{entryId}/reverse", "reverseUsage"),
    Address("GET", "/v1/users", "users"),
    Address("POST", "/v1/users", "createUser"),
    Address("GET", "/v1/users/{userId}", "user"),
    Address("PATCH", "/v1/users/{userId}", "updateUser"),
    Address("DELETE", "/v1/users/{userId}", "deleteUser"),
    Address("POST", "/v1/users/{from}/merge", "mergeUsers"),
    Address("GET", "/v1/users/{userId}/export", "exportUser"),
    Address("POST", "/v1/users/{userId}/tokens", "generateUserToken"),
    Address("DELETE", "/v1/users/{userId}/tokens", "revokeUserTokens"),
    Address("GET", "/v1/users/{userId}/entitlements", ENTITLEMENTS),
    Address("GET", "/v1/users/{userId}/entries", "entries"),
    Address("GET", "/v1/users/{userId}/entries/{id}", "entry"),
    Address("GET", "/v1/users/{userId}/features/{featureId}/usage", "showUsage"),
    Address("GET", "/v1/users/{userId}/features/{featureId}/explanation", "explain"),
    Address("GET", "/v1/users/{userId}/reservations", "reservations"),
    Address("GET", "/v1/users/{userId}/top-ups", "topUps"),
    Address("GET", "/v1/users/{userId}/overrides", "overrides"),
    Address("GET", "/v1/users/{userId}/limits", "limitOutlook"),
    Address("POST", "/v1/users/{userId}/change-subscription", "changeSubscription"),
    Address("POST", "/v1/top-ups", "createTopUp"),
    Address("POST", "/v1/top-ups/{id}/end", "endTopUp"),
    Address("POST", "/v1/overrides", "setOverride"),
    Address("POST", "/v1/overrides/{id}/end", "endOverride"),
    Address("GET", "/v1/subscriptions", "subscriptions"),
    Address("POST", "/v1/subscriptions", "subscribe"),
    Address("GET", "/v1/subscriptions/{id}", "subscription"),
    Address("POST", "/v1/subscriptions/{id}/cancel", "cancelSubscription"),
    Address("POST", "/v1/subscriptions/{id}/resume", "resumeSubscription"),
    Address("POST", "/v1/subscription-links", "generateSubscriptionLink"),
    Address("POST", "/v1/subscription-changes", "changeSubscriptions"),
    Address("POST", "/v1/subscription-changes/preview", "previewSubscriptionChanges"),
    Address("POST", "/v1/subscription-changes/preview/users", "previewSubscriptionChanges", "users"),
    Address("GET", "/v1/subscription-changes/{id}", "subscriptionChanges"),
    Address("GET", "/v1/subscription-changes/{id}/results", "subscriptionChanges", "results"),
    Address("POST", "/v1/subscription-changes/{id}/take-back", "takeBackSubscriptionChanges"),
    Address("GET", "/v1/features", "features"),
    Address("POST", "/v1/features", "createFeature"),
    Address("GET", "/v1/features/{id}", "feature"),
    Address("PATCH", "/v1/features/{id}", "updateFeature"),
    Address("GET", "/v1/packages", "packages"),
    Address("POST", "/v1/packages", "createPackage"),
    Address("GET", "/v1/packages/{id}", "package"),
    Address("PATCH", "/v1/packages/{id}", "updatePackage"),
    Address("DELETE", "/v1/packages/{id}", "deletePackage"),
    Address("POST", "/v1/packages/{id}/publish", "publishPackage"),
    Address("POST", "/v1/packages/{id}/archive", "archivePackage"),
    Address("POST", "/v1/packages/{id}/unarchive", "unarchivePackage"),
    Address("POST", "/v1/packages/{id}/duplicate", "duplicatePackage"),
    Address("GET", "/v1/insights/usage", "usageInsights"),
    Address("GET", "/v1/insights/credits", "creditInsights"),
    Address("GET", "/v1/insights/adoption", "adoption"),
    Address("GET", "/v1/insights/top-users", "topUsers"),
    Address("GET", "/v1/insights/near-limit", "nearLimit"),
    Address("GET", "/v1/insights/refusals", "refusals"),
    Address("GET", "/v1/notifications", "notifications"),
    Address("GET", "/v1/webhook-endpoints", "webhookEndpoints"),
    Address("POST", "/v1/webhook-endpoints", "createWebhookEndpoint"),
    Address("PATCH", "/v1/webhook-endpoints/{id}", "updateWebhookEndpoint"),
    Address("POST", "/v1/webhook-endpoints/{id}/rotate-secret", "rotateWebhookSecret"),
    Address("POST", "/v1/webhook-endpoints/{endpointId}/replay", "replayWebhooks"),
    Address("GET", "/v1/webhook-endpoints/{endpointId}/deliveries", "webhookDeliveries"),
    Address("POST", "/v1/webhook-endpoints/{endpointId}/deliveries/{notificationId}/resend", "resendWebhook"),
    Address("DELETE", "/v1/webhook-endpoints/{id}", "deleteWebhookEndpoint"),
    Address("GET", "/v1/log", "adminLog"),
    Address("GET", "/v1/settings", "environmentSettings"),
    Address("PUT", "/v1/settings/secure-mode", "setSecureModeRequired"),
    Address("PUT", "/v1/settings/time-zone", "setTimeZone"),
    Address("GET", "/v1/mapping-rules", "mappingRules"),
    Address("POST", "/v1/mapping-rules", "createMappingRule"),
    Address("PATCH", "/v1/mapping-rules/{id}", "updateMappingRule"),
    Address("DELETE", "/v1/mapping-rules/{id}", "deleteMappingRule"),
    Address("GET", "/v1/segment/events", "segmentEvents"),
    Address("GET", "/v1/segment/counts", "segmentEventCounts"),
    Address("GET", "/v1/segment/unmapped-names", "unmappedEventNames"),
    Address("GET", "/v1/segment/unmapped-properties", "unmappedEventProperties"),
    Address("POST", "/v1/segment/events/{id}/retry", "retrySegmentEvent"),
    Address("POST", "/v1/segment/retry-failed", "retryFailedSegmentEvents"),
)
