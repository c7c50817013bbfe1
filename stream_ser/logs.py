"""Structured log events: a name and fields. No event a hop, and no label.

    logs.info("client_connected", client="127.0.0.1:50312", clients=2)

Nothing is written until :func:`stream_ser.daemon.logs.write_to` adds a handler.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("stream_ser")
logger.addHandler(logging.NullHandler())
logger.propagate = False


def info(event: str, **fields: object) -> None:
    """Log something that is as it should be."""
    logger.info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """Log a loss that somebody notices."""
    logger.warning(event, extra={"fields": fields})


def error(event: str, **fields: object) -> None:
    """Log something that failed."""
    logger.error(event, extra={"fields": fields})
