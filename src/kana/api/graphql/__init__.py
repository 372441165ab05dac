"""GraphQL over HTTP, for any schema."""

from kana.api.graphql.endpoint import GraphQLEndpoint
from kana.api.graphql.limits import Limits

__all__ = ["GraphQLEndpoint", "Limits"]
