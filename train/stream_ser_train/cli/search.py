"""``stream-ser search``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from stream_ser import provenance
from stream_ser.errors import UserError
from stream_ser_train.cli.data import open_data
from stream_ser_train.data.corpus import cache_folder
from stream_ser_train.data.splits import sample
from stream_ser_train.progress import bar
from stream_ser_train.workers import import_tensorflow


def search_command(data: Sequence[Path], out: Path, jobs: int, quick: bool, console: Console) -> None:
    """Measure every variant of the recipe on inner splits and write the log into ``out``.

    Raises:
        UserError: the user pressed Ctrl-C.
        CorpusError: the data cannot be divided into folds.
    """
    import_tensorflow()
    from stream_ser_train.evaluation.search import extract_all, search, search_summary, variants
    from stream_ser_train.fitting.recipe import FULL, QUICK, QUICK_CLIPS
    from stream_ser_train.report.markdown import write_search

    corpus = open_data(data, console)
    if quick:
        corpus = sample(corpus, QUICK_CLIPS)
    chosen = variants(QUICK if quick else FULL)
    try:
        with bar(console, "extracting utterances") as step:
            extract_all(corpus.clips, chosen, cache_folder(), step)
        with bar(console, "training") as step:
            results = search(corpus.clips, chosen, cache_folder(), jobs, step)
    except KeyboardInterrupt:
        raise UserError("stopped; finished trainings are cached, and the same command resumes from them") from None
    result = {
        **provenance.origin("stream-ser search" + (" --quick" if quick else "")),
        **search_summary(results),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "search.json").write_text(json.dumps(result, indent=2) + "\n")
    write_search(result, out / "search.md")
    console.print((out / "search.md").read_text(), soft_wrap=True, highlight=False, markup=False)
    console.print(f"Results: {out / 'search.json'} and .md", soft_wrap=True, highlight=False)
