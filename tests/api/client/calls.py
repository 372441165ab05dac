"""What the tests of the Client API send, and how."""

from __future__ import annotations

from typing import Any

import httpx

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served

TEST, LIVE = Environment.TEST, Environment.LIVE

CURRENT_USER = """query CurrentUser {
  currentUser {
    id
    name
    email
    subscribedPackages {
      id
      name
      isAddon
      features {
        id
        name
        type
        entitlement {
          access
          consumption {
            budget
            used
          }
        }
      }
    }
  }
}
"""
"""The one document that Kana's own client ever sends, to the letter."""

WHOLE_USER = """{
  currentUser {
    id name email
    subscribedPackages {
      id name isAddon metadata
      features {
        id name type unitLabel unitLabelPlural metadata
        entitlement { access reason outcome consumption { used budget overageEnabled } }
      }
    }
  }
}"""
"""Every field that there is."""

NOBODY = "Unauthenticated: a valid key is needed in the Authorization header."


def public_key(served: Served, environment: Environment = TEST) -> str:
    """The key that pages of an environment show in simple mode."""
    return served.keys[environment][KeyKind.PUBLIC]


def token_of(served: Served, user_id: str, environment: Environment = TEST) -> str:
    """A token that the Admin API makes for a user."""
    key = served.keys[environment][KeyKind.PRIVATE]
    data = served.ask("mutation($id: String!) { generateUserToken(userId: $id) { token } }", {"id": user_id}, key=key)
    token: str = data["generateUserToken"]["token"]
    return token


def post(served: Served, headers: dict[str, str | bytes], query: str = CURRENT_USER) -> httpx.Response:
    """Send a document as Kana's client does."""
    sent = {"Content-Type": "application/json", "X-API-Version": "0.1", **headers}
    body = {"query": query, "operationName": "CurrentUser"} if query == CURRENT_USER else {"query": query}
    return served.http.post("/client/graphql", json=body, headers=_encoded(sent))


def _encoded(headers: dict[str, str | bytes]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers.items()]


def as_user(served: Served, token: str, query: str = WHOLE_USER) -> dict[str, Any]:
    """What a user sees in secure mode."""
    return _user(post(served, {"Authorization": f"Bearer {token}"}, query))


def as_anyone(
    served: Served, user_id: str, query: str = WHOLE_USER, *, environment: Environment = TEST
) -> dict[str, Any]:
    """What whoever has the public key sees of a user in simple mode."""
    return _user(post(served, {"Authorization": public_key(served, environment), "X-User-ID": user_id}, query))


def _user(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert "errors" not in body, body
    user: dict[str, Any] = body["data"]["currentUser"]
    return user


def refusal(response: httpx.Response) -> tuple[str, str]:
    """Code and message of an answer that is an error and nothing else."""
    body = response.json()
    assert list(body) == ["errors"], body
    [error] = body["errors"]
    return error["extensions"]["code"], error["message"]
