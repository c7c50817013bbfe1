"""Worker processes, and TensorFlow imported on the CPU without its messages on the terminal."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


def start_worker() -> None:
    """Initialise a worker process: it ignores Ctrl-C, which the parent handles, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def start_training_worker() -> None:
    """Initialise a worker process that trains."""
    start_worker()
    import_tensorflow()


@contextmanager
def training_workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` processes that train. An exception in the block terminates them: a fit can take an hour."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=start_training_worker) as workers:
        try:
            yield workers
        except BaseException:
            workers.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def import_tensorflow() -> None:
    """Import and initialise TensorFlow with standard error redirected; it is shown after all if that fails.

    No setting of TensorFlow silences all its messages. It runs on the CPU even where there is a GPU: there an LSTM would
    become a node that cannot be exported (tensorflow-onnx#2359), and the networks are too small to gain.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as redirected:
        os.dup2(redirected.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.set_visible_devices([], "GPU")
            tf.get_logger().setLevel("ERROR")
        except BaseException:
            redirected.seek(0)
            os.write(stderr, redirected.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
