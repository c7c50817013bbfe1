"""``stream-ser data``, and the data sets that the other commands open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from stream_ser_train.data.corpus import Corpus, CorpusError, default_data_path, describe_labels, open_corpora, open_corpus
from stream_ser_train.data.download import SIZE, download
from stream_ser_train.progress import bar


def download_command(console: Console) -> None:
    """``stream-ser data download``.

    Raises:
        DownloadError: the network failed, or the file is not the published one.
    """
    with bar(console, f"fetching {SIZE / 1e6:.0f} MB") as step:
        file = download(step)
    console.print(f"The data set is at {file}.", soft_wrap=True, highlight=False)


def check_command(place: Path, console: Console) -> None:
    """``stream-ser data check``: exits with an error if the copy is incomplete.

    Raises:
        CorpusError: the copy is incomplete or damaged.
    """
    corpus = open_corpus(place)
    damaged: list[str] = []
    with bar(console, "reading every clip") as step:
        for done, clip in enumerate(corpus.clips, start=1):
            try:
                clip.read(16_000)
            except CorpusError as error:
                damaged.append(str(error))
            step(done, len(corpus.clips))
    for title, names in (("doubled (counted once)", corpus.duplicates), ("of no known name (skipped)", corpus.unrecognized)):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            console.print(f"{len(names)} {title}: {shown}", soft_wrap=True, highlight=False, markup=False)
    for message in damaged:
        console.print(message, soft_wrap=True, highlight=False, markup=False)
    missing = corpus.missing
    for actor, number in missing.items():
        console.print(f"actor {actor}: {number} of 60 clips missing", highlight=False)
    for line in describe_labels(corpus):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"{len(corpus.clips) - len(damaged)} of {len(corpus.clips) + sum(missing.values())} clips are usable.", highlight=False
    )
    if damaged or missing:
        raise CorpusError(f"{place} is incomplete; fetch the data set with: stream-ser data download")


def open_data(data: Sequence[Path], console: Console) -> Corpus:
    """The clips of all data sets, or of the default one; what was skipped, and what each label became, is printed.

    Raises:
        CorpusError: one of them cannot be used.
    """
    corpus = open_corpora(data or [default_data_path()])
    for names, what in ((corpus.duplicates, "doubled, counted once"), (corpus.unrecognized, "of no known name, skipped")):
        if names:
            console.print(f"{len(names)} files {what} (stream-ser data check)", highlight=False)
    for line in describe_labels(corpus):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return corpus
