"""The tags a server knows: made before the first attribute carries them, where the server would drop unknown ones.

Which tags an attribute carries is `misp_content`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from intelsec_assets.exports.errors import PushRefused
from intelsec_assets.exports.misp_client import SEARCH_IDS, MispClient
from intelsec_assets.exports.misp_patience import Patience


class ServerTags:
    """Tags known to exist on one server during one push."""

    def __init__(self, client: MispClient, patience: Patience) -> None:
        self._client = client
        self._patience = patience
        self._known: set[str] = set()

    def ensure(self, names: Iterable[str]) -> None:
        """Make what is missing: one search for all that were not asked for yet, one request a tag that is new.

        Nothing at all for users whose edits make tags by the way. Raises PushRefused, before anything carries them, if
        the user may not make them.
        """
        if self._client.makes_tags_on_the_way:
            return
        unknown = sorted(set(names) - self._known)
        for start in range(0, len(unknown), SEARCH_IDS):
            batch = unknown[start : start + SEARCH_IDS]
            self._known |= self._patience.until_answered(partial(self._client.known_tags, batch))
        missing = [name for name in unknown if name not in self._known]
        if missing and not self._client.may_add_tags:
            raise PushRefused(
                f"{self._client.server.place} lacks the tags {', '.join(missing)} and this user may not make them; let "
                "an administrator create them, or use a key whose role is a tag editor"
            )
        for name in missing:
            answer = self._patience.until_answered(partial(self._client.add_tag, name))
            if answer.status != 200:
                raise PushRefused(f"{self._client.server.place} would not make the tag {name}: {answer.text}")
            self._known.add(name)
