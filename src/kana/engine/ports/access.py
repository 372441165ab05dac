"""Where keys, and the colleagues who sign in, are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.colleague import Colleague, Invitation, Session
from kana.model.environment import Actor
from kana.model.key import ApiKey, EnvironmentSettings, Keyring, SigningSecret
from kana.model.throttle import Throttle


class KeyStore(Protocol):
    """Where keys, environments' settings and signing secrets are kept."""

    async def initialise(self, keyring: Keyring, *, by: Actor, now: datetime) -> bool:
        """Write the first keyring; return False and write nothing when there is one already."""
        ...

    async def keyring(self) -> Keyring | None:
        """Return all of it as last committed by any process; None before ``initialise``."""
        ...

    async def address(self) -> str | None:
        """Return where a server of this workspace was last started; None where none was."""
        ...

    async def change_address(self, address: str) -> None:
        """Note where a server of this workspace is started."""
        ...

    async def add_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Add a key."""
        ...

    async def revoke_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Revoke a key from now on. Revoking again changes nothing."""
        ...

    async def use_keys(self, uses: Mapping[bytes, datetime]) -> None:
        """Note by hash when keys were last used; what is noted already and later stays. Unknown ones are left out."""
        ...

    async def change_settings(self, settings: EnvironmentSettings, *, by: Actor, now: datetime) -> None:
        """Replace the settings of one environment."""
        ...

    async def add_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Add a secret, which signs from now on; tokens signed with older ones stay valid."""
        ...

    async def revoke_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Revoke a secret from now on. Revoking again changes nothing."""
        ...

    async def seal_signing_secrets(self, *, plainly: bool = False) -> int:
        """Seal every secret that the newest key did not seal; return how many. ``plainly`` takes all seals off.

        Raises:
            DatabaseRefused: one is sealed with a key that is not known here; nothing was changed.
        """
        ...

    async def replace_lost_secrets(self, new: Sequence[SigningSecret], *, by: Actor, now: datetime) -> list[str]:
        """Forget secrets whose key is not known here; return their ids.

        Of ``new`` those of environments that are left with none are added.
        """
        ...


class ColleagueStore(Protocol):
    """Where colleagues, their sessions and invitations are kept. Small: a workspace has few colleagues."""

    async def colleagues(self) -> Mapping[str, Colleague]:
        """Return everybody by address, disabled ones included, the oldest first."""
        ...

    async def change_colleague(
        self, change: Callable[[Mapping[str, Colleague]], Colleague], *, by: Actor, now: datetime
    ) -> Colleague:
        """Apply a pure change to one colleague under a lock and log it; what rested on how they were ends with it.

        That is their sessions, the open links to their address, and those they made where they may invite no more.

        ``change`` may be called again on newer colleagues. What it raises is raised, and nothing is written.
        """
        ...

    async def add_invitation(self, invitation: Invitation, *, by: Actor, now: datetime) -> None:
        """Add an invitation in place of earlier ones to the same address, and forget those that have expired."""
        ...

    async def invitations(self) -> list[Invitation]:
        """Return all that were not used, expired ones included, those that expire first first."""
        ...

    async def withdraw_invitation(self, hashed: bytes, *, by: Actor, now: datetime) -> Invitation | None:
        """Delete an invitation and log it; None where it was used, withdrawn, or never was."""
        ...

    async def invitation(self, hashed: bytes) -> Invitation | None:
        """Return the invitation, expired or not; None where it was used or never was."""
        ...

    async def invitation_to(self, email: str) -> Invitation | None:
        """Return the invitation to an address, expired or not."""
        ...

    async def accept_invitation(
        self, hashed: bytes, accept: Callable[[Invitation, Mapping[str, Colleague]], Colleague], *, now: datetime
    ) -> Colleague:
        """Use up an invitation and write the colleague that ``accept`` returns, as ``change_colleague`` writes one.

        Of two who come with one link, one gets in. What ``accept`` raises is raised, and nothing is written.

        Raises:
            NotFound: it was used or never was.
        """
        ...

    async def add_session(self, session: Session, colleague: Colleague) -> bool:
        """Add a session, and forget those that are over.

        False, and none is added, where the colleague was disabled or got another password since they were read.
        """
        ...

    async def session(self, hashed: bytes) -> tuple[Session, Colleague] | None:
        """Return the session, over or not, and whose it is."""
        ...

    async def touch_session(self, hashed: bytes, *, now: datetime) -> None:
        """Note that a session was used."""
        ...

    async def end_session(self, hashed: bytes) -> None:
        """End one session; ending it again changes nothing."""
        ...

    async def end_sessions(self, email: str) -> None:
        """End every session of a colleague."""
        ...

    async def take_try(self, throttles: Sequence[Throttle], *, now: datetime) -> int:
        """Count a try as failed against each throttle and return 0; or return how many seconds it has to wait.

        Then nothing was counted. Of tries at one moment no more are let through than one after the other would be.
        """
        ...

    async def return_try(self, throttles: Sequence[Throttle]) -> None:
        """Take back a try that was right after all; counts that are a person's own begin anew."""
        ...
