"""What a peer that follows the feed does with readings: verify them, store their rows, announce them to itself."""

from learnae.ed25519 import verify
from learnae.messages.readings import MAX_CLASSES, ReadingLog
from learnae.protocol.settings import PeerConfig
from learnae.runtime.learning import Learning


def reading_log(config: PeerConfig, learning: Learning) -> ReadingLog:
    """``MemoryLearning`` has neither columns nor classes: its readings have one column."""
    classes = learning.statistics.get("classes", MAX_CLASSES)
    assert isinstance(classes, int)
    return ReadingLog(config.session, config.sensors, learning.features or 1, classes, verify)
