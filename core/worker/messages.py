"""The words that client and worker exchange: one JSON object a line (see `docs/worker-protocol.md`)."""

from __future__ import annotations

import json
from typing import Any

PROTOCOL = 1

MAX_LINE = 1 << 20
"""Longest line in bytes: arrays travel as files, so that nothing honest comes near it."""

HEARTBEAT_SECONDS = 1.0

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """One line, ASCII, with a line feed before and after.

    The one before ends whatever a library may have left unfinished on the same stream; readers skip
    empty lines. What JSON does not know (an odd object in a method's notes) is written as text.
    """
    return b"\n" + json.dumps(message, allow_nan=False, default=str).encode("ascii") + b"\n"


def decode(line: bytes) -> Message | None:
    """The message in a line, or None where the line is no JSON object with a `type`."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    return message
