"""The names of a swarm's images in a registry."""

import re
from dataclasses import dataclass

from learnae.errors import InputError

IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*")


@dataclass(frozen=True)
class Images:
    """``<prefix>-peer:<tag>`` ...  ``prefix`` may name a registry: registry.example/team/learnae."""

    prefix: str
    tag: str = "latest"

    def __post_init__(self) -> None:
        if not IMAGE.fullmatch(self.prefix):
            raise InputError(
                f"{self.prefix!r} cannot begin the names of images: give one such as registry.example/learnae"
            )

    def __getitem__(self, part: str) -> str:
        return f"{self.prefix}-{part}:{self.tag}"

    @staticmethod
    def named(text: str) -> "Images":
        """Of ``PREFIX`` or ``PREFIX:TAG``.  Raises InputError."""
        prefix, colon, tag = text.rpartition(":")
        return Images(text) if "/" in tag or not colon else Images(prefix, tag)  # the colon may be of a port
