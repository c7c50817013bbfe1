"""Worker processes, and TensorFlow started on the CPU without its notes on the terminal."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading


def start_worker() -> None:
    """Begin a worker process: Ctrl-C is the parent's to handle, and without a parent there is nothing to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def start_training_worker() -> None:
    """Begin a worker process that trains."""
    start_worker()
    import_tensorflow()


def import_tensorflow() -> None:
    """Import and initialise TensorFlow with standard error set aside; shown after all if that fails.

    No setting of its own silences all its notes. On the CPU even where there is a GPU: there an LSTM would turn into a
    node that cannot be exported (tensorflow-onnx#2359), and the networks are too small to gain.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.set_visible_devices([], "GPU")
            tf.get_logger().setLevel("ERROR")
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
